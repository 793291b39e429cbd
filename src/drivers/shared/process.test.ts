import { afterEach, describe, expect, test } from 'bun:test'
import { identityOf, isAlive } from './process.ts'

const children: { kill: (signal: NodeJS.Signals) => void }[] = []
afterEach(() => {
  for (const child of children.splice(0)) child.kill('SIGKILL')
})

async function start(script: string): Promise<{ pid: number; said: string; exited: Promise<number>; kill: () => void }> {
  const child = Bun.spawn(['/bin/sh', '-c', script], { stdout: 'pipe' })
  children.push(child)
  const { value } = await child.stdout.getReader().read()
  return { pid: child.pid, said: new TextDecoder().decode(value).trim(), exited: child.exited, kill: () => child.kill('SIGKILL') }
}

describe('the identity of a process', () => {
  test('is that of one that runs, the same each time', () => {
    const own = identityOf(process.pid)
    expect(own).toEqual({ pid: process.pid, start_time: expect.stringMatching(/^\d+$/), boot_id: expect.stringMatching(/^[0-9a-f-]{36}$/) })
    expect(identityOf(process.pid)).toEqual(own!)
    expect(isAlive(own!)).toBe(true)
  })

  test('is nobody else’s: not of an earlier process of that number, nor of one of an earlier boot', () => {
    const own = identityOf(process.pid)!
    expect(isAlive({ ...own, start_time: `${Number(own.start_time) - 1}` })).toBe(false)
    expect(isAlive({ ...own, boot_id: '00000000-0000-0000-0000-000000000000' })).toBe(false)
  })

  test('says that a process has ended, before and after somebody waits for it', async () => {
    const { pid, exited, kill } = await start('echo ready; exec sleep 1000')
    const who = identityOf(pid)!
    expect(isAlive(who)).toBe(true)
    kill()
    await exited
    expect(isAlive(who)).toBe(false)
    expect(identityOf(pid)).toBeUndefined()
  })

  test('says so of a process that nobody ever waits for', async () => {
    // What starts it becomes a program that does not know that it has a child.
    const { said } = await start('sleep 0.05 & echo $!; exec sleep 1000')
    const who = identityOf(Number(said))!
    while (isAlive(who)) await Bun.sleep(1)
    expect(identityOf(who.pid)).toEqual(who)
  })

  test('is nobody’s where there is no process', () => {
    expect(identityOf(2 ** 22 + 1)).toBeUndefined()
  })
})
