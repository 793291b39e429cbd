import type { DoctorFinding } from '../../contract/reports.ts'

/**
 * Which tools inside a sandbox trust the sandbox's own certificate authority. Each asks for a host that is denied: the gateway answers
 * 403 over TLS with a leaf of that authority, so that who sees the 403 trusts it.
 */
const TRUST_CHECK_HOST = 'trust-check.agentkernel.internal'
const URL_DENIED = `https://${TRUST_CHECK_HOST}/`
const SEEN = /\b403\b|forbidden/i

interface TrustTool {
  readonly tool: string
  /** The command, whose output has the status that it saw. */
  readonly command: readonly string[]
}

const JAVA = `public class T { public static void main(String[] a) throws Exception {
  System.out.println(((java.net.HttpURLConnection) new java.net.URL(a[0]).openConnection()).getResponseCode()); } }`

/** Every tool with a trust store of its own that programs are likely to use. Arguments only, except where a tool reads a file. */
export const TRUST_TOOLS: readonly TrustTool[] = [
  { tool: 'curl', command: ['curl', '-sS', '-o', '/dev/null', '-w', '%{http_code}', URL_DENIED] },
  { tool: 'wget', command: ['wget', '-O', '/dev/null', '--tries=1', URL_DENIED] },
  { tool: 'git', command: ['git', 'ls-remote', `${URL_DENIED}x.git`] },
  { tool: 'node', command: ['node', '-e', `require('https').get('${URL_DENIED}',r=>console.log(r.statusCode,r.resume()&&''))`] },
  { tool: 'npm', command: ['npm', 'view', 'x', '--registry', URL_DENIED, '--fetch-retries=0'] },
  { tool: 'bun', command: ['bun', '-e', `console.log((await fetch('${URL_DENIED}')).status)`] },
  { tool: 'deno', command: ['deno', 'eval', `console.log((await fetch('${URL_DENIED}')).status)`] },
  { tool: 'python3', command: ['python3', '-c', `import urllib.request as u\nu.urlopen('${URL_DENIED}')`] },
  {
    tool: 'pip',
    command: ['pip', 'download', '--no-cache-dir', '--retries=0', '--disable-pip-version-check', '-vv', '--index-url', URL_DENIED, 'x'],
  },
  { tool: 'go', command: ['env', `GOPROXY=${URL_DENIED}`, 'GOSUMDB=off', 'GOFLAGS=-mod=mod', 'go', 'list', '-m', 'example.com/x@v1.0.0'] },
  {
    tool: 'cargo',
    command: ['env', `CARGO_REGISTRIES_T_INDEX=sparse+${URL_DENIED}`, 'CARGO_NET_RETRY=0', 'cargo', 'info', 'x@1.0.0', '--registry', 't'],
  },
  { tool: 'java', command: ['sh', '-c', 'printf "%s" "$1" >/tmp/T.java && exec java /tmp/T.java "$2"', 'sh', JAVA, URL_DENIED] },
  { tool: 'ruby', command: ['ruby', '-rnet/http', '-e', `puts Net::HTTP.get_response(URI('${URL_DENIED}')).code`] },
  { tool: 'php', command: ['php', '-r', `file_get_contents('${URL_DENIED}');`] },
]

/** Runs a command in a sandbox of its own, with the check's rules; resolves with all it wrote, or undefined when it could not start. */
export type TryInside = (command: readonly string[], signal: AbortSignal) => Promise<string | undefined>

/** One finding for each tool that a sandbox has. A tool that is not there is not mentioned. */
export async function checkTrust(tryInside: TryInside, signal: AbortSignal): Promise<DoctorFinding[]> {
  const findings: DoctorFinding[] = []
  for (const { tool, command } of TRUST_TOOLS) {
    if ((await tryInside(['sh', '-c', `command -v ${tool}`], signal)) === '') continue
    const output = await tryInside(command, signal)
    if (output !== undefined) findings.push(findingOf(tool, output))
  }
  return findings
}

function findingOf(tool: string, output: string): DoctorFinding {
  if (SEEN.test(output)) return { check: tool, status: 'ok', detail: "trusts the sandbox's own authority" }
  const said = output.trim().split('\n').at(-1)?.slice(0, 160) ?? ''
  return {
    check: tool,
    status: 'warning',
    detail: `does not trust the sandbox's own authority (${said === '' ? 'it said nothing' : said})`,
    fix: `Requests of ${tool} to hosts with secrets or request rules will fail; point it to /run/agentkernel/ca/agentkernel-combined.crt inside.`,
  }
}
