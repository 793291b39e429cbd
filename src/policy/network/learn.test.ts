import { describe, expect, test } from 'bun:test'
import fc from 'fast-check'
import type { NetworkEvent } from '../../contract/network.ts'
import { compilePolicy } from './compile.ts'
import { readEventLine } from './event-line.ts'
import { learnedText, learnedToml } from './learn-text.ts'
import { Learner } from './learn.ts'
import { decideAgain, Simulation } from './simulate.ts'

const base = { time: '2026-01-01T00:00:00Z', sandbox: 's' }
const tcp = (host: string, port = 443, more: Partial<NetworkEvent> = {}): NetworkEvent => ({
  ...base,
  kind: 'tcp',
  host,
  port,
  verdict: 'allowed',
  ...more,
})

async function learned(events: readonly Partial<NetworkEvent>[]) {
  const learner = new Learner()
  for (const event of events) learner.add(event)
  return learner.report()
}
const rulesOf = async (events: readonly Partial<NetworkEvent>[]) => (await learned(events)).rules.map(({ rule }) => rule)

describe('the rules that would have been enough', () => {
  test('each host has its own ports, the most used first', async () => {
    const events = [
      tcp('a.example'),
      tcp('b.example', 22),
      tcp('b.example'),
      tcp('b.example', 22),
      { ...tcp('t.example', 123), kind: 'udp' as const },
    ]
    expect(await rulesOf(events)).toEqual(['b.example:22,443', 'a.example:443', 'udp:t.example:123'])
  })

  test('requests, failures and literals count; look-ups do not', async () => {
    const report = await learned([
      { ...base, kind: 'dns', host: 'looked-up.example', verdict: 'allowed' },
      { ...base, kind: 'http', host: 'a.example', port: 443, method: 'GET', path: '/', verdict: 'allowed' },
      tcp('down.example', 80, { verdict: 'failed' }),
      { ...base, kind: 'tcp', address: '198.51.100.7', port: 5432, verdict: 'allowed' },
      { ...base, kind: 'tcp', address: '2001:db8::7', port: 80, verdict: 'allowed' },
    ])
    expect(report.rules.map(({ rule }) => rule)).toEqual(['198.51.100.7:5432', '[2001:db8::7]:80', 'a.example:443', 'down.example:80'])
    expect(report).toMatchObject({ connections: 3, hosts: 4, incomplete: false })
    expect(report.rules[2]).toMatchObject({ requests: 1, connections: 0 })
  })

  test('four names below one domain with the same ports become a wildcard as narrow as they allow', async () => {
    const three = ['a', 'b', 'c'].map((label) => tcp(`${label}.cdn.example.com`))
    expect(await rulesOf(three)).toEqual(['a.cdn.example.com:443', 'b.cdn.example.com:443', 'c.cdn.example.com:443'])
    expect(await rulesOf([...three, tcp('d.cdn.example.com')])).toEqual(['*.cdn.example.com:443'])
    expect(await rulesOf([...three, tcp('www.example.com')])).toEqual(['*.example.com:443'])
    expect(await rulesOf([...three, tcp('d.cdn.example.com', 22)])).toContain('d.cdn.example.com:22')
  })

  test('names of strangers are never grouped', async () => {
    const shared = ['a', 'b', 'c', 'd', 'e'].flatMap((label) => [tcp(`${label}.github.io`), tcp(`${label}.co.uk`), tcp(label)])
    for (const rule of await rulesOf(shared)) expect(rule).not.toStartWith('*')
  })

  test('what was refused is told apart', async () => {
    const denied = tcp('x.example', 443, {
      verdict: 'denied',
      reason: 'x.example is at 10.0.0.5, a private address',
      hint: '--allow 10.0.0.5',
    })
    const report = await learned([denied, denied])
    expect(report.rules).toEqual([])
    expect(report.refused).toEqual([{ target: 'x.example:443', count: 2, reason: denied.reason!, hint: '--allow 10.0.0.5' }])
    expect(learnedText(report)).toContain('# refused even so, 2 times: x.example:443 (x.example is at 10.0.0.5')
  })

  test('a flood of names is cut, and the report says so', async () => {
    const learner = new Learner()
    for (let index = 0; index < 6000; index++) learner.add(tcp(`n${index}.example`, (index % 60_000) + 1))
    const report = await learner.report()
    expect(report).toMatchObject({ hosts: 5000, incomplete: true })
    expect(learnedText(report)).toContain('more hosts than are kept')
  })

  test('what was learned allows what was seen', async () => {
    const host = fc.oneof(
      fc.constantFrom(
        'a.x.example.com',
        'b.x.example.com',
        'c.x.example.com',
        'd.y.example.com',
        'example.com',
        'a.github.io',
        'b.github.io',
        'c.github.io',
        'd.github.io',
        'host.agentkernel.internal',
        '198.51.100.7',
        '10.0.0.5',
        '2001:db8::1',
      ),
    )
    const event = fc.record({ host, port: fc.constantFrom(22, 80, 443, 8443), kind: fc.constantFrom('tcp' as const, 'udp' as const) })
    await fc.assert(
      fc.asyncProperty(fc.array(event, { maxLength: 12 }), async (asked) => {
        const events = asked.map((one) => ({ ...base, ...one, verdict: 'allowed' as const }))
        const policy = compilePolicy({ allow: await rulesOf(events), block: [] }, { ownAddresses: [] })
        for (const one of events) {
          const read = readEventLine(JSON.stringify(one))!
          expect([one, decideAgain(policy, read).allowed]).toEqual([one, true])
        }
      }),
    )
  })
})

describe('as text', () => {
  const events = [...['a', 'b', 'c', 'd', 'e'].map((label) => tcp(`${label}.example.com`)), tcp('b.example', 22), tcp('b.example', 22)]

  test('arguments with their evidence', async () => {
    expect(learnedText(await learned(events))).toBe(
      `# 2 rules for 7 connections to 6 hosts
--allow '*.example.com:443'  # 5 connections: a.example.com, b.example.com, c.example.com, d.example.com and 1 more
--allow b.example:22         # 2 connections
`,
    )
    expect(learnedText(await learned([]))).toBe('# nothing was reached, so no rule is needed\n')
  })

  test('a piece of a config file that is read as what it says', async () => {
    const toml = learnedToml(await learned(events))
    expect(Bun.TOML.parse(toml)).toEqual({ security: { domains: { allowlist_only: true, allow: ['*.example.com:443', 'b.example:22'] } } })
  })
})

describe('lines of a log', () => {
  test.each([
    '',
    'x',
    '[]',
    'null',
    '{',
    '{}',
    '{"kind":"tcp"}',
    '{"kind":"tcp","host":"a b","port":1,"verdict":"allowed"}',
    '{"kind":"tcp","host":"a.example","port":0,"verdict":"allowed"}',
    '{"kind":"tcp","host":"a.example","port":"443","verdict":"allowed"}',
    '{"kind":"tcp","host":"a.example","port":443,"verdict":"maybe"}',
    `{"kind":"tcp","host":"a.example","port":443,"verdict":"allowed","x":"${'x'.repeat(70_000)}"}`,
  ])('%p is no event', (line) => expect(readEventLine(line)).toBeUndefined())

  test('any line is an event or none', () => {
    const values = fc.oneof(
      fc.json(),
      fc.string(),
      fc
        .dictionary(
          fc.constantFrom('kind', 'host', 'address', 'port', 'verdict', 'path', 'method', 'reason'),
          fc.oneof(fc.constantFrom('tcp', 'http', 'allowed', 'a.example', '::1'), fc.integer(), fc.string()),
        )
        .map((value) => JSON.stringify(value)),
    )
    const policy = compilePolicy({ allow: ['public', 'GET https://a.example/*'], block: [] }, { ownAddresses: [] })
    const simulation = new Simulation(policy)
    const learner = new Learner()
    fc.assert(
      fc.property(values, (line) => {
        const asked = readEventLine(line)
        simulation.add(asked)
        if (asked !== undefined) learner.addAsked(asked)
      }),
      { numRuns: 2000 },
    )
  })
})

describe('deciding again', () => {
  const again = (allow: readonly string[], events: readonly Partial<NetworkEvent>[], block: readonly string[] = []) => {
    const simulation = new Simulation(compilePolicy({ allow, block }, { ownAddresses: [] }))
    for (const event of events) simulation.add(readEventLine(JSON.stringify(event)))
    return simulation.report()
  }

  test('what changes is named with its reason or rule, the most frequent first', () => {
    const report = again(
      ['a.example', 'x.example'],
      [
        tcp('a.example'),
        tcp('b.example'),
        tcp('b.example'),
        tcp('c.example', 22),
        tcp('x.example', 443, { verdict: 'denied' }),
        tcp('y.example', 443, { verdict: 'denied' }),
        { kind: 'tcp' },
      ],
    )
    expect(report).toMatchObject({
      level: 'listed',
      events: 6,
      allowed: 2,
      denied: 4,
      skipped: 1,
      newly_denied: [
        { target: 'b.example:443', count: 2, reason: 'no rule allows b.example', hint: '--allow b.example' },
        { target: 'c.example:22', count: 1, hint: '--allow c.example:22' },
      ],
      newly_allowed: [{ target: 'x.example:443', count: 1, rule: 'x.example' }],
    })
  })

  test('addresses and requests are decided about too', () => {
    const events = [
      tcp('a.example', 443, { address: '10.0.0.5' }),
      { ...base, kind: 'http' as const, host: 'a.example', port: 443, method: 'DELETE', path: '/x', verdict: 'allowed' as const },
      { ...base, kind: 'dns' as const, host: 'b.example', verdict: 'allowed' as const },
    ]
    expect(again(['GET https://a.example/*'], events).newly_denied.map(({ target }) => target)).toEqual([
      'DELETE a.example:443/x',
      'a.example:443',
      'look-up of b.example',
    ])
  })
})
