import { afterAll, describe, expect, test } from 'bun:test'
import { closeSync, openSync } from 'node:fs'
import { join } from 'node:path'
import { isTerminal } from './is-terminal.ts'
import { createPipe } from './pipe.ts'

const opened: number[] = []
const open = (path: string, flags: string): number => {
  const fd = openSync(path, flags)
  opened.push(fd)
  return fd
}
afterAll(() => opened.forEach((fd) => closeSync(fd)))

describe('a terminal', () => {
  test('is one', () => {
    expect(isTerminal(open('/dev/ptmx', 'r+'))).toBe(true)
  })

  test.each([
    ['/dev/null', 'r'],
    ['/dev/zero', 'r'],
    ['/proc/self/status', 'r'],
    ['/tmp', 'r'],
  ])('is not %s', (path, flags) => {
    expect(isTerminal(open(path, flags))).toBe(false)
  })

  test('is not a pipe, at neither end', () => {
    const pipe = createPipe()
    opened.push(pipe.read, pipe.write)
    expect([isTerminal(pipe.read), isTerminal(pipe.write)]).toEqual([false, false])
  })

  test('is not a descriptor that is closed or never was', () => {
    const fd = openSync('/dev/null', 'r')
    closeSync(fd)
    expect(isTerminal(fd)).toBe(false)
    expect(isTerminal(1_000_000)).toBe(false)
  })
})

test('a command on a private terminal has one, and one on pipes has none', async () => {
  const script = `import { isTerminal } from ${JSON.stringify(join(import.meta.dir, 'is-terminal.ts'))}
    process.exitCode = [0, 1, 2].filter(isTerminal).length`
  const command = [process.execPath, '-e', script]
  const inTerminal = Bun.spawn(command, { terminal: {} })
  expect(await inTerminal.exited).toBe(3)
  inTerminal.terminal?.close()
  expect(await Bun.spawn(command, { stdio: ['pipe', 'pipe', 'pipe'] }).exited).toBe(0)
})
