import { afterAll, describe, expect, test } from 'bun:test'
import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { BINARY, leftGroups, processesWith, User, within } from './kit.ts'
import { TerminalSession } from './terminal-session.ts'

const user = new User()
afterAll(() => user.remove())

/** A run that has begun: its command said so. */
async function begun(script: string): Promise<ChildProcess> {
  const child = spawn(BINARY, ['run', 'bash', '-c', `${script}\necho up\nwhile :; do sleep 3210.5 & wait; done`], {
    cwd: user.project,
    env: user.env,
  })
  await within(once(child.stdout, 'data'), 'the command to say that it runs')
  return child
}

async function endOf(child: ChildProcess): Promise<{ code: unknown; rest: string }> {
  let rest = ''
  child.stdout!.on('data', (bytes: Buffer) => (rest += bytes.toString()))
  const [code] = (await within(once(child, 'close'), 'the end of the run')) as unknown[]
  expect(processesWith('3210.5')).toEqual([])
  expect(leftGroups(child.pid!)).toEqual([])
  expect(user.leftFolders()).toEqual([])
  return { code, rest }
}

describe('a signal to us reaches the command, and nothing is left', () => {
  for (const name of ['INT', 'TERM', 'HUP', 'QUIT', 'USR1', 'USR2'] as const) {
    test(`SIG${name} to a command with a handler`, async () => {
      const child = await begun(`trap 'echo handled; exit 7' ${name}`)
      const end = endOf(child)
      child.kill(`SIG${name}`)
      expect(await end).toEqual({ code: 7, rest: 'handled\n' })
    })
  }
  for (const [name, code] of Object.entries({ SIGTERM: 143, SIGHUP: 129, SIGINT: 130 })) {
    test(`${name} to a command without one`, async () => {
      const child = await begun('')
      const end = endOf(child)
      child.kill(name as NodeJS.Signals)
      expect((await end).code).toBe(code)
    })
  }

  test('the third interrupt kills a command that will not end', async () => {
    const child = await begun('trap "echo no" INT')
    const end = endOf(child)
    for (let i = 1; i <= 2; i++) {
      child.kill('SIGINT')
      await within(once(child.stdout!, 'data'), `answer ${i}`)
    }
    child.kill('SIGINT')
    expect(await end).toEqual({ code: 137, rest: 'no\nno\n' })
  })

  test('SIGKILL to us ends the sandbox; the next run removes its folder', async () => {
    const child = await begun('')
    child.kill('SIGKILL')
    await within(once(child, 'close'), 'the end')
    for (let i = 0; i < 500 && processesWith('3210.5').length > 0; i++) await Bun.sleep(10)
    expect(processesWith('3210.5')).toEqual([])
    expect((await user.agentkernel(['run', 'true'])).code).toBe(0)
    expect(user.leftFolders()).toEqual([])
    expect(leftGroups(child.pid!)).toEqual([])
  })

  test('a signal that comes while the sandbox starts is not lost', async () => {
    for (let i = 0; i < 10; i++) {
      const child = spawn(BINARY, ['run', 'sleep', '3210.5'], { cwd: user.project, env: user.env })
      // Before the program listens the signal ends it as any program; afterwards it goes to the command.
      await Bun.sleep(i * 5)
      child.kill('SIGTERM')
      const [code, signal] = (await within(once(child, 'close'), 'the end')) as unknown[]
      expect(code === 143 || signal === 'SIGTERM').toBe(true)
    }
    for (let i = 0; i < 500 && processesWith('3210.5').length > 0; i++) await Bun.sleep(10)
    expect(processesWith('3210.5')).toEqual([])
    expect((await user.agentkernel(['run', 'true'])).code).toBe(0)
    expect(user.leftFolders()).toEqual([])
  })
})

test('Ctrl-C at a terminal lets the command of a pipeline handle it', async () => {
  const session = TerminalSession.shell(
    user,
    `ak run bash -c 'trap "echo handled; exit 7" INT; echo up >&2; while :; do sleep 0.1; done' > "$HOME/out"; echo "status $?"; cat "$HOME/out"`,
  )
  try {
    await session.until('up')
    session.write('\u0003')
    await session.until('handled')
  } finally {
    session.close()
  }
})
