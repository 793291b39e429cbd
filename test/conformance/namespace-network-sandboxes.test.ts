import { afterAll, describe, expect, test } from 'bun:test'
import { createKeepingNamespaceDriver } from '../../src/drivers/namespace/index.ts'
import { tunFinding } from '../../src/drivers/namespace/network.ts'
import { GatewayConnection, Guest } from '../../src/guestlink/index.ts'
import { echo } from './networked-run.ts'
import { type Box, type SandboxKit, withSandboxes } from './sandbox-kit.ts'
import { makeSandboxPlace } from './sandbox-place.ts'

const { dataDir, runtimeDir, helperPath, leftovers, remove } = makeSandboxPlace()
afterAll(remove)

const createDriver = () =>
  createKeepingNamespaceDriver(
    {
      dataDir,
      helperPath,
      home: dataDir,
      uid: process.getuid?.() ?? 0,
      arch: process.arch === 'arm64' ? 'arm64' : 'x64',
      bwrapPaths: ['/usr/bin/bwrap', '/usr/local/bin/bwrap'],
    },
    { runtimeDir, version: '0.0.0' },
  )

const ASK = `bash -c '(exec 3<>/dev/tcp/203.0.113.7/8080 && echo hello >&3 && read -r line <&3 && echo "got $line") 2>/dev/null || echo closed'`
const network = { files: [], env: { FROM_NETWORK: 'yes' } }

/** Connects a gateway that sends back what it gets, and is in force when this resolves. */
async function gateway(kit: SandboxKit, { handle }: Box, flows: string[] = []): Promise<GatewayConnection> {
  const { egressPath = '' } = kit.verbs.connect(handle)
  const connection = new GatewayConnection(
    { unix: egressPath },
    {
      version: '0.0.0',
      onFlow: (flow) => {
        flows.push(`${flow.request.op} ${flow.request.dst} ${flow.request.port} ${flow.request.tag ?? '-'}`)
        void echo(flow)
      },
    },
  )
  return connection
}

/** Asks until the network is as expected: a gateway that has just come or gone is noticed a moment later. */
async function becomes(kit: SandboxKit, box: Box, expected: string): Promise<void> {
  while ((await kit.sh(box, ASK)) !== expected) await Bun.sleep(5)
}

describe.skipIf(tunFinding().status !== 'ok')('a sandbox that stays, with a network device (needs to open /dev/net/tun)', () => {
  test('is closed without a gateway, open with one, and closed again when it is gone', async () => {
    await withSandboxes(createDriver, async (kit) => {
      const box = await kit.start({ network })
      expect(box.handle.egress).toBe('enforced')
      expect(box.handle.notices).toEqual([])
      expect(await kit.sh(box, ASK)).toBe('closed\n')
      const flows: string[] = []
      const first = await gateway(kit, box, flows)
      await becomes(kit, box, 'got hello\n')
      expect(flows).toContain('tcp 203.0.113.7 8080 -')
      await first.bye()
      await becomes(kit, box, 'closed\n')
      const second = await gateway(kit, box)
      await becomes(kit, box, 'got hello\n')
      await second.bye()
    })
    expect(await leftovers()).toEqual([])
  })

  test('has its network again after a stop, and its variables', async () => {
    await withSandboxes(createDriver, async (kit) => {
      const box = await kit.start({ network })
      await kit.stop(box)
      await kit.start(box)
      const connection = await gateway(kit, box)
      await becomes(kit, box, 'got hello\n')
      expect(await kit.sh(box, 'echo $FROM_NETWORK; env | grep -ci _proxy=; head -n 1 /etc/resolv.conf')).toBe(
        'yes\n0\nnameserver 198.18.0.1\n',
      )
      await connection.bye()
    })
  })

  test('another process of ours knows where its gateway connects', async () => {
    await withSandboxes(createDriver, async (kit) => {
      const box = await kit.start({ network })
      const again = await (await kit.another()).start(box.handle, box.spec, kit.signal)
      expect(again.egress).toBe('enforced')
      expect((await kit.another()).connect(again)).toEqual(kit.verbs.connect(box.handle))
    })
  })
})

/** What a command sees of its walls. */
const WALLS = `grep -E '^(Uid|Gid|Cap|NoNewPrivs|Seccomp:)' /proc/self/status; cat /proc/self/uid_map /proc/self/gid_map /proc/self/cgroup /proc/self/mountinfo
for n in mnt pid ipc uts cgroup user; do readlink /proc/self/ns/$n; done; ulimit -a; pwd`

/** The output of a command that has a network of its own. */
async function apart(kit: SandboxKit, { handle }: Box, id: string, script: string): Promise<string> {
  const guest = await Guest.connect(kit.verbs.connect(handle).socketPath, { role: 'client', version: '0.0.0' })
  const { env, cwd } = handle.guest ?? { env: {}, cwd: '/' }
  const variables = Object.entries(env).map(([name, value]) => `${name}=${value}`)
  const stream = guest.exec({ op: 'exec', id, argv: ['sh', '-c', script], env: variables, cwd, network: true })
  let text = ''
  for await (const chunk of stream.output) if ('bytes' in chunk) text += new TextDecoder().decode(chunk.bytes)
  await stream.result
  await guest.connection.bye()
  return text
}

for (const tun of [true, false]) {
  const skipped = tun && tunFinding().status !== 'ok'
  describe.skipIf(skipped)(`a command with a network of its own, ${tun ? 'and a device' : 'without a device'}`, () => {
    test('has the same walls as every other, and flows that bear its id', async () => {
      await withSandboxes(createDriver, async (kit) => {
        const box = await kit.start({ network: { ...network, tun } })
        const walls = await apart(kit, box, 'walls', WALLS)
        expect(walls).toBe(await kit.sh(box, WALLS))
        expect(walls).toContain('Seccomp:\t2')
        expect(walls.match(/^Cap\w+:\t0{16}$/gm)?.length).toBe(5)
        const flows: string[] = []
        const connection = await gateway(kit, box, flows)
        const proxied = `curl -s -m 5 --proxytunnel http://203.0.113.7:8080/ >/dev/null`
        for (let i = 0; flows.length === 0; i++) await apart(kit, box, `mine-${i}`, tun ? ASK : proxied)
        expect(flows[0]).toMatch(/^tcp 203\.0\.113\.7 8080 mine-\d+$/)
        await connection.bye()
      })
      expect(await leftovers()).toEqual([])
    })
  })
}

describe('a sandbox that stays', () => {
  test('has no egress connection without a network', async () => {
    await withSandboxes(createDriver, async (kit) => {
      const box = await kit.start()
      expect(box.handle.egress).toBe('none')
      expect(kit.verbs.connect(box.handle).egressPath).toBeUndefined()
    })
  })

  test('without a device gives every command the variables of its proxy', async () => {
    await withSandboxes(createDriver, async (kit) => {
      const box = await kit.start({ network: { ...network, tun: false } })
      expect(box.handle.egress).toBe('proxy')
      expect(await kit.sh(box, `env | grep -i _proxy= | sed 's/:[0-9]*$//' | sort; ${ASK}`)).toBe(
        [
          'ALL_PROXY=socks5h://127.0.0.1',
          'HTTPS_PROXY=http://127.0.0.1',
          'HTTP_PROXY=http://127.0.0.1',
          'NO_PROXY=localhost,127.0.0.1',
          'all_proxy=socks5h://127.0.0.1',
          'http_proxy=http://127.0.0.1',
          'https_proxy=http://127.0.0.1',
          'no_proxy=localhost,127.0.0.1',
          'closed',
          '',
        ].join('\n'),
      )
    })
  })
})
