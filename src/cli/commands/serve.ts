import type { ServeRequest } from '../../contract/daemon.ts'
import type { Command, CommandSpec } from '../command.ts'
import type { CliContext } from '../context.ts'
import { usageError } from '../parse-arguments.ts'
import type { ParsedArguments } from '../parse-arguments.ts'
import { printable, printableJson, quoted } from '../printable.ts'
import { defined, hostPath, withoutNul } from './values.ts'

const SPEC: CommandSpec = {
  name: 'serve',
  summary: 'Serve the HTTP API',
  description:
    'Is the daemon, in the foreground, with a TCP listener; a daemon that runs already hands over, and sandboxes notice ' +
    'nothing. Ctrl-C ends it. Without keys it listens on this machine only, and requests may not name host paths, ask for ' +
    'the permissive profile or more. Prefer --api-key-file: what --api-key gives can be seen in the list of processes.',
  usage: ['serve [flags]'],
  positionals: { kind: 'none' },
  flags: [
    { name: 'host', short: 'H', value: { label: 'ADDRESS' }, summary: 'Listen on this address (default 127.0.0.1); others need keys' },
    { name: 'port', short: 'p', value: { label: 'PORT' }, summary: 'Listen on this port; 0 = any free one (default 18888)' },
    { name: 'api-key', value: { label: 'KEY' }, repeatable: true, summary: 'Let in whoever has this key (repeatable)' },
    {
      name: 'api-key-file',
      value: { label: 'FILE', complete: 'files' },
      summary: 'Let in whoever has one of these keys: one a line, # begins a comment',
    },
    { name: 'tls', summary: 'Serve HTTPS, with a certificate made here unless one is given' },
    { name: 'tls-cert', value: { label: 'FILE', complete: 'files' }, summary: 'Certificate chain, PEM; needs --tls and --tls-key' },
    { name: 'tls-key', value: { label: 'FILE', complete: 'files' }, summary: 'Private key, PEM; needs --tls and --tls-cert' },
    { name: 'require-tls', summary: 'Refuse to serve without TLS; needs --tls' },
    { name: 'webhook-url', value: { label: 'URL' }, repeatable: true, summary: 'Send lifecycle events there (repeatable)' },
    { name: 'config', short: 'c', value: { label: 'FILE', complete: 'files' }, summary: 'Use this config file, and honour all of it' },
    { name: 'json', summary: 'Print {"url", "notices"} on stdout when it is ready' },
  ],
  examples: [
    { command: 'agentkernel serve', note: 'For programs on this machine' },
    { command: 'agentkernel serve --api-key-file keys.txt --tls --host 0.0.0.0', note: 'For others, who need a key' },
  ],
  laterFlags: [{ name: 'otel-endpoint', note: 'Leave it out; GET /metrics has the numbers.' }],
}

export const serve: Command = {
  spec: SPEC,
  family: 'plain',
  async execute(args, context) {
    const request = parseServe(args, context)
    const daemon = await context.daemon()
    await daemon.serve(request, (url, notices) => announce(url, notices, request, args.has('json'), context))
    return 0
  },
}

function parseServe(args: ParsedArguments, context: CliContext): ServeRequest {
  const file = (flag: string): string | undefined => hostPath(SPEC, `--${flag}`, args.value(flag), context.cwd)
  return {
    ...defined('host', withoutNul(SPEC, '--host', args.value('host'))),
    ...defined('port', portOf(args.value('port'))),
    apiKeys: args.values('api-key').map((key) => withoutNul(SPEC, '--api-key', key)!),
    ...defined('apiKeyFile', file('api-key-file')),
    tls: args.has('tls'),
    ...defined('tlsCert', file('tls-cert')),
    ...defined('tlsKey', file('tls-key')),
    requireTls: args.has('require-tls'),
    webhookUrls: args.values('webhook-url').map(webhookUrl),
    ...defined('configPath', file('config')),
    cwd: context.cwd,
  }
}

function portOf(text: string | undefined): number | undefined {
  if (text === undefined) return undefined
  const port = /^\d{1,5}$/.test(text) ? Number(text) : Number.NaN
  if (port <= 65_535) return port
  throw usageError(SPEC, `--port ${quoted(text)} is no port; write a number from 0 to 65535.`)
}

function webhookUrl(text: string): string {
  const url = URL.parse(text)
  if (url !== null && (url.protocol === 'https:' || url.protocol === 'http:')) return text
  throw usageError(SPEC, `--webhook-url ${quoted(text)} is no http or https address.`)
}

function announce(url: string, notices: readonly string[], request: ServeRequest, json: boolean, context: CliContext): void {
  // It goes on when nobody reads this.
  for (const notice of notices) context.stderr.write(`agentkernel: ${printable(notice)}\n`)
  if (json) {
    context.stdout.write(`${printableJson({ url, notices })}\n`)
    return
  }
  context.stderr.write(`agentkernel: serving ${printable(url)}; its reference is at ${printable(url)}/docs; Ctrl-C ends it\n`)
  if (request.apiKeys.length === 0 && request.apiKeyFile === undefined) {
    context.stderr.write('agentkernel: keys are set with --api-key-file FILE or AGENTKERNEL_API_KEY\n')
  }
}
