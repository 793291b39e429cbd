import { describe, expect, test } from 'bun:test'
import { resolvedConfig } from '../../test/support/resolved-config.ts'
import type { ResolvedConfig, SecurityOverrides } from '../contract/config.ts'
import { COMPATIBILITY_MODES, PROFILE_NAMES } from '../contract/config.ts'
import { isAppError } from '../contract/errors.ts'
import type { RunRequest } from '../contract/run.ts'
import { COMPATIBILITY, allowedDomains } from './compatibility.ts'
import { ECOSYSTEM_NAMES, ecosystemDomains } from './ecosystems.ts'
import { checkIsolation } from './isolation.ts'
import { resolvePermissions } from './permissions.ts'
import { MIN_MEMORY_BYTES } from '../contract/run.ts'
import { PROFILES, RESERVED_LIMITS, sharedKernelLimits } from './profiles.ts'

const MIB = 1024 ** 2
const GIB = 1024 ** 3
const machine = { totalMemoryBytes: 24 * GIB, cores: 4 }

const request = (part: Partial<RunRequest> = {}): RunRequest => ({ command: ['true'], cwd: '/p', env: {}, callerEnv: {}, ...part })
const config = (security: SecurityOverrides = {}, part: Partial<ResolvedConfig> = {}): ResolvedConfig =>
  resolvedConfig({ security, ...part })

/** What `action` failed with; fails the test when it did not. */
async function failure(action: () => Promise<unknown>): Promise<{ code: string; text: string }> {
  try {
    await action()
  } catch (error) {
    if (isAppError(error)) return { code: error.code, text: error.message }
    throw error
  }
  throw new Error('expected a refusal')
}

describe('profiles', () => {
  test('moderate is what a run gets when nobody says anything', async () => {
    const { permissions, sources } = await resolvePermissions(request(), config(), machine)
    expect(permissions).toEqual({
      profile: 'moderate',
      network: 'public',
      networkRules: { allow: ['public'], block: [] },
      workspace: 'copy',
      mountHome: false,
      passEnv: false,
      readOnlyRoot: false,
      seccomp: 'moderate',
      memoryBytes: 4 * GIB,
      cpus: undefined,
      pids: 2048,
      tmpBytes: 2 * GIB,
      tmpExec: true,
    })
    expect(sources.network).toBe('profile moderate')
    expect(sources.profile).toBe('default')
    expect(sources.memoryBytes).toBe('profile moderate')
  })

  test('restrictive shows nothing and allows little', async () => {
    const { permissions } = await resolvePermissions(request({ profile: 'restrictive' }), config(), machine)
    expect(permissions).toEqual({
      profile: 'restrictive',
      network: 'none',
      networkRules: { allow: [], block: [] },
      workspace: 'none',
      mountHome: false,
      passEnv: false,
      readOnlyRoot: true,
      seccomp: 'restrictive',
      memoryBytes: 256 * MIB,
      cpus: 0.5,
      pids: 256,
      tmpBytes: 64 * MIB,
      tmpExec: false,
    })
  })

  test('permissive works on the real files with home and environment', async () => {
    const { permissions } = await resolvePermissions(request({ profile: 'permissive' }), config(), machine)
    expect(permissions).toMatchObject({ workspace: 'mount', mountHome: true, passEnv: true, seccomp: 'default', network: 'public' })
  })

  test('half of a small machine stays with the user', async () => {
    expect(sharedKernelLimits('moderate', 2 * GIB).memoryBytes).toBe(GIB)
    expect(sharedKernelLimits('restrictive', 300 * MIB).memoryBytes).toBe(150 * MIB)
  })

  test('/tmp is half of the memory the sandbox really has', async () => {
    expect((await resolvePermissions(request({ memoryBytes: 128 * MIB }), config(), machine)).permissions.tmpBytes).toBe(64 * MIB)
    expect((await resolvePermissions(request({ memoryBytes: 20 * GIB }), config(), machine)).permissions.tmpBytes).toBe(2 * GIB)
    expect(
      (await resolvePermissions(request({ profile: 'restrictive', memoryBytes: 32 * MIB }), config(), machine)).permissions.tmpBytes,
    ).toBe(16 * MIB)
  })

  test('a virtual machine keeps the fixed default of 512 MiB', async () => {
    expect(RESERVED_LIMITS.moderate.memoryBytes).toBe(512 * MIB)
  })

  test('a stricter profile never allows what a wider one does not', async () => {
    const rank = { network: ['none', 'listed', 'public'], workspace: ['none', 'copy', 'mount'] }
    const [wide, middle, narrow] = PROFILE_NAMES.map((name) => PROFILES[name])
    for (const [wider, narrower] of [[wide!, middle!] as const, [middle!, narrow!] as const]) {
      expect(rank.network.indexOf(narrower.network)).toBeLessThanOrEqual(rank.network.indexOf(wider.network))
      expect(rank.workspace.indexOf(narrower.workspace)).toBeLessThanOrEqual(rank.workspace.indexOf(wider.workspace))
      for (const key of ['mountHome', 'passEnv'] as const) expect(Number(narrower[key])).toBeLessThanOrEqual(Number(wider[key]))
      expect(Number(narrower.readOnlyRoot)).toBeGreaterThanOrEqual(Number(wider.readOnlyRoot))
    }
  })
})

describe('precedence', () => {
  test('a compatibility mode wins over the profile of the config', async () => {
    const { permissions, sources } = await resolvePermissions(
      request(),
      config({ profile: 'permissive', compatibilityMode: 'codex' }),
      machine,
    )
    expect(permissions).toMatchObject({
      profile: 'restrictive',
      workspace: 'mount',
      seccomp: 'ai-agent',
      readOnlyRoot: true,
      mountHome: false,
    })
    expect(sources).toMatchObject({
      profile: 'compatibility mode codex',
      workspace: 'compatibility mode codex',
      readOnlyRoot: 'profile restrictive',
    })
  })

  test('an override of the config wins over the compatibility mode and the profile', async () => {
    const overrides = { compatibilityMode: 'claude', seccomp: 'restrictive', mountHome: true, passEnv: true, readOnly: true } as const
    const { permissions, sources } = await resolvePermissions(request(), config(overrides), machine)
    expect(permissions).toMatchObject({ seccomp: 'restrictive', mountHome: true, passEnv: true, readOnlyRoot: true, workspace: 'mount' })
    expect(sources).toMatchObject({ seccomp: 'config security.seccomp', mountHome: 'config security.mount_home' })
  })

  test('a flag wins over the config', async () => {
    const { permissions, sources } = await resolvePermissions(
      request({ workspace: 'none', memoryBytes: GIB, cpus: 1.5 }),
      config({ mountCwd: true }, { memoryMiB: 64, vcpus: 2 }),
      machine,
    )
    expect(permissions).toMatchObject({ workspace: 'none', memoryBytes: GIB, cpus: 1.5 })
    expect(sources).toMatchObject({ workspace: 'flag --workspace', memoryBytes: 'flag --memory', cpus: 'flag --cpus' })
  })

  test('the workspace flag is honoured even where the profile shows nothing', async () => {
    expect(
      (await resolvePermissions(request({ profile: 'restrictive', workspace: 'mount' }), config(), machine)).permissions.workspace,
    ).toBe('mount')
  })

  test('a profile named by flag sets the compatibility mode aside', async () => {
    const { permissions } = await resolvePermissions(request({ profile: 'restrictive' }), config({ compatibilityMode: 'claude' }), machine)
    expect(permissions).toMatchObject({ profile: 'restrictive', workspace: 'none', seccomp: 'restrictive' })
  })

  test('under a profile named by flag the config cannot widen anything', async () => {
    const wide = config(
      { mountHome: true, passEnv: true, readOnly: false, mountCwd: true, network: true, seccomp: 'default' },
      { memoryMiB: 4096, vcpus: 4 },
    )
    const plain = await resolvePermissions(request({ profile: 'restrictive' }), config(), machine)
    expect(await resolvePermissions(request({ profile: 'restrictive' }), wide, machine)).toEqual(plain)
  })

  test('under a profile named by flag the config still narrows', async () => {
    const narrow = config(
      { mountHome: false, passEnv: false, readOnly: true, mountCwd: false, network: false, seccomp: 'moderate' },
      { memoryMiB: 64, vcpus: 1 },
    )
    const { permissions } = await resolvePermissions(request({ profile: 'permissive' }), narrow, machine)
    expect(permissions).toMatchObject({
      profile: 'permissive',
      network: 'none',
      mountHome: false,
      passEnv: false,
      readOnlyRoot: true,
      workspace: 'copy',
      seccomp: 'moderate',
      memoryBytes: 64 * MIB,
      cpus: 1,
    })
  })

  test('mount_cwd = false takes the real files away and leaves a private copy alone', async () => {
    expect((await resolvePermissions(request(), config({ profile: 'permissive', mountCwd: false }), machine)).permissions.workspace).toBe(
      'copy',
    )
    expect((await resolvePermissions(request(), config({ mountCwd: false }), machine)).permissions.workspace).toBe('copy')
  })

  test('a seccomp file counts as wider than every built-in profile', async () => {
    const file = config({ seccomp: '/etc/my-seccomp.json' })
    expect((await resolvePermissions(request(), file, machine)).permissions.seccomp).toBe('/etc/my-seccomp.json')
    expect((await resolvePermissions(request({ profile: 'permissive' }), file, machine)).permissions.seccomp).toBe('default')
  })
})

describe('bounds', () => {
  test.each([10 * 1024 * GIB, machine.totalMemoryBytes + 1])('%d bytes of memory are refused with the bounds', async (memoryBytes) => {
    const refused = await failure(() => resolvePermissions(request({ memoryBytes }), config(), machine))
    expect(refused.code).toBe('invalid_argument')
    expect(refused.text).toContain('--memory')
    expect(refused.text).toContain('6 MiB to 24 GiB')
  })

  test('a size of 10 TB is named in the refusal', async () => {
    expect((await failure(() => resolvePermissions(request({ memoryBytes: 10 * 1024 * GIB }), config(), machine))).text).toContain('10 TiB')
  })

  test.each([0, -1, 1.5, Number.NaN, MIN_MEMORY_BYTES - 1])('%d bytes of memory are refused', async (memoryBytes) => {
    expect((await failure(() => resolvePermissions(request({ memoryBytes }), config(), machine))).code).toBe('invalid_argument')
  })

  test('both ends of the memory range are allowed', async () => {
    for (const memoryBytes of [MIN_MEMORY_BYTES, machine.totalMemoryBytes]) {
      expect((await resolvePermissions(request({ memoryBytes }), config(), machine)).permissions.memoryBytes).toBe(memoryBytes)
    }
  })

  test('too much memory in a file names the key, and a flag gets round it', async () => {
    const refused = await failure(() => resolvePermissions(request(), config({}, { memoryMiB: 99_999_999 }), machine))
    expect(refused.code).toBe('config_invalid')
    expect(refused.text).toContain('resources.memory_mb')
    expect(
      (await resolvePermissions(request({ memoryBytes: GIB }), config({}, { memoryMiB: 99_999_999 }), machine)).permissions.memoryBytes,
    ).toBe(GIB)
  })

  test.each([0, -1, 4.1, Number.NaN, Number.POSITIVE_INFINITY])('%d cores are refused', async (cpus) => {
    const refused = await failure(() => resolvePermissions(request({ cpus }), config(), machine))
    expect(refused.code).toBe('invalid_argument')
    expect(refused.text).toContain('--cpus')
  })

  test('fractions of a core and all cores are allowed', async () => {
    for (const cpus of [0.1, 4]) expect((await resolvePermissions(request({ cpus }), config(), machine)).permissions.cpus).toBe(cpus)
  })

  test('a file that asks for more cores than there are gets all of them', async () => {
    const result = await resolvePermissions(request(), config({ profile: 'restrictive' }, { vcpus: 64 }), machine)
    expect(result.permissions.cpus).toBe(4)
    expect((await failure(() => resolvePermissions(request(), config({}, { vcpus: 0 }), machine))).code).toBe('config_invalid')
  })
})

describe('compatibility modes', () => {
  test('native is moderate with all network and nothing else', async () => {
    const native = await resolvePermissions(request(), config({ compatibilityMode: 'native' }), machine)
    expect(native.permissions.network).toBe('public')
    expect(native.permissions).toEqual((await resolvePermissions(request(), config(), machine)).permissions)
  })

  test('every agent works on the real project with its own filter and its own service', async () => {
    for (const mode of ['claude', 'codex', 'gemini'] as const) {
      const result = await resolvePermissions(request(), config({ compatibilityMode: mode }), machine)
      expect(result.permissions).toMatchObject({ workspace: 'mount', seccomp: 'ai-agent', mountHome: false, passEnv: false })
      expect(result.permissions.network).toBe('listed')
      expect(COMPATIBILITY[mode].domains.always).not.toBeEmpty()
      expect(COMPATIBILITY[mode].domains.block).toContain('169.254.169.254')
      expect(COMPATIBILITY[mode].keyVariables).toHaveLength(1)
    }
  })

  test('no mode allows what it blocks', async () => {
    for (const mode of COMPATIBILITY_MODES) {
      const allowed = allowedDomains(mode)
      for (const domain of COMPATIBILITY[mode].domains.block) expect(allowed).not.toContain(domain)
    }
  })

  test('the hosts of package tools are wildcards and come from the one list', async () => {
    for (const name of ECOSYSTEM_NAMES) {
      for (const domain of ecosystemDomains([name])) expect(domain).toMatch(/^\*\.[a-z0-9-]+(\.[a-z0-9-]+)+$/)
    }
    expect(ecosystemDomains(['python', 'python'])).toEqual(ecosystemDomains(['python']))
    expect(allowedDomains('codex')).toEqual(['api.openai.com', 'cdn.openai.com', 'preset:python', 'preset:node'])
  })
})

describe('checkIsolation', () => {
  test('accepts the asked isolation and anything stronger', async () => {
    expect(checkIsolation({ name: 'x', isolation: 'container' }, 'container')).toBeUndefined()
    expect(checkIsolation({ name: 'x', isolation: 'vm' }, 'process')).toBeUndefined()
  })

  test('names the backend, what it is and what was asked for', async () => {
    const error = checkIsolation({ name: 'x', isolation: 'container' }, 'kernel')
    expect(error?.code).toBe('isolation_too_weak')
    expect(error?.message).toContain('"x" isolates as "container", but min_isolation = "kernel"')
  })
})
