import { describe, expect, test } from 'bun:test'
import { resolvedConfig } from '../../test/support/resolved-config.ts'
import type { DomainRules, ResolvedConfig, SecurityOverrides } from '../contract/config.ts'
import { isAppError } from '../contract/errors.ts'
import type { RunRequest } from '../contract/run.ts'
import { resolvePermissions } from './permissions.ts'

const machine = { totalMemoryBytes: 8 * 1024 ** 3, cores: 2 }

interface Given {
  readonly flags?: Partial<RunRequest>
  readonly security?: SecurityOverrides
  readonly domains?: Partial<DomainRules>
  readonly min?: ResolvedConfig['minNetwork']
}

async function resolved({ flags = {}, security = {}, domains = {}, min = 'public' }: Given) {
  const config = resolvedConfig({ security, minNetwork: min, domains: { allow: [], block: [], allowlistOnly: false, ...domains } })
  const request = { command: ['true'], cwd: '/p', env: {}, callerEnv: {}, ...flags }
  const { permissions, sources } = await resolvePermissions(request, config, machine)
  expect(sources.networkRules).toBe(sources.network)
  return { level: permissions.network, ...permissions.networkRules, source: sources.network }
}

async function refusal(given: Given): Promise<string> {
  try {
    await resolved(given)
  } catch (error) {
    if (isAppError(error)) return `${error.code}: ${error.message}`
    throw error
  }
  return 'none'
}

describe('what is implied is written out', () => {
  const table: readonly (readonly [string, Given, string, readonly string[], string])[] = [
    ['moderate', {}, 'public', ['public'], 'profile moderate'],
    ['permissive', { flags: { profile: 'permissive' } }, 'public', ['public'], 'profile permissive'],
    ['restrictive', { flags: { profile: 'restrictive' } }, 'none', [], 'profile restrictive'],
    ['network = false', { security: { network: false } }, 'none', [], 'config security.network'],
    [
      'network = false with a list',
      { security: { network: false }, domains: { allow: ['a.example'] } },
      'none',
      [],
      'config security.network',
    ],
    ['network = true', { security: { profile: 'restrictive', network: true } }, 'public', ['public'], 'config security.network'],
    [
      'a list adds to what is implied',
      { domains: { allow: ['10.0.0.0/8:5432'] } },
      'public',
      ['public', '10.0.0.0/8:5432'],
      'profile moderate',
    ],
    ['a list alone', { domains: { allow: ['A.example.'], allowlistOnly: true } }, 'listed', ['a.example'], 'config security.domains'],
    ['an empty list alone is nothing', { domains: { allowlistOnly: true } }, 'none', [], 'config security.domains'],
    [
      'a list where the profile has none',
      { security: { profile: 'restrictive' }, domains: { allow: ['a.example'] } },
      'listed',
      ['a.example'],
      'config security.domains',
    ],
    [
      'a list under a flag for a profile without network',
      { flags: { profile: 'restrictive' }, domains: { allow: ['a.example'], allowlistOnly: true } },
      'none',
      [],
      'profile restrictive',
    ],
    [
      'a list under a flag for a profile with network only narrows',
      { flags: { profile: 'moderate' }, domains: { allow: ['a.example', '10.0.0.0/8'], allowlistOnly: true } },
      'listed',
      ['a.example'],
      'config security.domains',
    ],
    [
      'a list that adds, under such a flag',
      { flags: { profile: 'moderate' }, domains: { allow: ['10.0.0.0/8'] } },
      'public',
      ['public'],
      'profile moderate',
    ],
    [
      'network = true under a flag for a profile without',
      { flags: { profile: 'restrictive' }, security: { network: true } },
      'none',
      [],
      'profile restrictive',
    ],
  ]
  for (const [name, given, level, allow, source] of table) {
    test(name, async () => expect(await resolved(given)).toEqual({ level: level as 'none', allow, block: [], source }))
  }
})

describe('flags', () => {
  test('--no-network is nothing, blocks included', async () => {
    expect(await resolved({ flags: { network: 'none', block: ['a.example'] }, security: { network: true } })).toEqual({
      level: 'none',
      allow: [],
      block: [],
      source: 'flag --no-network',
    })
    expect(await refusal({ flags: { network: 'none', allow: ['a.example'] } })).toStartWith('invalid_argument: --allow gives a network')
  })

  test('--allow alone is exactly those rules, whatever profile and config imply', async () => {
    const allow = ['b.example', 'a.example:22', 'b.example']
    for (const profile of ['restrictive', 'permissive'] as const) {
      expect(await resolved({ flags: { allow, profile }, domains: { allow: ['c.example'] } })).toEqual({
        level: 'listed',
        allow: ['b.example', 'a.example:22'],
        block: [],
        source: 'flag --allow',
      })
    }
  })

  test('--network listed adds the lists of the config, --network public everything public', async () => {
    const domains = { allow: ['c.example'] }
    expect(await resolved({ flags: { network: 'listed', allow: ['a.example'] }, domains })).toMatchObject({
      allow: ['a.example', 'c.example'],
      level: 'listed',
    })
    expect(await resolved({ flags: { network: 'listed' } })).toMatchObject({ allow: [], level: 'none' })
    expect(await resolved({ flags: { network: 'public', allow: ['10.0.0.5:5432'] } })).toMatchObject({
      allow: ['public', '10.0.0.5:5432'],
      level: 'public',
      source: 'flag --network public',
    })
    expect(await resolved({ flags: { network: 'learn', profile: 'restrictive' } })).toMatchObject({ allow: ['public'], level: 'public' })
  })

  test('blocks of flags, files and modes are added up', async () => {
    const { block } = await resolved({
      flags: { block: ['a.example'] },
      domains: { block: ['B.example'] },
      security: { compatibilityMode: 'gemini' },
    })
    expect(block).toEqual(['a.example', 'b.example', '169.254.169.254'])
  })

  test('bad rules name the flag or the key', async () => {
    expect(await refusal({ flags: { allow: ['*'] } })).toMatch(/^invalid_argument: --allow: network rule "\*"/)
    expect(await refusal({ flags: { block: ['a b'] } })).toMatch(/^invalid_argument: --block: /)
    expect(await refusal({ flags: { allow: ['*.co.uk'] } })).toMatch(/^invalid_argument: --allow: .*strangers/)
    expect(await refusal({ flags: { secretHosts: ['*.github.io'] } })).toMatch(/^invalid_argument: a secret: .*strangers/)
    expect(await refusal({ domains: { allow: ['*.com'] } })).toMatch(/^config_invalid: security\.domains\.allow: .*strangers/)
    expect(await refusal({ domains: { block: ['*.com'] } })).toBe('none')
  })
})

describe('compatibility modes', () => {
  test('their hosts are listed, and lists of the config are added', async () => {
    const codex = await resolved({ security: { compatibilityMode: 'codex' }, domains: { allow: ['a.example'] } })
    expect(codex).toMatchObject({
      level: 'listed',
      allow: ['api.openai.com', 'cdn.openai.com', 'preset:python', 'preset:node', 'a.example'],
      block: ['169.254.169.254', 'metadata.google.internal', '*.internal'],
      source: 'compatibility mode codex',
    })
  })

  test("the agent's own service stays reachable under a list", async () => {
    const security = { compatibilityMode: 'codex' } as const
    expect(await resolved({ security, domains: { allow: ['a.example'], allowlistOnly: true } })).toMatchObject({
      allow: ['api.openai.com', 'cdn.openai.com', 'a.example'],
    })
    expect(await resolved({ security, flags: { allow: ['a.example'] } })).toMatchObject({
      allow: ['a.example', 'api.openai.com', 'cdn.openai.com'],
    })
  })

  test('wildcards of a mode are our own and not asked about', async () => {
    expect((await resolved({ security: { compatibilityMode: 'gemini' } })).allow).toContain('*.googleapis.com')
  })
})

describe('secrets', () => {
  const secretHosts = ['api.example', '*.x.example:8443']
  test('with a secret bound nothing public is implied, only its hosts', async () => {
    expect(await resolved({ flags: { secretHosts } })).toEqual({
      level: 'listed',
      allow: ['api.example:443', '*.x.example:8443'],
      block: [],
      source: 'hosts of secrets',
    })
    expect(await resolved({ flags: { secretHosts }, domains: { allow: ['a.example'] } })).toMatchObject({
      allow: ['a.example', 'api.example:443', '*.x.example:8443'],
    })
    expect(await resolved({ flags: { secretHosts: [] } })).toMatchObject({ level: 'public' })
  })

  test('public asked for by name stays', async () => {
    expect(await resolved({ flags: { secretHosts, network: 'public' } })).toMatchObject({ level: 'public' })
  })

  test('no network is no network', async () => {
    expect(await resolved({ flags: { secretHosts, network: 'none' } })).toMatchObject({ level: 'none' })
    expect(await resolved({ flags: { secretHosts }, security: { network: false } })).toMatchObject({ level: 'none' })
  })
})

describe('min_network', () => {
  test('narrows what is implied to the rules listed by name, else to none', async () => {
    expect(await resolved({ min: 'listed' })).toEqual({ level: 'none', allow: [], block: [], source: 'config security.min_network' })
    expect(await resolved({ min: 'listed', domains: { allow: ['a.example', 'public'] } })).toMatchObject({
      level: 'listed',
      allow: ['a.example'],
    })
    expect(await resolved({ min: 'none', domains: { allow: ['a.example'] } })).toMatchObject({ level: 'none' })
    expect(await resolved({ min: 'none', security: { compatibilityMode: 'claude' } })).toMatchObject({ level: 'none' })
    expect(await resolved({ min: 'listed', flags: { allow: ['a.example'] } })).toMatchObject({ level: 'listed' })
    expect(await resolved({ min: 'listed', flags: { profile: 'restrictive' } })).toMatchObject({ source: 'profile restrictive' })
  })

  test('refuses what is asked for by name beyond it', async () => {
    expect(await refusal({ min: 'listed', flags: { network: 'public' } })).toBe(
      'policy_denied: --network public asks for "public", but min_network = "listed" is the widest network allowed here',
    )
    expect(await refusal({ min: 'listed', flags: { network: 'learn' } })).toStartWith('policy_denied: --network learn')
    expect(await refusal({ min: 'listed', flags: { allow: ['public'] } })).toStartWith('policy_denied: --allow asks for "public"')
    expect(await refusal({ min: 'none', flags: { allow: ['a.example'] } })).toStartWith('policy_denied: --allow asks for "listed"')
    expect(await refusal({ min: 'listed', flags: { allow: ['0.0.0.0/0'] } })).toStartWith('invalid_argument')
  })
})
