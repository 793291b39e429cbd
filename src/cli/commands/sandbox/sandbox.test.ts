import { describe, expect, test } from 'bun:test'
import { AppError } from '../../../contract/errors.ts'
import type { SandboxOperations } from '../../../contract/sandbox-operations.ts'
import type { CreateRequest, SandboxInfo } from '../../../contract/sandboxes.ts'
import { runCli } from '../../app.ts'
import { recordingContext } from '../../recording-context.ts'

async function cli(argv: readonly string[], sandboxes: Partial<SandboxOperations> = {}, env: Readonly<Record<string, string>> = {}) {
  const { context, stdout, stderr } = recordingContext(
    { names: async () => ['claude', 'codex'] },
    { sandboxes, env: { LANG: 'C.UTF-8', ...env }, cwd: import.meta.dir },
  )
  const exit = await runCli(['sandbox', ...argv], context)
  return { exit, stdout: stdout(), stderr: stderr() }
}

const INFO: SandboxInfo = {
  name: 'dev',
  uuid: '0190-uuid',
  status: 'running',
  backend: 'some',
  isolation: 'container',
  profile: 'moderate',
  network: 'none',
  image: 'host',
  memory_mb: 512,
  workspace: 'none',
  placeholder_secrets: false,
  created_at: '2026-01-01T00:00:00.000Z',
  last_activity_at: '2026-01-01T00:00:00.000Z',
}

describe('create', () => {
  async function request(...argv: readonly string[]): Promise<CreateRequest & { readonly key?: string }> {
    let asked: (CreateRequest & { key?: string }) | undefined
    const create: SandboxOperations['create'] = async (given, { key }) => {
      asked = { ...given, ...(key === undefined ? {} : { key }) }
      return INFO
    }
    expect(await cli(['create', ...argv], { create }, { PATH: '/bin', TOKEN: 'abc' })).toMatchObject({ exit: 0 })
    return asked!
  }
  const base = { name: 'dev', caller_path: '/bin' }

  const table: readonly (readonly [readonly string[], object])[] = [
    [['dev'], base],
    [['dev', '--memory', '1.5g', '--cpus', '0.5'], { ...base, memory_mb: 1536, vcpus: 0.5 }],
    [['dev', '--memory', '6291457'], { ...base, memory_mb: 7 }],
    [['dev', '-l', 'a=b', '-l', 'c:d=e', '--description', 'x'], { ...base, labels: { a: 'b', c: 'd=e' }, description: 'x' }],
    [
      ['dev', '--auto-stop', '30m', '--auto-delete=2d'],
      { ...base, lifecycle: { auto_stop_after_seconds: 1800, auto_delete_after_seconds: 172_800 } },
    ],
    [['dev', '-e', 'TOKEN', '-e', 'A=b c', '-e', 'UNSET'], { ...base, env: ['TOKEN=abc', 'A=b c'] }],
    [['dev', '--no-start', '--ttl', '1h', '--idempotency-key', 'k'], { ...base, start: false, ttl: '1h', key: 'k' }],
    [['dev', '-d', '.', '-c', 'x.toml'], { ...base, dir: `${import.meta.dir}/.`, config_path: `${import.meta.dir}/x.toml` }],
    [
      ['dev', '-a', 'claude', '--profile', 'permissive', '-B', 'some', '--image', 'host'],
      { ...base, agent: 'claude', profile: 'permissive', backend: 'some', image: 'host' },
    ],
  ]
  test.each(table)('%j asks for %j', async (argv, expected) => {
    expect(await request(...argv)).toEqual(expected as CreateRequest)
  })

  test('says what was made and what to do next, and warnings on stderr', async () => {
    const create = async () => ({ ...INFO, vcpus: 2, labels: { a: 'b\x1b[31m' }, warnings: ['look \x1b[2J out'] })
    const { stdout, stderr } = await cli(['create', 'dev'], { create })
    expect(stdout).toBe(
      'Created sandbox dev (running)\n  Image:      host\n  vCPUs:      2\n  Memory:     512 MiB\n  Workspace:  empty\n  Network:    none\n  Labels:     a=b\\x1b[31m\n\n' +
        'Next:\n  agentkernel exec dev -- COMMAND\n  agentkernel attach dev\n  agentkernel sandbox remove dev\n',
    )
    expect(stderr).toBe('agentkernel: look \\x1b[2J out\n')
  })
})

describe('a wrong command line exits with 2 and says why', () => {
  const table: readonly (readonly [readonly string[], string])[] = [
    [[], '`agentkernel sandbox` needs a command: create, start'],
    [['strat', 'dev'], 'unknown command "strat" for `agentkernel sandbox`; did you mean start?'],
    [['export', 'dev'], '`agentkernel sandbox export` is not available yet'],
    [['create'], 'give the sandbox a name'],
    [['create', 'a--b'], '"a--b" cannot name a sandbox: the name "a--b" holds "--"'],
    [['create', 'x\x1b[2J'], 'U+001B'],
    [['create', 'a', 'b'], 'unexpected argument "b"'],
    [['create', 'dev', '--branch'], '--branch derives the name, but "dev" is given too'],
    [['create', 'dev', '--image', 'alpine'], '--image "alpine" is not available yet'],
    [['create', 'dev', '--ttl', 'soon'], '--ttl "soon" is not a time'],
    [['create', 'dev', '--auto-stop', '5 minutes'], '--auto-stop "5 minutes" is not a time'],
    [['create', 'dev', '-l', 'nolabel'], '--label "nolabel": a label is written key=value'],
    [['create', 'dev', '-l', 'a=1', '-l', 'a=2'], 'two values, "1" and "2"'],
    [['create', 'dev', '--vcpus', '1', '--cpus', '1'], 'mean the same'],
    [['create', 'dev', '--vcpus', 'many'], '--vcpus "many" is not a number of cores'],
    [['create', 'dev', '--memory', '1'], 'the least is 6m'],
    [['create', 'dev', '-a', 'cloude'], '--agent "cloude" is no known agent (known: claude, codex); did you mean claude?'],
    [['create', 'dev', '--idempotency-key', 'a b'], '--idempotency-key "a b" must be'],
    [['create', 'dev', '--template', 't'], '--template is not available yet'],
    [['create', 'dev', '-v', 'a:/b'], '-v (--volume) is not available yet'],
    [['create', 'dev', '-p', 'http'], '--publish "http": that is no port to publish'],
    [['create', 'dev', '--network', 'listd'], 'did you mean listed?'],
    [['create', 'dev', '--network', 'public', '--no-network'], 'contradict each other'],
    [['create', 'dev', '--agnet', 'x'], 'did you mean --agent?'],
    [['start'], 'name a sandbox'],
    [['stop', 'a', 'b'], 'unexpected argument "b"'],
    [['remove'], 'name at least one sandbox'],
    [['resize', 'dev'], 'give --vcpus, --memory or both'],
    [['extend-ttl', 'dev', '--by', 'x'], '--by "x" is not a time'],
    [['exec-logs', 'dev'], 'name a command'],
    [['import-config'], 'name a file'],
    [['logs', 'dev', '--last', '0'], '--last "0"'],
    [['clean', '--all'], '--all is not available yet'],
    [['list', 'dev'], 'unexpected argument "dev"'],
  ]
  test.each(table)('%j', async (argv, sentence) => {
    const { exit, stdout, stderr } = await cli(argv)
    expect([exit, stdout]).toEqual([2, ''])
    expect(stderr).toContain(sentence)
    expect(stderr).toMatch(/^Error: .+\nFix: .+\n$/s)
  })
})

describe('list', () => {
  test('lines its columns up by what a terminal shows, and escapes what is hostile', async () => {
    const list = async () => [
      { ...INFO, labels: { who: '日本' }, ports: ['8080:80'] },
      { ...INFO, name: 'a-name-that-is-longer-than-thirty', status: 'stopped' as const, labels: { x: '\x1b[31m' }, ip: '10.0.0.1' },
    ]
    const { stdout } = await cli(['list'], { list })
    const lines = stdout.split('\n')
    expect(lines[1]!.indexOf('8080:80') - 2).toBe(lines[0]!.indexOf('PORTS') - 4)
    expect(lines[2]).toContain('x=\\x1b[31m')
    expect(lines[2]).toMatch(/stopped +some +- +/)
  })

  test('says so when there is none', async () => {
    expect(await cli(['list'], { list: async () => [] })).toMatchObject({
      exit: 0,
      stdout: '',
      stderr: expect.stringContaining('sandbox create NAME'),
    })
  })
})

describe('errors about a sandbox', () => {
  const missing = async () => Promise.reject(new AppError('sandbox_not_found', 'Sandbox not found'))

  test('name it, and the one that was probably meant', async () => {
    const { exit, stderr } = await cli(['stop', 'devv'], { stop: missing, list: async () => [INFO] })
    expect([exit, stderr]).toEqual([
      1,
      'Error: there is no sandbox named "devv"; did you mean dev?\nFix: List them with `agentkernel sandbox list`.\n',
    ])
  })

  test('say the exact command that helps', async () => {
    const archived = async () => Promise.reject(new AppError('sandbox_archived', 'it is archived'))
    expect((await cli(['start', 'dev'], { start: archived })).stderr).toContain('`agentkernel sandbox recover dev`')
  })

  test('do not stop the removal of others, and come as JSON too', async () => {
    const remove: SandboxOperations['remove'] = async (name) => (name === 'b' ? missing() : undefined)
    const { exit, stdout } = await cli(['rm', 'a', 'b', 'c', '--json'], { remove, list: async () => [] })
    expect([exit, JSON.parse(stdout)]).toEqual([
      1,
      {
        removed: ['a', 'c'],
        failed: [{ name: 'b', error: { code: 'sandbox_not_found', message: expect.stringContaining('"b"'), fix: expect.any(String) } }],
      },
    ])
  })
})

test('start --backend makes sure of the backend, and changes none', async () => {
  const sandboxes = { get: async () => INFO, start: async () => INFO }
  expect(await cli(['start', 'dev', '-B', 'some'], sandboxes)).toMatchObject({ exit: 0 })
  expect(await cli(['start', 'dev', '-B', 'other'], sandboxes)).toMatchObject({
    exit: 2,
    stderr: expect.stringContaining('was made with "some", not "other"'),
  })
})

test('old flat commands say where they are now', async () => {
  const { context, stderr } = recordingContext()
  expect(await runCli(['create', 'dev'], context)).toBe(2)
  expect(stderr()).toContain('did you mean `agentkernel sandbox create`?')
})
