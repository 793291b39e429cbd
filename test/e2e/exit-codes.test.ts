import { afterAll, describe, expect, test } from 'bun:test'
import { chmodSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { HAS_CGROUPS, User } from './kit.ts'

const user = new User()
afterAll(() => user.remove())

function file(name: string, content: string | Uint8Array, mode: number): void {
  writeFileSync(join(user.project, name), content)
  chmodSync(join(user.project, name), mode)
}

describe("the exit code is the command's own, or the shell's for how it ended", () => {
  const own = ['0', '1', '42', '124', '127', '255']
  for (const code of own) {
    test(`exit ${code}`, async () => expect((await user.agentkernel(['run', 'sh', '-c', `exit ${code}`])).code).toBe(Number(code)))
  }
  const signals = { HUP: 129, INT: 130, QUIT: 131, ABRT: 134, KILL: 137, SEGV: 139, PIPE: 141, TERM: 143, USR1: 138 }
  for (const [name, code] of Object.entries(signals)) {
    test(`SIG${name}`, async () => expect((await user.agentkernel(['run', 'sh', '-c', `kill -${name} $$`])).code).toBe(code))
  }
})

describe('what cannot be run', () => {
  file('plain', 'echo hello\n', 0o644)
  file('no-interpreter', '#!/no/such/interpreter\n', 0o755)
  file('text', 'echo hello\n', 0o755)
  file('noise', Buffer.from([1, 2, 3, 0, 255]), 0o755)
  file('empty', '', 0o755)
  mkdirSync(join(user.project, 'folder'))
  const table: readonly (readonly [readonly string[], number, RegExp])[] = [
    [['no-such-command'], 127, /^Error: no-such-command: command not found\nFix: /],
    [['./missing'], 127, /^Error: \.\/missing: no such file/],
    [['ruby3000'], 127, /^Error: ruby3000: command not found/],
    [['cobol-not-here', 'x'], 127, /command not found/],
    [['./plain'], 126, /^Error: \.\/plain: permission denied/],
    [['./no-interpreter'], 126, /^Error: \.\/no-interpreter: its interpreter does not exist/],
    [['./text'], 126, /^Error: \.\/text: neither a program of this machine nor a script.*\nFix: Begin it with a line such as #!/],
    [['./noise'], 126, /^Error: \.\/noise: neither a program/],
    [['./empty'], 126, /^Error: \.\/empty: neither a program/],
    [['./folder'], 126, /^Error: \.\/folder: is a directory/],
    [['/etc'], 126, /^Error: \/etc: is a directory/],
    [['-w', 'missing', 'true'], 125, /^Error: cannot start in \/workspace\/missing: no such file or directory\nFix: /],
    [['-w', 'plain', 'true'], 125, /^Error: cannot start in \/workspace\/plain: not a directory\nFix: /],
  ]
  for (const [args, code, sentence] of table) {
    test(args.join(' '), async () => {
      const ended = await user.agentkernel(['run', ...args])
      expect(ended).toMatchObject({ code, stdout: '' })
      expect(ended.stderr).toMatch(sentence)
      expect(ended.stderr.trimEnd().split('\n')).toHaveLength(2)
      expect(user.leftFolders()).toEqual([])
    })
  }

  test('a missing language is named with the image that will bring it', async () => {
    const { code, stderr } = await user.agentkernel(['run', 'elixir', '--version'], { env: { PATH: '/nowhere' } })
    expect(code).toBe(127)
    expect(stderr).toMatch(/^Error: elixir: command not found\nFix: elixir .*image/)
  })
})

describe('wrong command lines end with 2 and a sentence', () => {
  const table: readonly (readonly string[])[] = [
    ['run'],
    ['run', ''],
    ['run', '--no-such-flag', 'true'],
    ['run', '-p', 'no-such-profile', 'true'],
    ['run', '-B', 'no-such-backend', 'true'],
    ['run', '-B', 'docker', 'true'],
    ['run', '--image', 'alpine', 'true'],
    ['run', '--fast', 'true'],
    ['run', '--memory', '0', 'true'],
    ['run', '--memory', '-1', 'true'],
    ['run', '--memory', '10TB', 'true'],
    ['run', '--memory', 'abc', 'true'],
    ['run', '--timeout', 'soon', 'true'],
    ['run', '-e', '=x', 'true'],
    ['no-such-command'],
    ['audit', 'no-such-word'],
  ]
  for (const args of table) {
    test(JSON.stringify(args), async () => {
      const ended = await user.agentkernel(args)
      expect(ended).toMatchObject({ code: 2, stdout: '' })
      expect(ended.stderr).toMatch(/^Error: .+\nFix: .+\n$/)
    })
  }
})

describe('time limits', () => {
  test('124, with a sentence', async () => {
    const { code, stderr } = await user.agentkernel(['run', '--timeout', '300ms', 'sleep', '100'])
    expect(code).toBe(124)
    expect(stderr).toMatch(/^agentkernel: stopped after .* s; its time limit was 0\.3 s \(--timeout\)\.\n$/)
  })

  test('a command that ignores SIGTERM is killed', async () => {
    const script = 'trap "" TERM; while :; do sleep 0.1; done'
    expect((await user.agentkernel(['run', '--timeout', '100ms', 'sh', '-c', script])).code).toBe(124)
  })

  test('a command that ends itself at SIGTERM is late all the same', async () => {
    const script = 'trap "echo saved; exit 0" TERM; while :; do sleep 0.1; done'
    expect(await user.agentkernel(['run', '--timeout', '300ms', 'sh', '-c', script])).toMatchObject({ code: 124, stdout: 'saved\n' })
  })
})

describe('--json', () => {
  const result = async (args: readonly string[]): Promise<{ code: number; value: Record<string, unknown>; stderr: string }> => {
    const { code, stdout, stderr } = await user.agentkernel(['run', '--json', ...args])
    expect(stdout.trimEnd()).not.toContain('\n')
    return { code, value: JSON.parse(stdout) as Record<string, unknown>, stderr }
  }

  test('prints one object and nothing else', async () => {
    const { code, value, stderr } = await result(['sh', '-c', 'echo out; echo err >&2; exit 3'])
    expect({ code, stderr }).toEqual({ code: 3, stderr: '' })
    expect(value).toEqual({ exit_code: 3, ended: 'exited', duration_ms: expect.any(Number), stdout: 'out\n', stderr: 'err\n' })
  })

  const ends: readonly (readonly [readonly string[], object])[] = [
    [['sh', '-c', 'kill -9 $$'], { exit_code: 137, ended: 'signaled' }],
    [['--timeout', '200ms', 'sleep', '9'], { exit_code: 124, ended: 'timed_out' }],
    ...(HAS_CGROUPS
      ? [[['--memory', '32m', 'python3', '-c', 'x = bytearray(200 << 20)'], { exit_code: 137, ended: 'out_of_memory' }] as const]
      : []),
  ]
  for (const [args, expected] of ends) {
    test(JSON.stringify(expected), async () => {
      const { code, value } = await result(args)
      expect(value).toMatchObject(expected)
      expect(code).toBe(value['exit_code'] as number)
    })
  }

  const errors: readonly (readonly [readonly string[], number, string])[] = [
    [['no-such-command'], 127, 'command_not_found'],
    [['/etc'], 126, 'command_not_executable'],
    [['-w', '/missing', 'true'], 125, 'workdir_not_found'],
    [['-B', 'nope', 'true'], 2, 'backend_unknown'],
    [['--memory', 'abc', 'true'], 2, 'usage'],
  ]
  for (const [args, status, errorCode] of errors) {
    test(`a failure is one object too: ${errorCode}`, async () => {
      const { code, value, stderr } = await result(args)
      expect({ code, stderr }).toEqual({ code: status, stderr: '' })
      expect(value).toEqual({ error: { code: errorCode, message: expect.any(String), fix: expect.any(String) } })
    })
  }

  test('output beyond 16 MiB is left out and the object says so', async () => {
    const { code, value } = await result(['head', '-c', `${20 << 20}`, '/dev/zero'])
    expect(code).toBe(0)
    expect(value).toMatchObject({ exit_code: 0, truncated: true })
    expect((value['stdout'] as string).length).toBe(16 << 20)
  })
})

test.skipIf(!HAS_CGROUPS)('a memory kill names the limit, the use and the flag (needs control groups)', async () => {
  const { code, stderr } = await user.agentkernel(['run', '--memory', '48m', 'python3', '-c', 'x = bytearray(300 << 20)'])
  expect(code).toBe(137)
  expect(stderr).toMatch(
    /^agentkernel: killed: out of memory at the limit of 48 MiB \(it had used \d+.* MiB\)\. Give it more with --memory\.\n$/,
  )
})
