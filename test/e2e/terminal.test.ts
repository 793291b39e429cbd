import { afterAll, afterEach, describe, expect, test } from 'bun:test'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { BINARY, eventually, processesWith, User } from './kit.ts'
import { TerminalSession } from './terminal-session.ts'

const user = new User()
const sessions: TerminalSession[] = []
afterEach(() => sessions.splice(0).forEach((session) => session.close()))
afterAll(() => user.remove())

function shell(script: string): TerminalSession {
  const session = TerminalSession.shell(user, script)
  sessions.push(session)
  return session
}

function run(...args: string[]): TerminalSession {
  const session = TerminalSession.run(user, args)
  sessions.push(session)
  return session
}

async function interactiveBash(): Promise<TerminalSession> {
  const session = run('bash', '--norc', '-i')
  session.write("PS1='ready> '; bind 'set enable-bracketed-paste off'\n")
  await session.until(/\nready> |\rready> /)
  return session
}

describe('a private terminal', () => {
  test("is another one than the user's, with its size, and programs find it", async () => {
    const session = shell('tty; ak run sh -c "tty; stty size; echo direct > /dev/tty; echo error > /dev/stderr"; echo "rc $?"')
    const outer = (await session.until(/^(\/dev\/\S+)/m))[1]
    const inner = (await session.until(/(\/dev\/\S+)\r\n30 100\r\ndirect\r\nerror\r\nrc 0/))[1]
    expect(inner).toBe('/dev/console')
    expect(outer).toStartWith('/dev/pts/')
  })

  test('is not used when one of the three streams leads elsewhere', async () => {
    const session = shell(`ak run sh -c 'tty; test -t 1 || test -t 2 || echo none; echo apart >&2' 2> "$HOME/err"; echo "rc $?"`)
    await session.until('not a tty\r\nnone\r\nrc 0')
    expect(readFileSync(join(user.home, 'err'), 'utf8')).toBe('apart\n')
  })

  test('a resize reaches the command', async () => {
    const session = run('bash', '-c', "trap 'stty size' WINCH; echo waiting; while :; do read -r -t 1; done")
    await session.until('waiting')
    session.resize(77, 22)
    await session.until('22 77')
  })

  test('a full-screen program draws and ends', async () => {
    const session = run('less', '/etc/services')
    await session.until('\u001b[')
    session.write('q')
    expect(await session.ended()).toBe(0)
  })

  test('100 KiB pasted at once arrive whole', async () => {
    const text = 'paste '.repeat(17_067)
    const session = run('sh', '-c', `stty raw -echo; echo go; head -c ${text.length} | sha256sum`)
    await session.until('go')
    session.write(text)
    await session.until(new Bun.CryptoHasher('sha256').update(text).digest('hex'))
    expect(await session.ended()).toBe(0)
  })

  test('what is typed without echo does not appear', async () => {
    const session = run('bash', '-c', 'read -rsp "password: " word; echo; echo "length ${#word}"')
    await session.until('password: ')
    session.write('hunter2\n')
    await session.until('length 7')
    expect(session.bytes().toString()).not.toContain('hunter2')
  })

  test('input that was typed for a program before it began is not lost', async () => {
    const session = shell('read -r line; ak run sh -c "read -r word; echo got \\$word"')
    session.write('\nearly\n')
    await session.until('got early')
  })
})

describe('job control', () => {
  test('bash -i: Ctrl-C, Ctrl-Z, bg, fg', async () => {
    const session = await interactiveBash()
    expect(session.bytes().toString()).not.toMatch(/cannot set terminal process group|no job control/)
    session.write('sh -c "echo started; exec sleep 100"\n')
    await session.until('\nstarted')
    session.write('\u0003')
    await session.until('ready> ')
    session.write('echo "status $?"\n')
    await session.until('status 130')
    session.write('sh -c "echo again; exec sleep 100"\n')
    await session.until('\nagain')
    session.write('\u001a')
    await session.until('Stopped')
    session.write('bg\n')
    await session.until('ready> ')
    session.write('jobs -r\n')
    await session.until('Running')
    await session.until('ready> ')
    session.write('kill %1; sh -c "echo reader; exec cat"\n')
    await session.until('\nreader')
    session.write('\u001a')
    await session.until('Stopped')
    session.write('fg\n')
    // What arrives before bash has handed the terminal over is not a line for the reader, so it is typed until it is one.
    await session.typeUntil('typed\n', /\ntyped\r\ntyped/)
    session.write('\u0003')
    await session.until('ready> ')
    session.write('exit 9\n')
    expect(await session.ended()).toBe(9)
  })

  test('Ctrl-Z of the command itself stops us as a job, and fg goes on with it', async () => {
    const session = shell(`set -m; stty -a > "$HOME/before"; ak run sh -c 'echo up; read -r line; echo "read $line"'
      echo "job $?"; stty -a > "$HOME/while"; fg; echo "end $?"`)
    await session.until('up')
    session.write('\u001a')
    await session.until(/job 14[78]/)
    session.write('text\n')
    await session.until('read text')
    await session.until('end 0')
    expect(readFileSync(join(user.home, 'while'), 'utf8')).toBe(readFileSync(join(user.home, 'before'), 'utf8'))
  }, 30_000)

  test('a stopped run is stopped for the kernel too, and SIGCONT resumes it', async () => {
    const session = run('sh', '-c', 'echo up; read -r line; echo "read $line"')
    await session.until('up')
    session.write('\u001a')
    await eventually(() => session.state() === 'T', 'our process is stopped')
    process.kill(session.child.pid, 'SIGCONT')
    session.write('text\n')
    await session.until('read text')
    expect(await session.ended()).toBe(0)
  })

  test('a background job that reads nothing is not stopped by the terminal', async () => {
    const session = shell(`set -m; ak run sleep 0.2 > "$HOME/out" & wait $!; echo "status $?"`)
    await session.until('status 0')
  })

  test('a background job whose shell has ended cannot read the terminal, and goes on without', async () => {
    // Nobody could continue such a job, so a read does not stop it: it fails (EIO), as it may while a terminal is being closed.
    const session = shell(`(set -m; ak run sh -c 'echo up; sleep 1; echo over' < /dev/tty & ); sleep 3`)
    await session.until('up')
    session.write('typed\n')
    await session.until('over')
    expect(session.bytes().toString()).not.toContain('EIO')
  })
})

describe("the user's terminal is as before", () => {
  const sleep = `sh -c 'echo up; exec sleep 4321.5'`
  const ways: Readonly<Record<string, { script: string; act?: (session: TerminalSession) => Promise<void> }>> = {
    'a normal end': { script: 'ak run true' },
    'a command that is not there': { script: 'ak run no-such-command' },
    'a wrong command line': { script: 'ak run --no-such-flag true' },
    'a command that leaves its terminal raw': { script: 'ak run stty raw -echo' },
    'a time limit': { script: 'ak run --timeout 300ms sleep 100' },
    'too much memory': { script: `ak run --memory 32m python3 -c 'x = bytearray(200 << 20)'` },
    'a command killed': { script: `ak run sh -c 'kill -9 $$'` },
    'SIGTERM to us': { script: `ak run ${sleep}`, act: (session) => signalUs(session, 'SIGTERM') },
    'SIGHUP to us': { script: `ak run ${sleep}`, act: (session) => signalUs(session, 'SIGHUP') },
    'SIGINT to us': { script: `ak run ${sleep}`, act: (session) => signalUs(session, 'SIGINT') },
  }
  for (const [name, { script, act }] of Object.entries(ways)) {
    test(`after ${name}`, async () => {
      const session = shell(
        `look() { stty -a; ps -o pgid=,tpgid=,sid= -p $$; }; look > "$HOME/1"; ${script}; echo "status $?"; look > "$HOME/2"; echo compared`,
      )
      if (act !== undefined) {
        await session.until('up\r\n')
        await act(session)
      }
      await session.until(/status \d+/)
      await session.until('compared')
      // The shell's own words hold what is looked for.
      await session.ended()
      expect(readFileSync(join(user.home, '2'), 'utf8')).toBe(readFileSync(join(user.home, '1'), 'utf8'))
      expect(processesWith('4321.5')).toEqual([])
    })
  }

  async function signalUs(session: TerminalSession, signal: NodeJS.Signals): Promise<void> {
    const pid = childOf(session.child.pid)
    process.kill(pid, signal)
  }

  test('a terminal that is closed ends the command, even one that ignores it', async () => {
    const session = run('sh', '-c', 'trap "" HUP TERM; echo up; sleep 5432.1; sleep 5432.1')
    await session.until('up')
    session.child.terminal!.close()
    await session.ended()
    expect(processesWith('5432.1')).toEqual([])
    expect(user.leftFolders()).toEqual([])
  })

  test('nothing can be typed into it from inside', async () => {
    const push = `import fcntl, termios, sys
for path in ("/dev/tty", "/dev/stdin", "/dev/console"):
  try:
    with open(path, "rb", 0) as t: fcntl.ioctl(t, termios.TIOCSTI, b"x")
    print("pushed", path)
  except OSError as e: print("refused", path)
print("over")`
    await Bun.write(join(user.project, 'push.py'), push)
    const session = shell('ak run python3 push.py; read -r -t 0.1 -n 1 key; echo "key [$key]"')
    await session.until('over')
    await session.until('key []')
    expect(session.bytes().toString()).not.toContain('pushed')
  })
})

/** The one child of a process. */
function childOf(pid: number): number {
  const [child] = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim().split(' ')
  if (child === undefined || child === '') throw new Error(`${BINARY} has not been started by ${pid}`)
  return Number(child)
}
