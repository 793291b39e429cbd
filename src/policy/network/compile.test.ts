import { describe, expect, test } from 'bun:test'
import fc from 'fast-check'
import { HOST_NAME_INSIDE } from '../../contract/network.ts'
import { compilePolicy } from './compile.ts'
import { specialAddresses } from './special-addresses.ts'
import { parseAddress } from './address.ts'
import type { CompiledPolicy, Verdict } from './types.ts'

const facts = { ownAddresses: ['203.0.113.5', '10.1.1.1', '127.0.0.1', '::1'] }
const policy = (allow: readonly string[], block: readonly string[] = []): CompiledPolicy => compilePolicy({ allow, block }, facts)
const short = (verdict: Verdict): string =>
  verdict.allowed
    ? `yes: ${verdict.rule}`
    : `no: ${verdict.reason}${verdict.rule === undefined ? '' : ` by ${verdict.rule}`}${verdict.hint === undefined ? '' : `; ${verdict.hint}`}`

describe('names', () => {
  const listed = policy(['example.com', '*.example.org:443,8000-8010', 'db.example:5432', 'udp:time.example:123', 'all.example:*'])
  test.each([
    ['example.com', 443, 'tcp', 'yes: example.com'],
    ['EXAMPLE.com.', 80, 'tcp', 'yes: example.com'],
    ['example.com', 22, 'tcp', 'no: no rule allows example.com; --allow example.com:22'],
    ['www.example.com', 443, 'tcp', 'no: no rule allows www.example.com; --allow www.example.com'],
    ['notexample.com', 443, 'tcp', 'no: no rule allows notexample.com; --allow notexample.com'],
    ['example.com.evil.test', 443, 'tcp', 'no: no rule allows example.com.evil.test; --allow example.com.evil.test'],
    ['example.org', 443, 'tcp', 'yes: *.example.org:443,8000-8010'],
    ['a.b.example.org', 8005, 'tcp', 'yes: *.example.org:443,8000-8010'],
    ['a.example.org', 80, 'tcp', 'no: no rule allows a.example.org; --allow a.example.org'],
    ['db.example', 5432, 'tcp', 'yes: db.example:5432'],
    ['db.example', 5432, 'udp', 'no: no rule allows db.example; --allow udp:db.example:5432'],
    ['time.example', 123, 'udp', 'yes: udp:time.example:123'],
    ['time.example', 123, 'tcp', 'no: no rule allows time.example; --allow time.example:123'],
    ['all.example', 65_535, 'tcp', 'yes: all.example:*'],
  ] as const)('%s %d/%s', (name, port, protocol, expected) => expect(short(listed.decideName(name, port, protocol))).toBe(expected))

  test.each([
    '',
    '.',
    'a..b',
    '2130706433',
    '0x7f.1',
    '017700000001',
    '10.1',
    'a b',
    'a@b.example',
    'a/b.example',
    'x'.repeat(64),
    'é.example',
    '127.0.0.1',
    '[::1]',
    'a\0.example',
  ])('what is no name is refused even where everything public is allowed: %p', (name) => {
    expect(policy(['public']).decideName(name, 443, 'tcp')).toMatchObject({ allowed: false, reason: expect.stringContaining('is no name') })
    expect(policy(['public']).decideLookup(name).allowed).toBe(false)
  })

  test('a name may be looked up when there is a port on which it may be reached', () => {
    for (const name of ['example.com', 'x.example.org', 'db.example', 'time.example']) expect(listed.decideLookup(name).allowed).toBe(true)
    expect(short(listed.decideLookup('evil.example'))).toBe('no: no rule allows evil.example')
    expect(policy(['GET https://api.example/*']).decideLookup('api.example').allowed).toBe(true)
    expect(policy(['public'], ['bad.example']).decideLookup('bad.example').allowed).toBe(false)
    expect(policy(['public'], ['bad.example:22']).decideLookup('bad.example').allowed).toBe(true)
  })

  test('nothing is allowed by an empty list, and the reason says so', () => {
    expect(policy([]).level).toBe('none')
    expect(short(policy([]).decideName('example.com', 443, 'tcp'))).toContain('there is no network')
  })

  test('a preset is the hosts of its ecosystem on the ports of the web', () => {
    const rust = policy(['preset:rust'])
    const name = ['static', 'crates', 'io'].join('.')
    expect(short(rust.decideName(name, 443, 'tcp'))).toBe('yes: preset:rust')
    expect(rust.decideName(name, 22, 'tcp').allowed).toBe(false)
    expect(rust.level).toBe('listed')
  })
})

describe('block wins over allow', () => {
  test.each([
    [['public'], ['bad.example'], 'bad.example', 22, 'no: bad.example is blocked by bad.example'],
    [['public'], ['*.bad.example'], 'x.bad.example', 22, 'no: x.bad.example is blocked by *.bad.example'],
    [['bad.example'], ['*.example'], 'bad.example', 443, 'no: bad.example is blocked by *.example'],
    [['public'], ['bad.example:22'], 'bad.example', 443, 'yes: public'],
    [['public'], ['bad.example:22'], 'bad.example', 22, 'no: bad.example is blocked by bad.example:22'],
    [['example.com'], ['public'], 'example.com', 443, 'yes: example.com'],
    [['public'], ['udp:bad.example:53'], 'bad.example', 53, 'yes: public'],
  ] as const)('%p %p %s:%d', (allow, block, name, port, expected) => {
    expect(short(policy(allow, block).decideName(name, port, 'tcp'))).toBe(expected)
  })

  test('also for UDP, QUIC and every form of an address', () => {
    expect(policy(['udp:a.example:443'], ['udp:a.example:*']).decideName('a.example', 443, 'udp').allowed).toBe(false)
    expect(policy(['udp:a.example:443'], ['a.example']).decideName('a.example', 443, 'udp').allowed).toBe(false)
    const blocked = policy(['public', '[64:ff9b::]/96'], ['198.51.100.0/24'])
    for (const address of ['198.51.100.7', '64:ff9b::198.51.100.7', '::ffff:198.51.100.7', '2002:c633:6407::1']) {
      expect(short(blocked.decideAddress(address, 443, 'tcp'))).toContain('is blocked by 198.51.100.0/24')
      expect(short(blocked.addressAllowed('a.example', address, 443, 'tcp'))).toContain('is blocked by 198.51.100.0/24')
    }
  })

  test('public as a block leaves no public address', () => {
    expect(policy(['example.com'], ['public']).addressAllowed('example.com', '198.51.100.7', 443, 'tcp').allowed).toBe(false)
  })
})

describe('addresses that a name has', () => {
  const open = policy(['public', 'db.example:5432', '10.0.0.0/8:5432', '192.168.7.7'])
  test.each([
    ['a.example', '198.51.100.7', 443, 'yes: public'],
    ['a.example', '2001:db8::1', 443, 'yes: public'],
    ['db.example', '10.2.3.4', 5432, 'yes: db.example:5432'],
    ['db.example', '10.2.3.4', 5433, 'no: db.example is at 10.2.3.4, a private address; --allow 10.2.3.4:5433'],
    ['a.example', '192.168.7.7', 80, 'yes: public'],
    ['a.example', '192.168.7.8', 80, 'no: a.example is at 192.168.7.8, a private address; --allow 192.168.7.8'],
    ['db.example', '10.1.1.1', 5432, 'no: db.example is at 10.1.1.1, an address of this machine itself; --allow 10.1.1.1:5432'],
    ['a.example', '203.0.113.5', 443, 'no: a.example is at 203.0.113.5, an address of this machine itself; --allow 203.0.113.5'],
    ['a.example', '127.0.0.1', 80, 'no: a.example is at 127.0.0.1, an address of this machine itself; --allow 127.0.0.1'],
    ['a.example', 'fd00::1', 80, "no: a.example is at fd00::1, a unique local address; --allow '[fd00::1]'"],
    ['a.example', '169.254.169.254', 80, 'no: a.example is at 169.254.169.254, an address at which clouds hand out credentials'],
    ['a.example', '2852039166', 80, 'no: "2852039166" is no address'],
    ['a.example', 'fe80::1%eth0', 80, 'no: "fe80::1%eth0" is no address'],
  ] as const)('%s at %s:%d', (name, address, port, expected) => {
    expect(short(open.addressAllowed(name, address, port, 'tcp'))).toBe(expected)
  })

  test('a name that is not allowed is not dialled wherever it is', () => {
    expect(policy(['10.0.0.0/8:*']).addressAllowed('a.example', '10.0.0.9', 80, 'tcp').allowed).toBe(false)
  })
})

describe('literal addresses', () => {
  test.each([
    [['public'], '198.51.100.7', 22, 'yes: public'],
    [['example.com'], '198.51.100.7', 443, 'no: no rule allows 198.51.100.7; --allow 198.51.100.7'],
    [['198.51.100.0/24'], '198.51.100.7', 443, 'yes: 198.51.100.0/24'],
    [['198.51.100.0/24'], '198.51.100.7', 22, 'no: no rule allows 198.51.100.7; --allow 198.51.100.7:22'],
    [['public'], '10.0.0.9', 80, 'no: 10.0.0.9 is a private address; --allow 10.0.0.9'],
    [['10.0.0.0/8'], '10.0.0.9', 80, 'yes: 10.0.0.0/8'],
    [['10.0.0.0/8'], '10.1.1.1', 80, 'no: 10.1.1.1 is an address of this machine itself; --allow 10.1.1.1'],
    [['10.1.1.1'], '10.1.1.1', 80, 'yes: 10.1.1.1'],
    [['0.0.0.0/0'], '10.0.0.9', 80, 'no: 10.0.0.9 is a private address; --allow 10.0.0.9'],
    [['169.254.0.0/16'], '169.254.169.254', 80, 'no: 169.254.169.254 is an address at which clouds hand out credentials'],
    [['169.254.169.254'], '169.254.169.254', 80, 'yes: 169.254.169.254'],
    [
      ['10.0.0.0/8'],
      '::ffff:10.0.0.9',
      80,
      "no: ::ffff:10.0.0.9 is an IPv4-mapped address that stands for a private address; --allow '[::ffff:10.0.0.9]'",
    ],
    [['[fd00::]/8'], 'fd00:1::1', 80, 'yes: [fd00::]/8'],
    [['public'], '127.1', 80, 'no: "127.1" is no address'],
    [['127.0.0.0/8'], '127.0.0.2', 80, 'no: 127.0.0.2 is a loopback address; --allow 127.0.0.2'],
  ] as const)('%p %s:%d', (allow, address, port, expected) => {
    expect(short(policy(allow).decideAddress(address, port, 'tcp'))).toBe(expected)
  })

  test('public never covers a special address, in whatever form', () => {
    const open = policy(['public'])
    const classify = specialAddresses(facts.ownAddresses)
    const address = fc.oneof(
      fc.ipV4(),
      fc.ipV6(),
      fc.ipV4().map((text) => `64:ff9b::${text}`),
      fc.ipV4().map((text) => `::ffff:${text}`),
    )
    fc.assert(
      fc.property(address, fc.constantFrom(80, 443, 5432), (text, port) => {
        const ordinary = classify(parseAddress(text)!) === undefined
        expect(open.decideAddress(text, port, 'tcp').allowed).toBe(ordinary)
        expect(open.addressAllowed('a.example', text, port, 'tcp').allowed).toBe(ordinary)
      }),
      { numRuns: 2000 },
    )
  })
})

describe('this machine', () => {
  test('its loopback is reached by its own name and port only', () => {
    const shared = policy(['public', '*.internal:*', `${HOST_NAME_INSIDE}:8080`])
    expect(short(shared.decideName(HOST_NAME_INSIDE, 8080, 'tcp'))).toBe(`yes: ${HOST_NAME_INSIDE}:8080`)
    expect(shared.addressAllowed(HOST_NAME_INSIDE, '127.0.0.1', 8080, 'tcp').allowed).toBe(true)
    expect(shared.addressAllowed(HOST_NAME_INSIDE, '::1', 8080, 'tcp').allowed).toBe(true)
    expect(shared.addressAllowed(HOST_NAME_INSIDE, '10.1.1.1', 8080, 'tcp').allowed).toBe(false)
    expect(short(shared.decideName(HOST_NAME_INSIDE, 80, 'tcp'))).toContain(`--allow ${HOST_NAME_INSIDE}:80`)
    expect(shared.decideAddress('127.0.0.1', 8080, 'tcp').allowed).toBe(false)
    expect(policy(['public']).decideName(HOST_NAME_INSIDE, 8080, 'tcp').allowed).toBe(false)
    expect(policy(['public']).decideLookup(HOST_NAME_INSIDE).allowed).toBe(false)
  })
})

describe('QUIC', () => {
  test('passes only where its port is written', () => {
    for (const allow of [['public'], ['a.example'], ['a.example:*'], ['udp:a.example:*'], ['udp:a.example:400-500']]) {
      expect(short(policy(allow).decideName('a.example', 443, 'udp'))).toBe('no: QUIC to a.example is refused, so that programs use TCP')
    }
    expect(policy(['udp:a.example:443']).decideName('a.example', 443, 'udp').allowed).toBe(true)
    expect(policy(['udp:198.51.100.0/24:443']).decideAddress('198.51.100.7', 443, 'udp').allowed).toBe(true)
    expect(policy(['public', 'udp:198.51.100.0/24:*']).decideAddress('198.51.100.7', 443, 'udp').allowed).toBe(false)
    expect(policy(['public']).decideName('a.example', 123, 'udp').allowed).toBe(true)
  })
})

describe('requests', () => {
  const api = policy(
    ['public', 'GET,HEAD https://api.example/v1/*', 'POST https://api.example/v1/items', '* http://api.example/*'],
    ['* https://api.example/v1/private/*', 'DELETE https://*.other.example/*'],
  )
  const ask = (method: string, path: string, host = 'api.example', port = 443, scheme: 'http' | 'https' = 'https') =>
    short(api.decideRequest({ host, port, scheme, method, path }))

  test.each([
    ['GET', '/v1/users?x=1', 'yes: GET,HEAD https://api.example/v1/*'],
    ['GET', '/v%31/users', 'yes: GET,HEAD https://api.example/v1/*'],
    ['POST', '/v1/items', 'yes: POST https://api.example/v1/items'],
    ['POST', '/v1/items/', "no: no rule allows POST /v1/items/ of api.example; --allow 'POST https://api.example/v1/items/'"],
    ['get', '/v1/users', 'no: no rule allows "get" /v1/users of api.example'],
    ['GET', '/v2', "no: no rule allows GET /v2 of api.example; --allow 'GET https://api.example/v2'"],
    ['GET', '/v1/private/x', 'no: GET /v1/private/x of api.example is blocked by * https://api.example/v1/private/*'],
    ['GET', '/v1/%70rivate/x', 'no: GET /v1/private/x of api.example is blocked by * https://api.example/v1/private/*'],
    ['GET', '/v1/a/../private/x', 'no: the path "/v1/a/../private/x" can be read in two ways'],
    ['GET', '/v1/a/%2E%2e/private/x', 'no: the path "/v1/a/%2E%2e/private/x" can be read in two ways'],
    ['GET', '/v1/a%2f..%2fprivate', 'no: the path "/v1/a%2f..%2fprivate" can be read in two ways'],
    ['GET', '/v1/%252e%252e/x', 'no: the path "/v1/%252e%252e/x" can be read in two ways'],
    ['GET', '/v1//private/x', 'no: the path "/v1//private/x" can be read in two ways'],
    ['GET', '/v1/..;a=b/x', 'no: the path "/v1/..;a=b/x" can be read in two ways'],
    ['GET', '/v1\\..\\x', 'no: the path "/v1\\\\..\\\\x" can be read in two ways'],
    ['GET', 'https://api.example/v1/x', 'no: the path "https://api.example/v1/x" can be read in two ways'],
    ['OPTIONS', '*', 'no: the path "*" can be read in two ways'],
  ])('%s %s', (method, path, expected) => expect(ask(method, path)).toBe(expected))

  test('where rules about requests exist for a host and port, only they allow; elsewhere the host decides', () => {
    expect(ask('DELETE', '/any', 'www.example')).toBe('yes: public')
    expect(ask('GET', '//any', 'www.example')).toBe('yes: public')
    expect(ask('DELETE', '/x', 'api.example', 80, 'http')).toBe('yes: * http://api.example/*')
    expect(ask('GET', '/x', 'api.example', 80, 'https')).toStartWith('no: no rule allows GET /x')
    expect(ask('GET', '/x', 'a.other.example')).toBe('yes: public')
    expect(ask('DELETE', '/x', 'a.other.example')).toContain('is blocked by DELETE https://*.other.example/*')
    expect(ask('GET', '/x', '10.0.0.9')).toContain('private')
    expect(ask('GET', '/x', '[2001:db8::1]')).toBe('yes: public')
    expect(ask('GET', '/x', 'a b')).toContain('is no name')
  })

  test('the hosts of such rules are opened, on their ports only', () => {
    expect([api.opens('api.example', 443), api.opens('API.example.', 80), api.opens('x.other.example', 443)]).toEqual([true, true, true])
    expect([api.opens('api.example', 8443), api.opens('www.example', 443), api.opens('', 443)]).toEqual([false, false, false])
  })

  test('a rule about requests lets connections to its host begin, and to nothing else', () => {
    const only = policy(['GET https://api.example/*', 'GET http://10.1.1.1:8080/*'])
    expect(short(only.decideName('api.example', 443, 'tcp'))).toBe('yes: GET https://api.example/*')
    expect([only.decideName('api.example', 80, 'tcp').allowed, only.decideName('api.example', 443, 'udp').allowed]).toEqual([false, false])
    expect(only.decideAddress('10.1.1.1', 8080, 'tcp').allowed).toBe(true)
    expect(only.decideAddress('10.1.1.1', 443, 'tcp').allowed).toBe(false)
  })
})

test('no question of a sandbox throws, and each answer can be printed', () => {
  const odd = policy(['public', '*.example.com:*', 'GET https://api.example/*', '10.0.0.0/8:*'], ['bad.example'])
  const text = fc.oneof(fc.string({ unit: 'binary' }), fc.string(), fc.constantFrom('api.example', '10.0.0.1', '::1', 'bad.example'))
  const port = fc.oneof(fc.integer(), fc.constant(Number.NaN))
  fc.assert(
    fc.property(text, text, text, port, fc.constantFrom('tcp' as const, 'udp' as const), (host, method, path, number, protocol) => {
      const answers = [
        odd.decideLookup(host),
        odd.decideName(host, number, protocol),
        odd.decideAddress(host, number, protocol),
        odd.addressAllowed('a.example.com', host, number, protocol),
        odd.decideRequest({ host, port: number, scheme: 'https', method, path }),
      ]
      odd.opens(host, number)
      for (const answer of answers) expect(short(answer)).not.toMatch(/[\p{Cc}\p{Cf}]/u)
    }),
    { numRuns: 2000 },
  )
})

test('a hint, given as a rule, allows what was denied', () => {
  const nothing = policy(['GET https://api.example/v1/*'])
  const host = fc.oneof(fc.constantFrom('www.example', 'api.example', HOST_NAME_INSIDE), fc.ipV4(), fc.ipV6())
  fc.assert(
    fc.property(host, fc.constantFrom(22, 80, 443, 5432), fc.constantFrom('tcp' as const, 'udp' as const), (target, port, protocol) => {
      const decide = (one: CompiledPolicy) => {
        const literal = parseAddress(target) !== undefined
        return literal ? one.decideAddress(target, port, protocol) : one.decideName(target, port, protocol)
      }
      const verdict = decide(nothing)
      if (verdict.allowed || verdict.hint === undefined) return
      const rule = verdict.hint.replace(/^--allow /, '').replace(/^'(.*)'$/, '$1')
      expect(decide(policy([rule])).allowed).toBe(true)
    }),
  )
})
