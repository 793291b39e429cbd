import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { AuditRecord, DoctorReport } from '../../contract/reports.ts'
import { runCli } from '../app.ts'
import { recordingContext } from '../recording-context.ts'

async function cli(argv: readonly string[], ...given: Parameters<typeof recordingContext>) {
  const { context, stdout, stderr } = recordingContext(...given)
  const exit = await runCli(argv, context)
  return { exit, stdout: stdout(), stderr: stderr() }
}

describe('agents', () => {
  const agent = { title: 'T', installHint: 'npm install -g it', keyVariables: ['K'] }
  const found = [
    { ...agent, name: 'claude', installed: true, version: '1', keySet: true },
    { ...agent, name: 'codex', installed: false, keySet: false },
  ]
  const operations = { agents: async () => found }

  test('prints a table with a hint for what is missing', async () => {
    const stdout = [
      'AGENT          STATUS         API KEY',
      '---------------------------------------------',
      'claude         installed      set',
      'codex          not installed  not set',
      '  → npm install -g it',
      '',
    ].join('\n')
    expect(await cli(['agents'], operations)).toEqual({ exit: 0, stdout, stderr: '' })
  })

  test('uses plain letters where the locale is not UTF-8', async () => {
    expect((await cli(['agents'], operations, { env: { LC_ALL: 'C', LANG: 'en_US.UTF-8' } })).stdout).toContain('\n  -> npm')
  })

  test('--json prints what was found', async () => {
    expect(JSON.parse((await cli(['agents', '--json'], operations)).stdout)).toEqual(found)
  })
})

describe('audit', () => {
  const record = (type: string, fields: Record<string, unknown>): AuditRecord => ({
    timestamp: '2025-01-02T03:04:05.678Z',
    pid: 1,
    user: 'u',
    type,
    prev: '0',
    hash: '1',
    ...fields,
  })
  const records = [
    record('command_executed', { sandbox: 'run-1', command: ['echo', 'a b\x1b[31m'], exit_code: 0, backend: 'b' }),
    record('policy_violation', { sandbox: 'run-2', policy: 'commands', details: 'rm is blocked' }),
    record('sandbox_error', { name: 'run-3', error: 'no room' }),
    record('config_trusted', { path: '/p', sha256: 'abc' }),
    record('command_executed', { command: 'not a list', sandbox: 7 }),
  ]

  test('prints a table in which data cannot reach the terminal', async () => {
    const { stdout } = await cli(['audit'], { auditList: async () => ({ records, warnings: [] }) })
    const at = '2025-01-02T03:04:05.678Z  '
    expect(stdout.split('\n')).toEqual([
      'TIMESTAMP                 EVENT               SANDBOX               DETAILS',
      `${at}command_executed    run-1                 exit 0  echo 'a b\\x1b[31m'`,
      `${at}policy_violation    run-2                 commands: rm is blocked`,
      `${at}sandbox_error       run-3                 error=no room`,
      `${at}config_trusted      -                     path=/p sha256=abc`,
      `${at}command_executed    -                     command=not a list`,
      '',
    ])
  })

  test('--json prints one record a line, as it is', async () => {
    const { stdout } = await cli(['audit', '--json'], { auditList: async () => ({ records, warnings: [] }) })
    expect(
      stdout
        .trimEnd()
        .split('\n')
        .map((line) => JSON.parse(line)),
    ).toEqual(records)
    expect(stdout).not.toContain('\x1b')
  })

  test('asks for the newest 20 of all sandboxes unless told otherwise', async () => {
    const asked: unknown[] = []
    const auditList = async (input: unknown) => {
      asked.push(input)
      return { records: [], warnings: ['/log: the line at byte 7 is not an audit record; it was skipped'] }
    }
    const first = await cli(['audit'], { auditList })
    await cli(['audit', '-s', 'a', '-l5'], { auditList })
    expect(asked).toEqual([{ last: 20 }, { last: 5, sandbox: 'a' }])
    expect(first).toEqual({
      exit: 0,
      stdout: '',
      stderr: 'agentkernel: /log: the line at byte 7 is not an audit record; it was skipped\nThe audit log is empty.\n',
    })
  })

  test('--path prints the path and nothing else', async () => {
    expect(await cli(['audit', '--path'], { auditPath: () => '/log' })).toEqual({ exit: 0, stdout: '/log\n', stderr: '' })
  })

  test('verify exits with 1 and names the first broken record', async () => {
    const report = { ok: false, path: '/log', records: 3, broken: { line: 2, reason: 'its hash does not match' } }
    const plain = await cli(['audit', 'verify'], { auditVerify: async () => report })
    expect(plain).toMatchObject({ exit: 1, stdout: '', stderr: expect.stringContaining('/log, record 2: its hash does not match') })
    const json = await cli(['audit', 'verify', '--json'], { auditVerify: async () => report })
    expect([json.exit, JSON.parse(json.stdout)]).toEqual([1, report])
    const fine = await cli(['audit', 'verify'], { auditVerify: async () => ({ ok: true, path: '/log', records: 1 }) })
    expect(fine).toEqual({ exit: 0, stdout: 'OK: 1 record, unchanged since written (/log)\n', stderr: '' })
  })
})

describe('doctor', () => {
  const sections: DoctorReport['sections'] = [
    {
      title: 'Backend one',
      findings: [
        { check: 'user namespaces', status: 'ok', detail: 'work' },
        { check: 'cgroups', status: 'warning', detail: 'not writable', fix: 'first line\nsecond line' },
        { check: 'overlay', status: 'error', detail: 'missing' },
        { check: 'kernel', status: 'info', detail: '6.1' },
      ],
    },
  ]

  test('prints each finding with its mark and its fix', async () => {
    const { exit, stdout } = await cli(['doctor'], { doctor: async () => ({ selected: 'one', sections }) })
    expect(exit).toBe(0)
    expect(stdout).toBe(
      [
        'Backend one',
        '  ✓  user namespaces           work',
        '  !  cgroups                   not writable',
        '     Fix: first line',
        '          second line',
        '  ✗  overlay                   missing',
        '  ·  kernel                    6.1',
        '',
        '`agentkernel run` uses: one',
        '',
      ].join('\n'),
    )
  })

  test('exits with 1 when nothing is usable, with --json too', async () => {
    const report = { selected: undefined, sections }
    expect(await cli(['doctor'], { doctor: async () => report })).toMatchObject({
      exit: 1,
      stdout: expect.stringContaining('No backend is usable'),
    })
    const json = await cli(['doctor', '--json'], { doctor: async () => report })
    expect([json.exit, JSON.parse(json.stdout)]).toEqual([1, { sections }])
  })

  test('uses plain letters where the locale is not UTF-8', async () => {
    const { stdout } = await cli(['doctor'], { doctor: async () => ({ selected: 'one', sections }) }, { env: {} })
    expect(stdout).toMatch(/^[\x20-\x7e\n]*$/)
  })
})

describe('trust', () => {
  let project: string
  beforeAll(() => {
    project = mkdtempSync(join(tmpdir(), 'trust-'))
    mkdirSync(join(project, 'repo', '.git'), { recursive: true })
    mkdirSync(join(project, 'repo', 'deep', 'er'), { recursive: true })
    writeFileSync(join(project, 'repo', 'agentkernel.toml'), '')
    mkdirSync(join(project, 'repo', 'deep', 'other', '.git'), { recursive: true })
  })
  afterAll(() => rmSync(project, { recursive: true }))

  const entry = { sha256: 'abc', trustedAt: '2025-01-01T00:00:00Z', current: true }
  const trustAdd = async ({ path }: { readonly path: string }) => ({ ...entry, path, widens: ['security.mount_home'] })

  test("finds the project's file from a directory below and says what it widens", async () => {
    const { stdout } = await cli(['trust'], { trustAdd }, { cwd: join(project, 'repo', 'deep', 'er') })
    expect(stdout).toBe(`Trusted ${project}/repo/agentkernel.toml (sha256 abc)\nIt now widens:\n  security.mount_home\n`)
  })

  test('does not look above the top of the git project', async () => {
    const { exit, stderr } = await cli(['trust'], { trustAdd }, { cwd: join(project, 'repo', 'deep', 'other') })
    expect(exit).toBe(1)
    expect(stderr).toContain('no agentkernel.toml in')
  })

  test('a named file is taken relative to where the user stands', async () => {
    const { stdout } = await cli(['trust', '../x.toml', '--json'], { trustAdd }, { cwd: '/a/b' })
    expect(JSON.parse(stdout)).toMatchObject({ path: '/a/x.toml', widens: ['security.mount_home'] })
  })

  test('--list shows which files changed since', async () => {
    const trustList = async () => [
      { ...entry, path: '/a' },
      { ...entry, path: '/b', current: false },
    ]
    const { stdout } = await cli(['trust', '--list'], { trustList })
    expect(
      stdout
        .trimEnd()
        .split('\n')
        .map((line) => line.split(/ {2,}/)),
    ).toEqual([
      ['STATE', 'TRUSTED AT', 'FILE'],
      ['current', entry.trustedAt, '/a'],
      ['changed', entry.trustedAt, '/b'],
    ])
    expect(await cli(['trust', '--list'], { trustList: async () => [] })).toMatchObject({
      exit: 0,
      stdout: '',
      stderr: 'No file is trusted.\n',
    })
  })

  test('--remove of a file that was not trusted is an error', async () => {
    expect(await cli(['trust', '--remove', '/a'], { trustRemove: async () => true })).toMatchObject({
      exit: 0,
      stdout: 'No longer trusted: /a\n',
    })
    expect(await cli(['trust', '--remove', '/a'], { trustRemove: async () => false })).toMatchObject({ exit: 1, stdout: '' })
  })
})

describe('init', () => {
  test('passes name and agent on and tells what was written', async () => {
    const asked: unknown[] = []
    const init = async (input: { readonly dir: string }) => {
      asked.push(input)
      return { path: `${input.dir}/agentkernel.toml`, image: 'img', reason: 'package.json' }
    }
    const { stdout } = await cli(['init', '-n', 'shop', '--agent=codex'], { init })
    expect(stdout).toBe('Wrote /home/user/project/agentkernel.toml\nImage: img (package.json)\n')
    await cli(['init'], { init })
    expect(asked).toEqual([{ dir: '/home/user/project', name: 'shop', agent: 'codex' }, { dir: '/home/user/project' }])
  })

  test('fails where the current directory is gone', async () => {
    expect(await cli(['init'], {}, { cwd: undefined })).toMatchObject({ exit: 1, stderr: expect.stringContaining('no longer exists') })
  })
})
