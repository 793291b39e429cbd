import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from 'bun:test'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { NetworkEvent } from '../../src/contract/network.ts'
import { LAB_TOKEN, LONGEST_MS, NetworkWorld, NO_LAB, readLog, SKIPPED, TRY_HOSTS } from './network-kit.ts'

setDefaultTimeout(LONGEST_MS)

describe.skipIf(NO_LAB !== undefined)(`what rules let through${SKIPPED}`, () => {
  let world: NetworkWorld
  beforeAll(async () => {
    world = await NetworkWorld.start()
  })
  afterAll(() => world?.close())

  /** Asks each target for `/echo?MARK` over plain HTTP: what came back is `open`, `403`, `421`, or why there was no connection. */
  const tryHosts = async (
    flags: readonly string[],
    targets: readonly (readonly [string, number])[],
    mark = 'tried',
  ): Promise<Record<string, unknown>> => {
    const [said] = await world.python(flags, `${TRY_HOSTS}\nsay(try_hosts(${JSON.stringify(targets)}, ${JSON.stringify(mark)}))`)
    return said as Record<string, unknown>
  }
  const logFile = (name: string): string => join(world.lab.folder, `${name}.jsonl`)
  const curl = (url: string, ...more: string[]): string[] => ['curl', '-sS', '-m', '10', '-w', ' %{http_code}', ...more, url]

  describe('public', () => {
    test.concurrent('reaches public names and addresses, of IPv4 and IPv6', async () => {
      const targets = [
        ['api.lab.test', 80],
        ['44.44.44.10', 80],
        ['44-44-44-11.dns.test', 80],
        ['2a00:44::10', 80],
      ] as const
      expect(await tryHosts([], targets)).toEqual(Object.fromEntries(targets.map(([host]) => [host, 'open'])))
    })

    test.concurrent('reaches nothing that is private, near, special or this machine, in whatever form', async () => {
      const log = logFile('private')
      const hosts = [
        ...['10.77.0.10', '44.44.44.1', '10.77.0.1', '169.254.169.254', '100.64.0.1', '192.168.1.1', '172.16.0.1', '198.19.255.255'],
        ...['192.0.2.1', '0.1.2.3', '::ffff:10.77.0.10', '::ffff:169.254.169.254', '64:ff9b::a4d:a', '2002:a4d:a::1', '2001:0:a4d:a::1'],
        ...['2a00:44::1', 'fd00::1', 'fd00:ec2::254', '::a4d:a', '2001:db8::1'],
        ...[
          'private.lab.test',
          'metadata.google.internal',
          '10-77-0-10.dns.test',
          '127-0-0-1.dns.test',
          '0-0-0-0.dns.test',
          '44-44-44-1.dns.test',
        ],
        ...['host.agentkernel.internal', '198.18.0.1', '198.18.0.2', '198.18.77.77', '224.0.0.1', '255.255.255.255', '240.0.0.1'],
      ]
      const found = await tryHosts(
        ['--network-log', log],
        hosts.map((host) => [host, 80] as const),
        'private',
      )
      expect(Object.entries(found).filter(([, what]) => what === 'open')).toEqual([])
      expect(Object.keys(found)).toHaveLength(hosts.length)
      expect(readLog(log).filter(({ kind, verdict }) => kind !== 'dns' && verdict === 'allowed')).toEqual([])
      expect(world.seen('private')).toEqual([])
    })

    test.concurrent('gives no way to cloud metadata, and no hint how to', async () => {
      const { stderr } = await world.run(curl('http://169.254.169.254/echo'))
      expect(stderr).toContain('refused 169.254.169.254')
      expect(stderr).not.toContain('--allow')
    })

    test.concurrent('is a written rule: info of a run shows it, and min_network takes it away', async () => {
      const home = join(world.lab.folder, 'careful')
      mkdirSync(join(home, '.config/agentkernel'), { recursive: true })
      writeFileSync(join(home, '.config/agentkernel/config.toml'), '[security]\nmin_network = "listed"\n')
      const env = { HOME: home }
      const implied = await world.run(curl('http://api.lab.test/echo'), { env })
      expect(implied.stdout).not.toContain('"host"')
      const asked = await world.run(['--network', 'public', 'true'], { env })
      expect(asked).toMatchObject({ code: 125, stdout: '' })
      expect(asked.stderr).toContain('min_network')
      expect((await world.run(['--allow', 'api.lab.test', ...curl('http://api.lab.test/bytes/3')], { env })).stdout).toBe('xxx 200')
    })
  })

  test.concurrent('--no-network is no network: no device, no names', async () => {
    const said = await world.python(
      ['--no-network'],
      `say([name for _, name in socket.if_nameindex()])
for name in ("api.lab.test", "44.44.44.10"):
    try: socket.create_connection((name, 80), 3); say("open")
    except OSError as error: say("closed")`,
    )
    expect(said).toEqual([['lo'], 'closed', 'closed'])
  })

  test.concurrent('S47 --allow is exact: this name, these ports, and nothing by address', async () => {
    const targets = [
      ['api.lab.test', 80],
      ['API.lab.test', 80],
      ['api.lab.test.', 80],
      ['x.api.lab.test', 80],
      ['lab.test', 80],
      ['other.lab.test', 80],
      ['44.44.44.10', 80],
    ] as const
    expect(await tryHosts(['--allow', 'api.lab.test'], targets)).toEqual({
      'api.lab.test': 'open',
      'API.lab.test': 'open',
      'api.lab.test.': 'open',
      'x.api.lab.test': '403',
      'lab.test': '403',
      'other.lab.test': '403',
      '44.44.44.10': '403',
    })
  })

  test.concurrent('ports: those of the web, those that are written, and no other', async () => {
    const echo = `def echo(port):
    try:
        with socket.create_connection(("api.lab.test", port), 5) as s:
            s.sendall(b"\\x01ping"); return s.recv(5).decode("latin1")
    except OSError as error: return errno.errorcode.get(error.errno, str(error))
`
    expect(await world.python(['--allow', 'api.lab.test:5000'], `${echo}say([echo(5000), echo(5001)])`)).toEqual([
      ['\x01ping', 'ECONNREFUSED'],
    ])
    const [web] = await world.python(['--allow', 'api.lab.test'], `${echo}say(echo(5000))`)
    expect(web).not.toBe('\x01ping')
  })

  test.concurrent('UDP passes where a rule names it', async () => {
    const talk = `def talk():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.settimeout(5); s.connect(("api.lab.test", 5000)); s.send(b"ping")
        try: return s.recv(9).decode()
        except OSError as error: return errno.errorcode.get(error.errno, str(error))
say(talk())`
    expect(await world.python(['--allow', 'udp:api.lab.test:5000'], talk)).toEqual(['ping'])
    expect(await world.python(['--allow', 'api.lab.test:5000'], talk)).toEqual(['ECONNREFUSED'])
  })

  test.concurrent('S47 --block wins over --allow, and over public', async () => {
    const flags = ['--allow', '*.lab.test', '--block', 'other.lab.test', '--network', 'public', '--block', '44.44.44.12/32']
    const targets = [
      ['api.lab.test', 80],
      ['other.lab.test', 80],
      ['44.44.44.12', 80],
      ['db.lab.test', 80],
    ] as const
    const found = await tryHosts(flags, targets)
    expect(found).toMatchObject({ 'api.lab.test': 'open', 'other.lab.test': '403', '44.44.44.12': '403' })
    // The name is not blocked, but its only address is.
    expect(found['db.lab.test']).not.toBe('open')
  })

  test.concurrent('a private address, and a name at one, are reached when their range is named', async () => {
    const flags = ['--allow', '10.77.0.0/24:80', '--allow', 'private.lab.test']
    const targets = [
      ['10.77.0.10', 80],
      ['private.lab.test', 80],
    ] as const
    expect(await tryHosts(flags, targets)).toEqual({ '10.77.0.10': 'open', 'private.lab.test': 'open' })
    expect((await tryHosts(['--allow', 'private.lab.test'], [['private.lab.test', 80]]))['private.lab.test']).not.toBe('open')
  })

  test.concurrent('S47 rules about requests look at method and path, also over HTTP/2', async () => {
    const rule = 'GET,HEAD https://api.lab.test/echo/*'
    const said = await world.script(
      ['--allow', rule],
      `ask() { curl -sS -m 10 -o /dev/null -w '%{http_version} %{http_code} ' "$@"; }
      ask https://api.lab.test/echo/policy-1
      ask --http1.1 'https://api.lab.test/echo/policy-2?x=/../'
      ask -I https://api.lab.test/echo/policy-3
      ask -d x https://api.lab.test/echo/policy-post
      ask https://api.lab.test/bytes/policy-path
      ask https://api.lab.test/%65cho/policy-4
      ask --path-as-is https://api.lab.test/echo/../bytes/policy-up
      ask --path-as-is https://api.lab.test/echo/%2e%2e/bytes/policy-up
      ask https://api.lab.test/Echo/policy-case
      ask http://api.lab.test/echo/policy-plain`,
    )
    const codes = said
      .trim()
      .split(' ')
      .filter((_, index) => index % 2 === 1)
      .join(' ')
    expect(codes).toBe('200 200 200 403 403 200 403 403 403 403')
    const urls = world.seen('policy-').map(({ url }) => url)
    expect(urls.filter((url) => !/policy-[1-4]/.test(url))).toEqual([])
    expect(urls).toHaveLength(4)
  })

  test.concurrent('with a secret bound, what is not listed is a 403 that can be read', async () => {
    const { stdout, stderr } = await world.run(['-S', 'TESTKEY:api.lab.test', '--', ...curl('https://other.lab.test/echo?unlisted')])
    expect(stdout).toContain('403')
    expect(stdout).toContain('Forbidden: host not in allowlist')
    expect(stdout).toContain('--allow other.lab.test')
    expect(stderr).toContain('refused other.lab.test')
    expect(world.seen('unlisted')).toEqual([])
    const both = await world.run(['-S', 'TESTKEY:api.lab.test', '--network', 'public', '--', ...curl('https://other.lab.test/bytes/2')])
    expect(both.stdout).toBe('xx 200')
  })

  test.concurrent('a secret goes over HTTPS only, and to its own host and port', async () => {
    const flags = ['-S', 'TESTKEY:api.lab.test', '--allow', 'api.lab.test', '--allow', 'other.lab.test']
    await world.script(
      flags,
      `curl -sS -m 10 -o /dev/null https://api.lab.test/echo?goes-in https://other.lab.test/echo?goes-elsewhere http://api.lab.test/echo?goes-plain`,
    )
    expect(world.seen('goes-').map(({ url, authorization }) => [url, authorization])).toEqual([
      ['/echo?goes-in', `Bearer ${LAB_TOKEN}`],
      ['/echo?goes-elsewhere', undefined],
      ['/echo?goes-plain', undefined],
    ])
  })

  test.concurrent('at its end a run sums up what was refused, with the flag for it; -q says nothing', async () => {
    const script = 'for i in 1 2 3; do curl -s http://other.lab.test/ >/dev/null; done; curl -s telnet://db.lab.test:5432 </dev/null; true'
    const { stderr } = await world.run(['--allow', 'api.lab.test', '--', 'sh', '-c', script])
    const lines = stderr.split('\n').filter((line) => line.includes('network: refused'))
    expect(lines).toHaveLength(2)
    expect(lines[0]).toMatch(/refused other\.lab\.test \(3 times\): .*--allow other\.lab\.test$/)
    expect(lines[1]).toMatch(/refused db\.lab\.test:5432: .*--allow db\.lab\.test:5432$/)
    expect((await world.run(['-q', '--allow', 'api.lab.test', '--', 'sh', '-c', script])).stderr).toBe('')
  })

  test.concurrent('each request that was refused is summed up with its own flag', async () => {
    const script = `curl -s -d x https://api.lab.test/sum; curl -s https://api.lab.test/private/echo; curl -s https://api.lab.test/private/echo`
    const { stderr } = await world.run(['--allow', 'GET https://api.lab.test/echo', '--', 'sh', '-c', script])
    expect(stderr).toMatch(/refused api\.lab\.test \(2 times\): .*--allow 'GET https:\/\/api\.lab\.test\/private\/echo'/)
    expect(stderr).toMatch(/refused api\.lab\.test: .*--allow 'POST https:\/\/api\.lab\.test\/sum'/)
  })

  test.concurrent('-v says it while it happens', async () => {
    const script = 'curl -s http://other.lab.test/ >/dev/null; sleep 0.3; echo after >&2'
    const { stderr } = await world.run(['-v', '--allow', 'api.lab.test', '--', 'sh', '-c', script])
    const lines = stderr.split('\n')
    const refused = lines.findIndex((line) => line.includes('refused other.lab.test'))
    expect(refused).toBeGreaterThanOrEqual(0)
    expect(refused).toBeLessThan(lines.indexOf('after'))
  })

  test.concurrent('learn mode prints rules that suffice', async () => {
    const log = logFile('learn')
    const script = `curl -sS -o /dev/null https://api.lab.test/bytes/1
      curl -sS -o /dev/null http://other.lab.test/bytes/1
      printf '\\001' | timeout 5 curl -s --max-time 1 telnet://44.44.44.12:5000 >/dev/null || true`
    const learned = await world.run(['--network', 'learn', '--network-log', log, '--', 'sh', '-c', script])
    const rules = [...learned.stderr.matchAll(/--allow (\S+) /g)].map((match) => match[1]!)
    expect(rules.toSorted()).toEqual(['44.44.44.12:5000', 'api.lab.test:443', 'other.lab.test:80'])
    const flags = rules.flatMap((rule) => ['--allow', rule])
    const again = await world.run([...flags, '--', 'sh', '-c', script])
    expect(again.stderr).not.toContain('refused')
    const fromLog = await world.agentkernel(['network', 'learn', log])
    for (const rule of rules) expect(fromLog.stdout).toContain(rule)

    const enough = await world.agentkernel(['network', 'simulate', log, ...flags])
    expect(enough.stdout).toContain('0 denied')
    const less = await world.agentkernel(['network', 'simulate', log, '--allow', 'api.lab.test'])
    expect(less.stdout).toContain('44.44.44.12:5000')
    expect(less.stdout).not.toContain('0 denied')
  })

  test.concurrent('--network-log has a line for each decision, without values', async () => {
    const log = logFile('log')
    await world.run([
      ...['-S', 'TESTKEY:api.lab.test', '--network-log', log, '--', 'sh', '-c'],
      'curl -s https://api.lab.test/echo?secret-query >/dev/null; curl -s https://other.lab.test/ >/dev/null',
    ])
    const events = readLog(log)
    const find = (host: string, kind: NetworkEvent['kind']): NetworkEvent[] =>
      events.filter((event) => event.host === host && event.kind === kind)
    expect(find('api.lab.test', 'http')).toMatchObject([
      { port: 443, method: 'GET', path: '/echo', verdict: 'allowed', status: 200, secrets: ['TESTKEY'], opened: true },
    ])
    expect([...find('other.lab.test', 'tcp'), ...find('other.lab.test', 'http')]).toContainEqual(
      expect.objectContaining({ verdict: 'denied', hint: '--allow other.lab.test' }),
    )
    expect(JSON.stringify(events)).not.toContain('secret-query')
    expect(JSON.stringify(events)).not.toContain(LAB_TOKEN)
  })

  test.concurrent('a log that cannot be written stops the run before it starts', async () => {
    const { code, stderr } = await world.run(['--network-log', '/nowhere/net.jsonl', '--', 'touch', 'ran'])
    expect(code).toBe(2)
    expect(stderr).toContain('/nowhere/net.jsonl')
  })

  test.concurrent('what is refused is told at once: HTTP and HTTPS by a 403, other TCP by a refused connection', async () => {
    const said = await world.python(
      ['--allow', 'api.lab.test'],
      `def timed(what):
    start = time.monotonic()
    try: answer = what()
    except urllib.error.HTTPError as error: answer = [error.code, "--allow other.lab.test" in error.read().decode()]
    except OSError as error: answer = errno.errorcode.get(error.errno, str(error))
    return [answer, time.monotonic() - start < 2]
say(timed(lambda: urllib.request.urlopen("http://other.lab.test/")))
say(timed(lambda: urllib.request.urlopen("https://other.lab.test/")))
say(timed(lambda: socket.create_connection(("other.lab.test", 5432), 9)))
say(timed(lambda: socket.create_connection(("44.44.44.12", 22), 9)))`,
    )
    expect(said).toEqual([
      [[403, true], true],
      [[403, true], true],
      ['ECONNREFUSED', true],
      ['ECONNREFUSED', true],
    ])
  })
})
