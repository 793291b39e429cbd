import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { chmodSync, chownSync, existsSync, mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { tunFinding } from '../../src/drivers/namespace/network.ts'
import type { GatewayConnection } from '../../src/guestlink/index.ts'
import { echo, type Networked, networkedRun } from './networked-run.ts'

/** An address that is nobody's, and what the test's gateway does with it: it sends back what it gets. */
const TCP = '(exec 3<>/dev/tcp/203.0.113.7/8080 && echo hello >&3 && read -r line <&3 && echo "tcp $line")'
const TCP6 = '(exec 3<>/dev/tcp/2001:db8::7/8080 && echo hello >&3 && read -r line <&3 && echo "tcp6 $line")'
/** Not `read`, which takes byte by byte, and of a datagram only the first. */
const UDP = '(exec 4<>/dev/udp/203.0.113.7/53 && echo hi >&4 && echo "udp $(timeout 10 head -c 3 <&4)")'
const CONNECT =
  'port=${HTTPS_PROXY##*:}; exec 3<>/dev/tcp/127.0.0.1/$port && printf "CONNECT example.com:443 HTTP/1.1\\r\\nHost: example.com:443\\r\\n\\r\\n" >&3 && read -r status <&3 && echo "${status%$\'\\r\'}"; while read -r head <&3 && [ "$head" != $\'\\r\' ]; do :; done; echo hello >&3; read -r line <&3 && echo "through $line"; exec 3>&-'
const DEVICES = "cut -d: -f1 /proc/net/dev | tail -n +3 | tr -d ' ' | sort | tr '\\n' ' '; echo"

const hasDevice = tunFinding().status === 'ok'
const isRoot = process.getuid?.() === 0
/** An identity that no system gives to a user. */
const STRANGER = 54_321

let base = ''
beforeAll(() => {
  base = realpathSync(mkdtempSync(join(tmpdir(), 'networked-')))
  chmodSync(base, 0o755)
})
afterAll(() => rmSync(base, { recursive: true, force: true }))

describe.skipIf(!hasDevice)('a run with a network device (needs to open /dev/net/tun)', () => {
  test('reaches the gateway by TCP, UDP and IPv6 without knowing', async () => {
    const { outcome, output, flows } = await networkedRun({ dataDir: base, script: [DEVICES, TCP, UDP, TCP6].join('\n') })
    expect(output).toBe('lo tun0 \ntcp hello\nudp hi\ntcp6 hello\n')
    expect(flows).toEqual(['tcp 203.0.113.7 8080 tun', 'udp 203.0.113.7 53 tun', 'tcp 2001:db8::7 8080 tun'])
    expect(outcome).toMatchObject({ ended: 'exited', status: 0, egress: 'enforced', notices: [] })
  })

  test('is refused by a reset when the gateway refuses', async () => {
    const { output } = await networkedRun({ dataDir: base, script: `${TCP} || echo refused` }, (flow) => flow.refuse('denied', 'no'))
    expect(output).toMatch(/refused/i)
    expect(output).not.toContain('tcp hello')
  })

  test('is closed when the gateway is gone, and the command goes on', async () => {
    const script = `${TCP}; for i in 1 2 3 4 5 6 7 8 9 10; do timeout 10 bash -c 'exec 3<>/dev/tcp/203.0.113.7/8081 && read -r x <&3' 2>/dev/null || break; done; (exec 3<>/dev/tcp/203.0.113.7/8082) 2>/dev/null || echo closed`
    let connection: GatewayConnection | undefined
    const { output, outcome } = await networkedRun(
      { dataDir: base, script },
      (flow) => (flow.request.port === 8081 ? connection?.bye() : echo(flow)),
      (made) => (connection = made),
    )
    expect(output).toBe('tcp hello\nclosed\n')
    expect(outcome).toMatchObject({ ended: 'exited', status: 0 })
  })

  test('delivers what a command sent before it ended', async () => {
    let bytes = 0
    const script = 'exec 3>/dev/tcp/203.0.113.7/8080; head -c 3000000 /dev/zero >&3'
    const done = Promise.withResolvers<void>()
    await networkedRun({ dataDir: base, script }, async (flow) => {
      flow.accept()
      for (let chunk = await flow.read(); chunk !== undefined; chunk = await flow.read()) bytes += chunk.length
      flow.end()
      done.resolve()
    })
    await done.promise
    expect(bytes).toBe(3_000_000)
  })

  test('shows the files and variables that it is given, and nothing of the network to the command', async () => {
    const hostPath = join(base, 'ca.pem')
    writeFileSync(hostPath, 'a certificate\n', { mode: 0o644 })
    const network = {
      files: ['/etc/ssl/certs/ca-certificates.crt', '/etc/agentkernel-ca/ca.pem'].map((path) => ({ path, hostPath })),
      env: { SSL_CERT_FILE: '/etc/agentkernel-ca/ca.pem' },
    }
    const script = [
      'cat /etc/ssl/certs/ca-certificates.crt "$SSL_CERT_FILE" /etc/resolv.conf',
      '(echo x > "$SSL_CERT_FILE") 2>/dev/null && echo written',
      `ls /proc/self/fd | tr '\\n' ' '; ls /dev/net 2>/dev/null; grep -c '^Cap...:.*[1-9a-f]' /proc/self/status; grep -i proxy <(env)`,
    ].join('\n')
    const { output } = await networkedRun({ dataDir: base, script, network })
    expect(output).toBe('a certificate\na certificate\nnameserver 198.18.0.1\noptions timeout:5 attempts:2\n0 1 2 3 0\n')
  })

  test('works under every built-in filter', async () => {
    for (const seccomp of ['restrictive', 'moderate', 'ai-agent', 'default']) {
      const { output } = await networkedRun({ dataDir: base, script: TCP, permissions: { seccomp } })
      expect(`${seccomp}: ${output}`).toBe(`${seccomp}: tcp hello\n`)
    }
  })
})

describe('a run with a network and no device', () => {
  const network = { tun: false, files: [], env: {} }

  test('has no way out but the proxy, which its variables name', async () => {
    const script = [DEVICES, `${TCP} 2>/dev/null || echo unreachable`, CONNECT].join('\n')
    const { output, flows, outcome } = await networkedRun({ dataDir: base, script, network })
    expect(output).toMatch(/^lo \nunreachable\nHTTP\/1\.1 200.*\nthrough hello\n$/)
    expect(flows).toEqual(['tcp example.com 443 proxy'])
    expect(outcome).toMatchObject({ egress: 'proxy', notices: [] })
  })
})

describe.skipIf(!isRoot || Bun.which('setpriv') === null)('a run of an ordinary user (needs root, to become one)', () => {
  test('is told what to do where the device may not be opened', async () => {
    const { output, outcome } = await asStranger(`${DEVICES}\necho "\${HTTP_PROXY%:*}"`, 0o600)
    expect(output).toBe('lo \nhttp://127.0.0.1\n')
    expect(outcome.egress).toBe('proxy')
    expect(outcome.notices).toEqual([expect.stringContaining('sudo chmod 666 /dev/net/tun')])
  })

  test('has a device where it may be opened', async () => {
    const { output, outcome } = await asStranger([DEVICES, TCP, UDP].join('\n'), 0o666)
    expect(output).toBe('lo tun0 \ntcp hello\nudp hi\n')
    expect(outcome).toMatchObject({ egress: 'enforced', notices: [] })
  })
})

/** Does a run as another user, in a mount namespace where the device has that mode. */
async function asStranger(script: string, mode: number): Promise<Networked> {
  const dir = mkdtempSync(join(base, 'stranger-'))
  const [dataDir, file, device] = [join(dir, 'data'), join(dir, 'script'), join(dir, 'tun')]
  chmodSync(dir, 0o755)
  mkdirSync(dataDir, { mode: 0o700 })
  chownSync(dataDir, STRANGER, STRANGER)
  writeFileSync(file, script, { mode: 0o644 })
  const outer = [
    `mknod -m ${mode.toString(8)} ${device} c 10 200`,
    `mount --bind ${device} /dev/net/tun`,
    `exec setpriv --reuid=${STRANGER} --regid=${STRANGER} --clear-groups --inh-caps=-all "$@"`,
  ].join(' && ')
  const program = [process.execPath, join(import.meta.dir, 'networked-run.ts'), dataDir, file]
  const child = Bun.spawn(['unshare', '-m', 'sh', '-c', outer, 'sh', ...program], {
    stdout: 'pipe',
    stderr: 'pipe',
    env: { HOME: dataDir, PATH: process.env['PATH'] ?? '' },
  })
  const [text, errors] = await Promise.all([child.stdout.text(), child.stderr.text(), child.exited])
  expect(existsSync(device)).toBe(true)
  if (text === '') throw new Error(`the run said nothing: ${errors}`)
  return JSON.parse(text) as Networked
}
