import { describe, expect, test } from 'bun:test'
import fc from 'fast-check'
import { AppError } from '../contract/errors.ts'
import { runCli } from './app.ts'
import type { OutputStream } from './context.ts'
import { LATER_COMMANDS } from './later-commands.ts'
import { recordingContext } from './recording-context.ts'

async function cli(argv: readonly string[], ...given: Parameters<typeof recordingContext>) {
  const { context, stdout, stderr } = recordingContext(...given)
  const exit = await runCli(argv, context)
  return { exit, stdout: stdout(), stderr: stderr() }
}

/** A stream whose reader is gone, or whose disk is full. */
function failing(code: string): { readonly stream: OutputStream; readonly attempts: () => number } {
  let attempts = 0
  const write = (): void => {
    attempts++
    throw Object.assign(new Error(`${code}: write`), { code })
  }
  return { stream: { write, isTTY: false }, attempts: () => attempts }
}

describe('help and version', () => {
  test('every way to ask for the version prints one line', async () => {
    for (const argv of [['--version'], ['-V']]) expect(await cli(argv)).toEqual({ exit: 0, stdout: 'agentkernel 1.2.3\n', stderr: '' })
  })

  test('no command, --help, -h and help print the same page on stdout', async () => {
    const page = await cli([])
    expect(page).toMatchObject({ exit: 0, stderr: '' })
    expect(page.stdout).toContain('agentkernel run python3')
    for (const argv of [['--help'], ['-h'], ['help']]) expect(await cli(argv)).toEqual(page)
  })

  test('run --help, run -h and help run print the same page', async () => {
    const page = await cli(['run', '--help'])
    expect(page.stdout).toContain('-p, --profile PROFILE')
    for (const argv of [
      ['run', '-h'],
      ['help', 'run'],
      ['run', '--memory', 'abc', '-h'],
    ])
      expect(await cli(argv)).toEqual(page)
  })

  test('a command below another has its own page', async () => {
    expect((await cli(['audit', 'verify', '--help'])).stdout).toBe((await cli(['help', 'audit', 'verify'])).stdout)
  })

  test('help for an unknown command suggests the nearest', async () => {
    expect(await cli(['help', 'rn'])).toMatchObject({ exit: 2, stdout: '', stderr: expect.stringContaining('did you mean run?') })
  })
})

describe('a wrong command line exits with 2 and says why on stderr', () => {
  const table: readonly (readonly [readonly string[], string])[] = [
    [['rum'], 'unknown command "rum"; did you mean run?'],
    [['doctr'], 'did you mean doctor?'],
    [['python3'], 'agentkernel run python3'],
    [['--verson'], 'did you mean --version?'],
    [[''], 'unknown command ""'],
    [['\x1b[2J'], 'unknown command "\\x1b[2J"'],
    [['__proto__'], 'unknown command "__proto__"'],
    [['run'], 'no command was given'],
    [['run', ''], 'the command is empty'],
    [['run', '--profil', 'x'], 'did you mean --profile?'],
    [['agents', 'all'], 'unexpected argument "all"'],
    [['audit', '--last', '0'], '--last "0"'],
    [['audit', 'verfy'], 'unexpected argument "verfy"'],
    [['completions'], 'name a shell: bash, zsh, fish'],
    [['completions', 'csh'], 'accepted: bash, zsh, fish'],
    [['init', '-t', 'python'], '-t (--template) is not available yet'],
    [['trust', '--list', '--remove'], 'cannot be used together'],
    [['trust', '--list', 'a'], 'takes no file'],
  ]
  for (const [argv, sentence] of table) {
    test(JSON.stringify(argv), async () => {
      const result = await cli(argv)
      expect(result).toMatchObject({ exit: 2, stdout: '' })
      expect(result.stderr).toStartWith('Error: ')
      expect(result.stderr).toContain(sentence)
      expect(result.stderr).toMatch(/\nFix: .+\n$/)
    })
  }

  for (const name of LATER_COMMANDS) {
    test(`${name} is refused by name`, async () => {
      expect(await cli([name, 'x'])).toMatchObject({
        exit: 2,
        stdout: '',
        stderr: expect.stringContaining(`\`agentkernel ${name}\` is not available yet`),
      })
    })
  }
})

describe('errors', () => {
  const broken = { agents: async () => Promise.reject(new RangeError('off by one')) }
  const denied = {
    agents: async () => Promise.reject(new AppError('policy_denied', 'agents is not allowed', { cause: new Error('rule 7') })),
  }

  test('an expected failure is a sentence, its cause and its fix', async () => {
    const stderr = 'Error: agents is not allowed\nCause: rule 7\nFix: Ask for less, or change the named rule.\n'
    expect(await cli(['agents'], denied)).toEqual({ exit: 1, stdout: '', stderr })
  })

  test('with --json it is one document on stdout', async () => {
    const { exit, stdout, stderr } = await cli(['agents', '--json'], denied)
    expect([exit, stderr]).toEqual([1, ''])
    expect(JSON.parse(stdout)).toEqual({
      error: { code: 'policy_denied', message: 'agents is not allowed', fix: 'Ask for less, or change the named rule.' },
    })
  })

  test('a wrong command line with --json is told as JSON too', async () => {
    const { exit, stdout, stderr } = await cli(['run', '--bogus', '--json', 'x'])
    expect([exit, stderr]).toEqual([2, ''])
    expect(JSON.parse(stdout)).toMatchObject({ error: { code: 'usage' } })
  })

  test('a bug exits with 70, shows the stack, and says that it is a bug', async () => {
    const { exit, stderr } = await cli(['agents'], broken)
    expect(exit).toBe(70)
    expect(stderr).toContain('Error: unexpected failure: off by one')
    expect(stderr).toContain('app.test.ts')
    expect(stderr).toContain('bug in agentkernel')
  })

  test('an error message cannot send commands to the terminal', async () => {
    const hostile = { agents: async () => Promise.reject(new AppError('not_found', 'no \x1b]0;owned\x07\nFix: run rm')) }
    expect((await cli(['agents'], hostile)).stderr).toStartWith('Error: no \\x1b]0;owned\\x07\n  Fix: run rm\n')
  })
})

describe('a stream that cannot be written', () => {
  const operations = { agents: async () => [] }

  test('a reader that went away is no error', async () => {
    const { context } = recordingContext(operations)
    const { stream, attempts } = failing('EPIPE')
    expect(await runCli(['agents'], { ...context, stdout: stream })).toBe(0)
    expect(attempts()).toBe(1)
  })

  test('a full disk or a closed stdout is told on stderr', async () => {
    for (const code of ['ENOSPC', 'EBADF']) {
      const { context, stderr } = recordingContext(operations)
      expect(await runCli(['agents', '--json'], { ...context, stdout: failing(code).stream })).toBe(1)
      expect(stderr()).toStartWith(`Error: cannot write to stdout: ${code}`)
    }
  })

  test('run reports it with its own exit status', async () => {
    const { context } = recordingContext()
    expect(await runCli(['run', '--json'], { ...context, stdout: failing('EBADF').stream })).toBe(125)
  })

  test('nobody left on stderr does not hide the exit status', async () => {
    const { context } = recordingContext()
    expect(await runCli(['nothing-like-it'], { ...context, stderr: failing('EBADF').stream })).toBe(2)
  })
})

test('colours appear on a terminal only, and NO_COLOR and FORCE_COLOR are honoured', async () => {
  const coloured = async (env: Record<string, string>, terminal: boolean) =>
    (await cli(['rum'], {}, { env, terminal })).stderr.includes('\x1b[31m')
  expect(await coloured({}, true)).toBe(true)
  expect(await coloured({}, false)).toBe(false)
  expect(await coloured({ NO_COLOR: '1' }, true)).toBe(false)
  expect(await coloured({ NO_COLOR: '' }, true)).toBe(true)
  expect(await coloured({ TERM: 'dumb' }, true)).toBe(false)
  expect(await coloured({ FORCE_COLOR: '1' }, false)).toBe(true)
  expect(await coloured({ FORCE_COLOR: '0' }, true)).toBe(false)
})

test('no command line ends in a bug report', async () => {
  const word = fc.oneof(
    fc.string(),
    fc.constantFrom('help', 'audit', 'verify', 'completions', 'bash', '--json', '-h', '--', '-V', 'constructor'),
  )
  const operations = {
    auditList: async () => ({ records: [], warnings: [] }),
    auditVerify: async () => ({ ok: true, path: '/a', records: 0 }),
    auditPath: () => '/a',
  }
  await fc.assert(
    fc.asyncProperty(fc.array(word, { maxLength: 5 }), async (argv) => {
      fc.pre(argv[0] !== 'run')
      expect([0, 1, 2]).toContain((await cli(argv, operations)).exit)
    }),
  )
})

describe('run', () => {
  test('a failure with a fix of its own is told with it', async () => {
    const run = async () => Promise.reject(new AppError('backend_unknown', 'no backend "alph"', { fix: 'Use alpha.' }))
    const { exit, stdout } = await cli(['run', '--json', '-B', 'alph', 'x'], { run })
    expect(exit).toBe(2)
    expect(JSON.parse(stdout)).toMatchObject({ error: { code: 'backend_unknown', fix: 'Use alpha.' } })
  })

  test('a failure of ours exits with 125', async () => {
    const run = async () => Promise.reject(new RangeError('off by one'))
    const { exit, stdout } = await cli(['run', '--json', 'x'], { run })
    expect([exit, JSON.parse(stdout)]).toMatchObject([125, { error: { code: 'internal' } }])
  })

  test('a variable that is not set is told on stderr, unless --quiet', async () => {
    const run = async () => Promise.reject(new AppError('backend_unavailable', 'none'))
    expect((await cli(['run', '--json', '-e', 'NOPE', 'x'], { run })).stderr).toContain('"NOPE" is not set')
    expect((await cli(['run', '--json', '-q', '-e', 'NOPE', 'x'], { run })).stderr).toBe('')
  })
})
