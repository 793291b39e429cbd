import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { SandboxUser } from './cli-kit.ts'
import { HAS_CGROUPS } from './kit.ts'

let user: SandboxUser
beforeAll(() => {
  user = new SandboxUser()
  user.onBranch('feat/log-in')
  writeFileSync(join(user.project, 'a.txt'), 'from the project\n')
})
afterAll(async () => {
  await user.dispose()
})

const info = (name: string, status: string) => expect.objectContaining({ name, status })

describe('the life of a sandbox', () => {
  test('it is made with a copy of the project, started, and says what to do next', async () => {
    const { code, stdout } = await user.ak([
      'sandbox',
      'create',
      'dev',
      '--dir',
      '.',
      '-l',
      'team=web',
      '-l',
      'tier:1',
      '--description',
      'to try',
    ])
    expect(code).toBe(0)
    expect(stdout).toContain('Created sandbox dev (running)')
    for (const word of ['Image:', 'vCPUs:', 'Memory:', 'agentkernel exec dev -- COMMAND']) expect(stdout).toContain(word)
    expect(await user.out(['exec', 'dev', 'cat', 'a.txt'])).toBe('from the project\n')
  })

  test('what it changes is not seen in the project, and the other way round', async () => {
    await user.out(['exec', 'dev', 'sh', '-c', 'echo inside > a.txt'])
    writeFileSync(join(user.project, 'later.txt'), '')
    expect(await user.out(['exec', 'dev', 'sh', '-c', 'cat a.txt; ls later.txt 2>&1 || true'])).toMatch(/^inside\nls: /)
    expect(await Bun.file(join(user.project, 'a.txt')).text()).toBe('from the project\n')
  })

  test('list shows it, by all names of the command, filtered by label and project', async () => {
    for (const words of [
      ['sandbox', 'list'],
      ['sb', 'ls'],
    ]) {
      const lines = (await user.out(words)).trimEnd().split('\n')
      expect(lines[0]).toMatch(/^NAME {26}STATUS {4}BACKEND {3}IP {15}LABELS {14}PORTS$/)
      expect(lines[1]).toMatch(/^dev +running +\w+ +\S+ +team=web, tier=1 +-$/)
    }
    expect(await user.json(['sb', 'ls', '-l', 'team=web', '-l', 'tier=1'])).toEqual([info('dev', 'running')])
    expect(await user.json(['sb', 'ls', '-l', 'team=app'])).toEqual([])
    expect(await user.json(['sb', 'ls', '--project'])).toEqual([info('dev', 'running')])
    expect(await user.json(['sb', 'ls', '--project', 'de'])).toEqual([])
    expect(await user.json(['sb', 'ls', '--project', 'dev'])).toEqual([info('dev', 'running')])
  })

  test('info shows everything, and what happened to it', async () => {
    const { stdout } = await user.ak(['sandbox', 'info', 'dev'])
    for (const pattern of [
      /^Name: +dev$/m,
      /^Status: +running$/m,
      /^Description: +to try$/m,
      /^Expires: +never$/m,
      /command_executed +dev/,
    ]) {
      expect(stdout).toMatch(pattern)
    }
    expect(await user.json(['sandbox', 'info', 'dev'])).toMatchObject({
      name: 'dev',
      labels: { team: 'web', tier: '1' },
      recent_records: expect.any(Array),
    })
  })

  test('it stops, keeps its files, and starts; both twice', async () => {
    for (const _ of [1, 2]) expect(await user.out(['sandbox', 'stop', 'dev'])).toBe('Stopped dev\n')
    const refused = await user.ak(['exec', 'dev', 'true'])
    expect([refused.code, refused.stderr]).toEqual([125, expect.stringContaining('agentkernel sandbox start dev')])
    for (const _ of [1, 2]) expect(await user.out(['sandbox', 'start', 'dev'])).toBe('Started dev\n')
    expect(await user.out(['exec', 'dev', 'cat', 'a.txt'])).toBe('inside\n')
  })

  test('its end can be moved and taken away', async () => {
    expect(await user.out(['sandbox', 'extend-ttl', 'dev'])).toMatch(/^dev expires \d{4}-.* \(in (1h|59m \d+s)\)$/m)
    expect(await user.json(['sandbox', 'extend-ttl', 'dev', '--by', '0'])).toEqual({ expires_at: null })
  })

  test(`its limits can be changed${HAS_CGROUPS ? ' while it runs' : ', but not while it runs without control groups'}`, async () => {
    const words = ['sandbox', 'resize', 'dev', '--memory', '300m', '--vcpus', '0.5']
    if (!HAS_CGROUPS) {
      expect((await user.ak(words)).code).not.toBe(0)
      return
    }
    expect(await user.json(words)).toMatchObject({ memory_mb: 300, vcpus: 0.5 })
    expect(await user.out(['stats', 'dev'])).toMatch(/^dev +running .* \/ 300 MiB /m)
  })

  test('its configuration makes another', async () => {
    const config = await user.out(['sandbox', 'export-config', 'dev'])
    expect(await user.out(['sandbox', 'import-config', '-', '--as', 'dev2'], { stdin: config })).toContain('Created sandbox dev2 (stopped)')
    expect(await user.json(['sandbox', 'info', 'dev2'])).toMatchObject({ status: 'stopped', profile: 'moderate' })
  })

  test('removing goes on after a name that is wrong', async () => {
    const { code, stdout, stderr } = await user.ak(['sb', 'rm', 'dev2', 'devv', 'dev'])
    expect([code, stdout]).toEqual([1, 'Removed dev2\nRemoved dev\n'])
    expect(stderr).toContain('there is no sandbox named "devv"')
    expect(await user.json(['sb', 'ls'])).toEqual([])
  })
})

describe('making', () => {
  test('with --branch the name comes from project and branch, whatever is in it', async () => {
    expect(await user.json(['sandbox', 'create', '--branch', '--no-start'])).toEqual(info('project-feat-log-in', 'stopped'))
    expect(await user.json(['sb', 'ls', '--project'])).toEqual([info('project-feat-log-in', 'stopped')])
    await user.out(['sb', 'rm', 'project-feat-log-in'])
  })

  test('a name that is taken is an error; the same idempotency key gives the same sandbox', async () => {
    const first = await user.json(['sandbox', 'create', 'once', '--no-start', '--idempotency-key', 'k1'])
    expect(await user.json(['sandbox', 'create', 'once', '--no-start', '--idempotency-key', 'k1'])).toEqual(first)
    const again = await user.ak(['sandbox', 'create', 'once', '--no-start', '--json'])
    expect([again.code, JSON.parse(again.stdout)]).toEqual([1, { error: expect.objectContaining({ code: 'already_exists' }) }])
    await user.out(['sb', 'rm', 'once'])
  })

  test('its variables, its empty workspace and its profile are its own', async () => {
    await user.out(['sandbox', 'create', 'own', '-e', 'GREETING=hello there', '-e', 'LANG', '--profile', 'restrictive', '--ttl', '1h'])
    expect(await user.out(['exec', 'own', 'sh', '-c', 'echo "$GREETING $LANG"; ls -A'])).toBe('hello there C.UTF-8\n')
    expect(await user.json(['sandbox', 'info', 'own'])).toMatchObject({ profile: 'restrictive', expires_at: expect.any(String) })
    await user.out(['sb', 'rm', 'own'])
  })
})

describe('cleaning', () => {
  test('gc removes what has a label, and says before what it would', async () => {
    for (const name of ['one', 'two']) await user.out(['sandbox', 'create', name, '--no-start', '-l', `n=${name}`])
    expect(await user.out(['sandbox', 'gc', '-l', 'n=one', '--dry-run'])).toBe('Would remove one\n')
    expect(await user.json(['sandbox', 'gc', '-l', 'n=one'])).toEqual({ removed: ['one'], count: 1, dry_run: false })
    expect(await user.json(['sb', 'ls'])).toEqual([info('two', 'stopped')])
  })

  test('clean asks first, spares what runs, and with --force does not', async () => {
    await user.out(['sandbox', 'create', 'runs'])
    const asked = await user.ak(['sandbox', 'clean'])
    expect([asked.code, asked.stderr]).toEqual([2, expect.stringContaining('Use --yes')])
    expect(await user.out(['sandbox', 'clean', '--yes'])).toBe('Removed two\n')
    expect(await user.json(['sandbox', 'clean', '--yes', '--force'])).toEqual({ removed: ['runs'], count: 1, failed: 0 })
  })

  test('reconcile says when nothing is due', async () => {
    expect(await user.json(['sandbox', 'reconcile', '--dry-run'])).toMatchObject({ dry_run: true, actions: [] })
  })
})

describe('run --keep', () => {
  test('makes a sandbox, runs the command in it, and says how to remove it', async () => {
    const { code, stdout, stderr } = await user.ak(['run', '--keep', '--ttl', '2h', 'sh', '-c', 'cat a.txt; echo made > new.txt; exit 3'])
    expect([code, stdout]).toEqual([3, 'from the project\n'])
    const name = /remove it with `agentkernel sandbox remove (run-[0-9a-f]{8})`/.exec(stderr)?.[1] ?? ''
    expect(await user.out(['exec', name, 'cat', 'new.txt'])).toBe('made\n')
    expect(await user.json(['sb', 'info', name])).toMatchObject({ name, expires_at: expect.any(String) })
    await user.out(['sb', 'rm', name])
  })

  test('with --branch the next run goes on in the same one, started when it was stopped', async () => {
    await user.ak(['run', '--branch', 'sh', '-c', 'echo one >> log'])
    await user.out(['sb', 'stop', 'project-feat-log-in'])
    const second = await user.ak(['run', '--branch', '--memory', '1g', 'sh', '-c', 'echo two >> log; cat log'])
    expect([second.code, second.stdout]).toEqual([0, 'one\ntwo\n'])
    expect(second.stderr).toContain('--memory did not change it')
    await user.out(['sb', 'rm', 'project-feat-log-in'])
  })
})

describe('the daemon', () => {
  test('ends and comes back when told, and sandboxes notice nothing', async () => {
    await user.out(['sandbox', 'create', 'stays'])
    await user.out(['exec', 'stays', '--detach', '--', 'sleep', '1000'])
    expect(await user.out(['daemon', 'stop'])).toBe('The daemon has ended\n')
    expect(await user.out(['daemon', 'stop'])).toBe('No daemon was running\n')
    const off = await user.ak(['daemon', 'status', '--json'])
    expect([off.code, JSON.parse(off.stdout)]).toEqual([1, { running: false, log: expect.any(String) }])
    expect(await user.json(['sandbox', 'exec-list', 'stays'])).toEqual([
      expect.objectContaining({ status: 'running', command: ['sleep', '1000'] }),
    ])
    expect(await user.json(['daemon', 'start'])).toMatchObject({ running: true, stays: true })
    expect(await user.json(['daemon', 'status'])).toMatchObject({ sandboxes: { running: 1, total: 1 } })
    await user.out(['sb', 'rm', 'stays'])
  })

  test('completion offers names while it runs, and does not start it', async () => {
    await user.out(['sandbox', 'create', 'tab', '--no-start'])
    expect(await user.out(['__complete', '--', 'exec', 't'])).toBe('tab\tstopped\n')
    expect(await user.out(['__complete', '--', 'sandbox', 'cp', 'ta'])).toBe('tab:\tstopped\n:files\n')
    await user.out(['sb', 'rm', 'tab'])
    await user.out(['daemon', 'stop'])
    expect(await user.out(['__complete', '--', 'exec', 't'])).toBe('')
    expect((await user.ak(['daemon', 'status'])).code).toBe(1)
  })
})

describe('a directory', () => {
  test('that is not there cannot be copied in', async () => {
    mkdirSync(join(user.home, 'empty'), { recursive: true })
    const { code, stderr } = await user.ak(['sandbox', 'create', 'x', '--dir', './nowhere'])
    expect([code, stderr]).toEqual([1, expect.stringContaining('--dir "./nowhere" is not a directory')])
  })
})
