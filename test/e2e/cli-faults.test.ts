import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { spawn } from 'node:child_process'
import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { BINARY, SandboxUser } from './cli-kit.ts'
import { eventually, processesWith, within } from './kit.ts'

let user: SandboxUser
beforeAll(async () => {
  user = new SandboxUser()
  await user.out(['sandbox', 'create', 'box'])
})
afterAll(async () => {
  await user.dispose()
})

interface Status {
  readonly pid: number
}

/** A command that has begun, with what it says from then on. */
async function begun(...args: readonly string[]) {
  const child = spawn(BINARY, args, { cwd: user.project, env: user.env, stdio: ['ignore', 'pipe', 'pipe'] })
  let stderr = ''
  child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text))
  const ended = new Promise<number | null>((resolve) => child.on('close', resolve))
  await within(new Promise((resolve) => child.stdout.once('data', resolve)), 'the command')
  return { child, ended, stderr: () => stderr }
}

describe('exec', () => {
  test('of a client that is killed ends, and leaves no process', async () => {
    const { child, ended } = await begun('exec', 'box', 'sh', '-c', 'echo ready; exec sleep 31415.926')
    child.kill('SIGKILL')
    await ended
    await eventually(() => processesWith('31415.926').length === 0, 'the command is gone')
  })

  test('ends with its command, also when a child of that holds stdout open', async () => {
    const { code, stdout } = await user.ak(['exec', 'box', 'sh', '-c', 'sleep 27182.818 & echo started'])
    expect([code, stdout]).toEqual([0, 'started\n'])
    await user.ak(['exec', 'box', 'pkill', '-f', '27182.818'])
  })

  test('whose daemon is killed goes on through the next one, attended or not', async () => {
    const { id } = JSON.parse(await user.out(['exec', 'box', '-d', '--', 'sh', '-c', 'echo before; sleep 1; echo after'])) as { id: string }
    const { ended } = await begun('exec', 'box', 'sh', '-c', 'echo ready; sleep 1; exit 7')
    const { pid } = (await user.json(['daemon', 'status'])) as Status
    process.kill(pid, 'SIGKILL')
    expect(await within(ended, 'the end of exec')).toBe(7)
    expect(await user.out(['sandbox', 'exec-logs', 'box', id, '--follow'])).toBe('before\nafter\n')
    expect(((await user.json(['daemon', 'status'])) as Status).pid).not.toBe(pid)
  })

  test('in a sandbox that is removed meanwhile ends', async () => {
    await user.out(['sandbox', 'create', 'gone'])
    const { ended } = await begun('exec', 'gone', 'sh', '-c', 'echo ready; sleep 1000')
    await user.out(['sandbox', 'remove', 'gone'])
    expect(await within(ended, 'the end of exec')).not.toBe(0)
  })
})

describe('at once', () => {
  test('one of several that make the same sandbox wins', async () => {
    const results = await Promise.all([1, 2, 3, 4].map(() => user.ak(['sandbox', 'create', 'same', '--no-start'])))
    expect(results.filter(({ code }) => code === 0)).toHaveLength(1)
    expect(results.filter(({ stderr }) => stderr.includes('exists already'))).toHaveLength(3)
    await user.out(['sb', 'rm', 'same'])
  })

  test('commands of several clients do not mix', async () => {
    const numbers = Array.from({ length: 8 }, (_, at) => String(at))
    const outputs = await Promise.all(numbers.map((n) => user.out(['exec', 'box', 'sh', '-c', `for i in 1 2 3 4 5; do echo ${n}; done`])))
    expect(outputs).toEqual(numbers.map((n) => `${n}\n`.repeat(5)))
  })

  test('the first commands of a user start one daemon', async () => {
    const fresh = new SandboxUser('fresh')
    try {
      const results = await Promise.all([1, 2, 3, 4].map((n) => fresh.ak(['sandbox', 'create', `n${n}`, '--no-start'])))
      expect(results.map(({ code, stderr }) => [code, stderr])).toEqual([1, 2, 3, 4].map(() => [0, expect.any(String)]))
      expect(await fresh.json(['sandbox', 'list'])).toHaveLength(4)
    } finally {
      await fresh.dispose()
    }
  })
})

test('a folder of the host is copied in without following what leads out of it', async () => {
  mkdirSync(join(user.project, 'tree'))
  writeFileSync(join(user.home, 'private'), 'not for the sandbox')
  symlinkSync(join(user.home, 'private'), join(user.project, 'tree', 'link'))
  await user.out(['sandbox', 'cp', 'tree', 'box:/workspace/'])
  expect(await user.out(['exec', 'box', 'sh', '-c', 'ls tree; cat tree/link 2>/dev/null || echo nothing'])).toBe('link\nnothing\n')
})
