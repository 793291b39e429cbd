import { describe, expect, test } from 'bun:test'
import fc from 'fast-check'
import { isAppError } from '../../contract/errors.ts'
import { parseArguments } from '../parse-arguments.ts'
import { recordingContext } from '../recording-context.ts'
import { parseRun } from './run-request.ts'
import type { ParsedRun } from './run-request.ts'
import { RUN_SPEC } from './run-spec.ts'

function parse(argv: readonly string[], overrides: Parameters<typeof recordingContext>[1] = { env: {} }): ParsedRun {
  return parseRun(parseArguments(RUN_SPEC, argv), recordingContext({}, overrides).context)
}

function failure(argv: readonly string[], overrides?: Parameters<typeof recordingContext>[1]): string {
  try {
    parse(argv, overrides)
  } catch (error) {
    if (isAppError(error)) return `${error.code}: ${error.message}`
    throw error
  }
  return 'no error'
}

const base = { command: ['x'], cwd: '/home/user/project', env: {}, callerEnv: {} }

describe('a command line becomes a request', () => {
  const table: readonly (readonly [readonly string[], ParsedRun['request']])[] = [
    [['x'], base],
    [['--', 'x'], base],
    [['python3', '-c', 'print(1)', '--json'], { ...base, command: ['python3', '-c', 'print(1)', '--json'] }],
    [['--', '--', '-x'], { ...base, command: ['--', '-x'] }],
    [['-c', 'a.toml', 'x'], { ...base, configPath: '/home/user/project/a.toml' }],
    [['-c', './a.toml', 'x'], { ...base, configPath: '/home/user/project/a.toml' }],
    [['--config=/etc/a.toml', 'x'], { ...base, configPath: '/etc/a.toml' }],
    [['--profile=restrictive', 'x'], { ...base, profile: 'restrictive' }],
    [['-ppermissive', 'x'], { ...base, profile: 'permissive' }],
    [['--no-network', 'x'], { ...base, network: 'none' }],
    [['--network', 'learn', 'x'], { ...base, network: 'learn' }],
    [['--network=none', '--no-network', 'x'], { ...base, network: 'none' }],
    [
      ['--allow', 'a.example', '--allow=preset:node', '--block', 'b.example', 'x'],
      { ...base, allow: ['a.example', 'preset:node'], block: ['b.example'] },
    ],
    [['--network-log', 'net.jsonl', 'x'], { ...base, networkLogPath: '/home/user/project/net.jsonl' }],
    [
      ['-P', '8080:80', '--publish=0.0.0.0::53/udp', 'x'],
      {
        ...base,
        publish: [
          { hostAddress: '127.0.0.1', hostPort: 8080, sandboxPort: 80, protocol: 'tcp' },
          { hostAddress: '0.0.0.0', hostPort: 0, sandboxPort: 53, protocol: 'udp' },
        ],
      },
    ],
    [['-B', 'any', 'x'], { ...base, backend: 'any' }],
    [['-e', 'A=b', '--env=C=d=e', '-eE=', 'x'], { ...base, env: { A: 'b', C: 'd=e', E: '' } }],
    [['-w', '/tmp', 'x'], { ...base, workdir: '/tmp' }],
    [['--timeout', '90', 'x'], { ...base, timeoutMs: 90_000 }],
    [['--timeout', '500ms', 'x'], { ...base, timeoutMs: 500 }],
    [['--memory', '512m', 'x'], { ...base, memoryBytes: 512 * 1024 ** 2 }],
    [['--memory', '6291456', 'x'], { ...base, memoryBytes: 6 * 1024 ** 2 }],
    [['--cpus', '1.5', 'x'], { ...base, cpus: 1.5 }],
    [['--cpus', '.5', 'x'], { ...base, cpus: 0.5 }],
    [['-i', 'host', 'x'], { ...base, image: 'host' }],
    [['--workspace', 'none', 'x'], { ...base, workspace: 'none' }],
  ]
  for (const [argv, request] of table) test(argv.join(' '), () => expect(parse(argv).request).toEqual(request))

  test('-q, -v and --json are options of the door, not of the request', () => {
    expect(parse(['-q', '--json', 'x'])).toMatchObject({ request: base, options: { json: true, quiet: true, verbose: false } })
    expect(parse(['-v', 'x'])).toMatchObject({ request: base, options: { verbose: true } })
  })
})

describe('bad input is refused with the flag, the value and the accepted form', () => {
  const table: readonly (readonly [readonly string[], RegExp])[] = [
    [[], /^usage: no command was given/],
    [['--'], /^usage: no command was given/],
    [[''], /^usage: the command is empty/],
    [['x', 'a\0b'], /^usage: argument 1 of the command holds a NUL/],
    [['--memory', '0', 'x'], /^usage: --memory "0" .*512m/],
    [['--memory', '-1', 'x'], /^usage: --memory "-1" .*512m/],
    [['--memory=abc', 'x'], /^usage: --memory "abc" .*512m/],
    [['--memory', '10TB', 'x'], /^usage: --memory "10TB" .*8t/],
    [['--memory', '512', 'x'], /^usage: --memory "512" is 512 B, but the least is 6m.*bare number is bytes/],
    [['--cpus', '0', 'x'], /^usage: --cpus "0" .*0\.5/],
    [['--cpus', '1e3', 'x'], /^usage: --cpus "1e3"/],
    [['--timeout', 'soon', 'x'], /^usage: --timeout "soon" is not a duration; .*45s/],
    [['--timeout', '0', 'x'], /^usage: --timeout "0" is no time/],
    [['--timeout', '25d', 'x'], /^usage: --timeout "25d" is too long; the most is 24d/],
    [
      ['-p', 'moderat', 'x'],
      /^usage: unknown value "moderat" for -p \(accepted: permissive, moderate, restrictive\); did you mean moderate\?/,
    ],
    [['--workspace', 'cpy', 'x'], /^usage: unknown value "cpy" .*did you mean copy\?/],
    [['--network', 'publc', 'x'], /^usage: unknown value "publc" .*did you mean public\?/],
    [['--network', 'public', '--no-network', 'x'], /^usage: --network public and --no-network contradict each other/],
    [['--allow', '', 'x'], /^usage: --allow needs a value/],
    [['--allow', 'a\0', 'x'], /^usage: --allow holds a NUL/],
    [['-P', 'http', 'x'], /^usage: --publish "http": that is no port to publish; write HOST:SANDBOX/],
    [['-P', '80', '-P', '70000:80', 'x'], /^usage: --publish "70000:80": ports go from 1 to 65535/],
    [['-P', '8080:80', '-P', '8080:81', 'x'], /^usage: --publish gives 127\.0\.0\.1:8080 \(tcp\) twice/],
    [['--network-log', '', 'x'], /^usage: --network-log needs a value/],
    [['-e', '=v', 'x'], /^usage: --env "=v" has no usable name/],
    [['-e', 'A B=v', 'x'], /^usage: --env "A B=v" has no usable name/],
    [['-e', 'A=v\0', 'x'], /^usage: --env "A" holds a NUL/],
    [['-w', 'a\0', 'x'], /^usage: --workdir holds a NUL/],
    [['--image', 'alpine', 'x'], /^not_available_yet: --image "alpine"/],
  ]
  for (const [argv, message] of table) test(JSON.stringify(argv), () => expect(failure(argv)).toMatch(message))

  for (const flag of RUN_SPEC.laterFlags ?? []) {
    test(`--${flag.name} is refused by name`, () => {
      expect(failure([`--${flag.name}`, 'x'])).toBe(`not_available_yet: --${flag.name} is not available yet.`)
      if (flag.short !== undefined)
        expect(failure([`-${flag.short}`, 'x'])).toStartWith(`not_available_yet: -${flag.short} (--${flag.name})`)
    })
  }

  test.each(['-it', '-ti', '-t', '--tty', '--interactive', '--interactive=true'])('%s is answered with what to do instead', (flag) => {
    expect(failure([flag, 'bash'])).toMatch(/^usage: -[-a-z]+: leave it out: on a terminal the command gets one by itself, and -i is short/)
  })

  test("--rm and docker's -v are answered with what to do instead", () => {
    expect(failure(['--rm', 'bash'])).toBe('usage: --rm: leave it out: a sandbox is removed when its command ends, unless --keep is given.')
    expect(failure(['-v', '/a:/b', 'bash'])).toMatch(/^usage: -v is --verbose, and "\/a:\/b" is no command/)
    expect(failure(['-v', './a:/b', 'bash'])).toMatch(/^usage: -v is --verbose/)
  })

  test('the command keeps flags of these names, and -i takes its value as ever', () => {
    expect(parse(['-ihost', 'docker', 'run', '--rm', '-it', '-v', 'x']).request).toMatchObject({
      image: 'host',
      command: ['docker', 'run', '--rm', '-it', '-v', 'x'],
    })
  })

  test('a relative --config in a directory that is gone names the directory as the problem', () => {
    expect(failure(['-c', 'a.toml', 'x'], { cwd: undefined })).toMatch(/^workspace_unavailable: .*no longer exists/)
    expect(parse(['-c', '/a.toml', 'x'], { cwd: undefined }).request).toMatchObject({ configPath: '/a.toml', cwd: undefined })
  })
})

describe('the environment', () => {
  const env = {
    TOKEN: 't',
    PATH: '/bin',
    HOME: '/home/user',
    TERM: 'xterm',
    LC_TIME: 'C',
    LC_X: '',
    LCD: 'no',
    CI: 'true',
    AWS_KEY: 'secret',
  }

  test('only terminal settings and the few host variables are taken along', () => {
    const expected = { PATH: '/bin', HOME: '/home/user', TERM: 'xterm', LC_TIME: 'C', LC_X: '', CI: 'true' }
    expect(parse(['x'], { env }).request.callerEnv).toEqual(expected)
  })

  test('-e KEY copies the value, and a notice tells when there is none', () => {
    const { request, notices } = parse(['-e', 'TOKEN', '-e', 'NOPE', '-e', '__proto__', 'x'], { env })
    expect(request.env).toEqual({ TOKEN: 't' })
    expect(notices).toHaveLength(2)
    expect(notices[0]).toContain('"NOPE" is not set')
  })

  test('a variable named like a built-in property is an ordinary variable', () => {
    expect(Object.entries(parse(['-e', '__proto__=a', 'x']).request.env)).toEqual([['__proto__', 'a']])
  })
})

test('any command line ends in a request or an expected error, and a request never holds a NUL', () => {
  const names = RUN_SPEC.flags.flatMap((flag) => [`--${flag.name}`, ...(flag.short === undefined ? [] : [`-${flag.short}`])])
  const word = fc.oneof(fc.string(), fc.constantFrom(...names, '--', 'moderate', '5m', 'A=b', '1', '-1', 'copy', 'a\0b'))
  fc.assert(
    fc.property(fc.array(word), (argv) => {
      const outcome = failure(argv)
      expect(outcome).toMatch(/^(no error$|usage: |not_available_yet: )/)
      if (outcome === 'no error') expect(JSON.stringify(parse(argv).request)).not.toContain('\\u0000')
    }),
  )
})
