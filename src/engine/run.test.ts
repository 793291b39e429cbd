import { closeSync, openSync } from 'node:fs'
import { afterAll, describe, expect, test } from 'bun:test'
import { resolvedConfig } from '../../test/support/resolved-config.ts'
import type { ResolvedConfig } from '../contract/config.ts'
import type { AuditEvent } from '../contract/events.ts'
import { AppError } from '../contract/errors.ts'
import type { RunIo, RunRequest } from '../contract/run.ts'
import type { Driver } from '../drivers/driver.ts'
import { createFakeDriver } from '../drivers/fake/index.ts'
import { beginRun } from './begin-run.ts'
import { run, type RunDeps } from './run.ts'

const nothing = openSync('/dev/null', 'r+')
afterAll(() => closeSync(nothing))

/** The fake driver has no way out, so that nothing here is ever asked for. */
const UNUSED_NETWORK = {
  version: 'test',
  trustDir: '/nonexistent',
  env: {},
  openVault: () => Promise.reject(new Error('no vault')),
  metering: { mayMatter: () => false, open: () => Promise.reject(new Error('no metering')) },
  now: () => new Date(),
}

/** An engine over a fake driver; what it did is in the arrays. */
function engine(driver: Driver, config: Partial<ResolvedConfig> = {}, over: Partial<RunDeps> = {}) {
  const events: AuditEvent[] = []
  const notices: string[] = []
  const told = new Set<string>()
  const deps: RunDeps = {
    loadConfig: async () => resolvedConfig(config),
    describeWorkspace: async () => ({ view: undefined, cwdInside: '/workspace' }),
    audit: { append: async (event) => void events.push(event) },
    network: UNUSED_NETWORK,
    machine: { totalMemoryBytes: 8 * 1024 ** 3, cores: 2 },
    now: () => performance.now(),
    firstTime: (key, scope = '') => !told.has(`${scope}\0${key}`) && told.add(`${scope}\0${key}`) !== undefined,
    ...over,
  }
  const io: RunIo = { stdin: nothing, stdout: nothing, stderr: nothing, onNotice: (text) => notices.push(text) }
  const request: RunRequest = { command: ['true'], cwd: '/project', env: {}, callerEnv: {} }
  const { signal } = new AbortController()
  const begin = () => beginRun(driver, { id: 'abcdefgh01234567', cwd: request.cwd }, io, signal)
  return { events, notices, go: (parts: Partial<RunRequest> = {}) => run(deps, begin(), { ...request, ...parts }, io, signal) }
}

describe('a run', () => {
  test('ends with the command, its status in the result and in the audit log', async () => {
    const { go, events } = engine(createFakeDriver())
    const result = await go({ command: ['sh', '-c', 'exit 42'] })
    expect(result).toMatchObject({ exitCode: 42, ended: 'exited', backend: 'fake', profile: 'moderate', network: 'none' })
    expect(events).toMatchObject([{ type: 'command_executed', exit_code: 42, command: ['sh', '-c', 'exit 42'] }])
  })

  test('is refused by a command rule before a sandbox exists, and the refusal is recorded', async () => {
    const driver = createFakeDriver()
    const rules = { allow: [], block: ['curl'], allowlistOnly: false, source: '/project/agentkernel.toml' }
    const { go, events } = engine(driver, { commands: [rules] })
    await expect(go({ command: ['sh', '-c', 'curl example.com'] })).rejects.toMatchObject({ code: 'policy_denied' })
    expect(driver.seen()).toEqual([])
    expect(events).toMatchObject([{ type: 'policy_violation', policy: 'commands' }])
  })

  test('is refused when the backend isolates less than the user asks for', async () => {
    const { go } = engine(createFakeDriver(), { minIsolation: 'vm' })
    await expect(go()).rejects.toMatchObject({ code: 'isolation_too_weak' })
  })

  test('that cannot start leaves an error in the audit log and throws it on', async () => {
    const { go, events } = engine(createFakeDriver({ failStart: 'sandbox_start_failed' }))
    await expect(go()).rejects.toMatchObject({ code: 'sandbox_start_failed' })
    expect(events).toMatchObject([{ type: 'sandbox_error', error: 'sandbox_start_failed' }])
  })

  test('of a command that is not here names the image that has it', async () => {
    const { go } = engine(createFakeDriver({ failStart: 'command_not_found' }))
    await expect(go({ command: ['ruby', '-v'] })).rejects.toMatchObject({
      code: 'command_not_found',
      fix: expect.stringContaining('ruby:3.3-alpine'),
    })
  })

  test('whose record cannot be written keeps its status and says so', async () => {
    const append = () => Promise.reject(new AppError('audit_write_failed', 'cannot write to /log'))
    const { go, notices } = engine(createFakeDriver(), {}, { audit: { append } })
    expect((await go()).exitCode).toBe(0)
    expect(notices).toContain('this run is not in the audit log: cannot write to /log')
  })

  test('that was killed for its memory names the limit and the flag', async () => {
    const { go, notices } = engine(createFakeDriver({ killedBy: 'memory' }))
    expect((await go({ memoryBytes: 64 * 1024 ** 2 })).exitCode).toBe(137)
    expect(notices.join('\n')).toMatch(/limit of 64 MiB.*--memory/)
  })

  test('says each notice once', async () => {
    const { go, notices } = engine(createFakeDriver(), { inertKeys: ['security.mount_home'] })
    await go()
    await go()
    expect(notices.filter((text) => text.includes('security.mount_home'))).toHaveLength(1)
  })
})

describe('a prepared run', () => {
  /** A driver that can begin early, and counts what became of it. */
  function preparing() {
    const fake = createFakeDriver()
    const fate = { prepared: 0, run: 0, discarded: 0 }
    const driver: Driver = {
      name: 'fake',
      facts: fake.facts,
      probe: (signal) => fake.probe(signal),
      recover: (signal) => fake.recover(signal),
      prepareRun: (io) => {
        fate.prepared++
        return {
          run: (spec, signal) => {
            fate.run++
            return fake.runOnce!(spec, io, signal)
          },
          discard: async () => void fate.discarded++,
        }
      },
    }
    return { driver, fate }
  }

  test('is used when every check passes', async () => {
    const { driver, fate } = preparing()
    await engine(driver).go()
    expect(fate).toEqual({ prepared: 1, run: 1, discarded: 0 })
  })

  test('is discarded when a check refuses', async () => {
    const { driver, fate } = preparing()
    await expect(engine(driver, { minIsolation: 'vm' }).go()).rejects.toMatchObject({ code: 'isolation_too_weak' })
    expect(fate).toEqual({ prepared: 1, run: 0, discarded: 1 })
  })
})
