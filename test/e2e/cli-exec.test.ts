import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { spawn } from 'node:child_process'
import { createHash, randomBytes } from 'node:crypto'
import { readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { BINARY, SandboxUser } from './cli-kit.ts'
import { within } from './kit.ts'
import { TerminalSession } from './terminal-session.ts'

let user: SandboxUser
beforeAll(async () => {
  user = new SandboxUser()
  await user.out(['sandbox', 'create', 'box'])
})
afterAll(async () => {
  await user.dispose()
})

describe('exec', () => {
  test('passes stdout and stderr apart, and the exit status', async () => {
    expect(await user.ak(['exec', 'box', '--', 'sh', '-c', 'echo out; echo err >&2; exit 7'])).toEqual({
      code: 7,
      stdout: 'out\n',
      stderr: 'err\n',
    })
  })

  test('takes flags before and after the name, and leaves those of the command', async () => {
    const script = 'pwd; echo $A; echo "$@"'
    const expected = '/tmp\n1\n-w x --json\n'
    for (const words of [
      ['-w', '/tmp', 'box', '-e', 'A=1', 'sh', '-c', script, 'sh', '-w', 'x', '--json'],
      ['box', '-w=/tmp', '-eA=1', '--', 'sh', '-c', script, 'sh', '-w', 'x', '--json'],
    ]) {
      expect(await user.out(['exec', ...words])).toBe(expected)
    }
  })

  test('has an exit status for everything that goes wrong', async () => {
    const table: readonly (readonly [readonly string[], number])[] = [
      [['box', 'no-such-program'], 127],
      [['box', '/etc'], 126],
      [['box', '--timeout', '200ms', 'sleep', '100'], 124],
      [['box', 'sh', '-c', 'kill -TERM $$'], 143],
      [['nobody', 'true'], 125],
      [['box', '-w', '/no/such/folder', 'true'], 125],
      [['box', '--no-such-flag', 'true'], 2],
      [['box'], 2],
    ]
    for (const [words, code] of table) expect([words, (await user.ak(['exec', ...words])).code]).toEqual([words, code])
  })

  test('--json gives one object and the same status', async () => {
    const { code, stdout, stderr } = await user.ak(['exec', 'box', '--json', 'sh', '-c', 'echo o; echo e >&2; exit 3'])
    expect([code, stderr]).toEqual([3, ''])
    expect(JSON.parse(stdout)).toEqual({ exit_code: 3, ended: 'exited', duration_ms: expect.any(Number), stdout: 'o\n', stderr: 'e\n' })
  })

  test('carries bytes both ways unchanged', async () => {
    const bytes = randomBytes(5_000_000)
    const sum = (data: Uint8Array): string => createHash('sha256').update(data).digest('hex')
    expect(await user.out(['exec', 'box', 'sh', '-c', 'cat > in.bin; sha256sum < in.bin'], { stdin: bytes })).toBe(`${sum(bytes)}  -\n`)
    const child = Bun.spawn([BINARY, 'exec', 'box', 'cat', 'in.bin'], { cwd: user.project, env: user.env, stdin: 'ignore' })
    expect(sum(new Uint8Array(await new Response(child.stdout).arrayBuffer()))).toBe(sum(bytes))
  })

  test('keeps little of what nobody reads yet, and loses none of it', async () => {
    const child = Bun.spawn([BINARY, 'exec', 'box', 'sh', '-c', 'head -c 100000000 /dev/zero; echo done >&2'], {
      cwd: user.project,
      env: user.env,
      stdin: 'ignore',
      stderr: 'pipe',
    })
    // Meanwhile it writes into a pipe that nobody empties.
    for (let i = 0; i < 3; i++) await user.out(['exec', 'box', 'true'])
    const residentKiB = Number(/^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${child.pid}/status`, 'utf8'))?.[1])
    expect(residentKiB).toBeLessThan(150_000)
    let size = 0
    for await (const part of child.stdout) size += part.length
    expect([size, await new Response(child.stderr).text(), await child.exited]).toEqual([100_000_000, 'done\n', 0])
  })

  test('ends with its reader, as a command in a pipe does', async () => {
    expect(await user.script('ak exec box yes | head -n 1; echo "${PIPESTATUS[0]}"')).toMatchObject({ stdout: 'y\n141\n' })
  })

  test('passes signals on', async () => {
    for (const [signal, code] of [
      ['SIGINT', 42],
      ['SIGTERM', 43],
      ['SIGHUP', 44],
    ] as const) {
      const script = `trap 'exit 42' INT; trap 'exit 43' TERM; trap 'exit 44' HUP; echo ready; while :; do sleep 0.1; done`
      const child = spawn(BINARY, ['exec', 'box', 'sh', '-c', script], {
        cwd: user.project,
        env: user.env,
        stdio: ['ignore', 'pipe', 'inherit'],
      })
      await within(new Promise((resolve) => child.stdout.once('data', resolve)), 'the command')
      child.kill(signal)
      expect(await within(new Promise((resolve) => child.on('close', resolve)), `the end by ${signal}`)).toBe(code)
    }
  })

  test('--detach gives an id, with which the command is listed, read and ended', async () => {
    const script = 'echo one; echo problem >&2; sleep 0.2; echo two; exec sleep 1000'
    const { id } = JSON.parse(await user.out(['exec', 'box', '--detach', '--', 'sh', '-c', script])) as { id: string }
    const follow = Bun.spawn([BINARY, 'sandbox', 'exec-logs', 'box', id, '--follow'], { cwd: user.project, env: user.env })
    expect(await user.out(['sandbox', 'exec-list', 'box'])).toMatch(new RegExp(`^${id} +running +- +\\d+ `, 'm'))
    const reader = follow.stdout.getReader()
    let text = ''
    while (!text.includes('two\n')) text += new TextDecoder().decode((await within(reader.read(), 'the log')).value)
    expect(text).toBe('one\ntwo\n')
    expect(await user.out(['sandbox', 'exec-kill', 'box', id])).toBe(`Ended ${id}\n`)
    expect(await within(follow.exited, 'the end of the log')).toBe(0)
    expect(await user.out(['sandbox', 'exec-logs', 'box', id, '--stderr'])).toBe('problem\n')
    expect(await user.json(['sandbox', 'exec-logs', 'box', id])).toEqual({ stdout: 'one\ntwo\n' })
    expect((await user.ak(['sandbox', 'exec-logs', 'box', 'nothing'])).code).toBe(1)
  })
})

describe('on a terminal', () => {
  const terminal = (...args: readonly string[]): TerminalSession => new TerminalSession(user, [BINARY, ...args])

  test('the command has one of its own, with its size, and follows it', async () => {
    const session = terminal(
      'exec',
      'box',
      'sh',
      '-c',
      'test -t 0 && test -t 1 && stty size; echo $TERM; trap "stty size" WINCH; echo ready; while :; do sleep 0.1; done',
    )
    await session.until(/30 100\s+xterm\s+ready/)
    session.resize(120, 40)
    await session.until('40 120')
    session.write('\x03')
    expect(await session.ended()).toBe(130)
    session.close()
  })

  test('the terminal is as it was when the command has ended, however it ended', async () => {
    for (const last of ['true', 'kill -9 $$', 'no-such-program']) {
      const session = TerminalSession.shell(user, `stty -g; ak exec box sh -c '${last}'; stty -g`)
      const [, before] = await session.until(/([0-9a-f]+(?::[0-9a-f]+)+)\r\n/)
      const [, after] = await session.until(/([0-9a-f]+(?::[0-9a-f]+)+)\r\n/)
      expect(after).toBe(before!)
      await session.ended()
      session.close()
    }
  })

  test('clean asks, and an answer other than yes removes nothing', async () => {
    await user.out(['sandbox', 'create', 'idle', '--no-start'])
    for (const [answer, code] of [
      ['n\r', 1],
      ['\r', 1],
      ['y\r', 0],
    ] as const) {
      const session = terminal('sandbox', 'clean')
      await session.until('This removes sandbox idle. Go on? [y/N] ')
      session.write(answer)
      expect(await session.ended()).toBe(code)
      session.close()
    }
    expect(await user.json(['sandbox', 'list'])).toEqual([expect.objectContaining({ name: 'box' })])
  })

  test('attach opens a shell, and its recording plays again', async () => {
    const session = terminal('attach', 'box', '-e', 'PS1=sh> ', '--record', 'casts/')
    await session.until(/[$#>] $/)
    session.write('echo "héllo $((40 + 2))"\r')
    await session.until('héllo 42')
    session.write('exit 5\r')
    expect(await session.ended()).toBe(5)
    session.close()
    const [file] = readdirSync(join(user.project, 'casts'))
    expect(file).toMatch(/^box-\d{8}-\d{6}\.cast$/)
    const path = join(user.project, 'casts', file!)
    expect(statSync(path).mode & 0o777).toBe(0o600)
    const [header, ...events] = readFileSync(path, 'utf8')
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as unknown[])
    expect(header).toMatchObject({ version: 2, width: 100, height: 30, title: 'box' })
    expect(events.every(([at, kind, data]) => typeof at === 'number' && kind === 'o' && typeof data === 'string')).toBe(true)
    const played = await user.ak(['replay', '--speed', '100', path])
    expect([played.code, played.stdout]).toEqual([0, expect.stringContaining('héllo 42')])
    expect(played.stderr).toContain('playing box, 100x30')
    expect((await user.ak(['attach', 'box', '--record', path])).stderr).toContain('exists already')
  })
})

test('attach without a terminal reads commands from stdin', async () => {
  expect(await user.ak(['attach', 'box'], { stdin: 'echo out\necho err >&2\nexit 4\n' })).toEqual({
    code: 4,
    stdout: 'out\n',
    stderr: 'err\n',
  })
})
