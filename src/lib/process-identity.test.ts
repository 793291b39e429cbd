import { describe, expect, test } from 'bun:test'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { bootId, isRunningProcess, isSameProcess, parseStartTime, startTimeOf } from './process-identity.ts'

const fieldsAfterName = (start: string) => ['S', ...Array.from({ length: 18 }, (_, i) => String(i)), start, '99', '98'].join(' ')

describe('the identity of a process', () => {
  test('this process has a start time and is itself', () => {
    const start = startTimeOf(process.pid)
    expect(start).toMatch(/^\d+$/)
    expect(isSameProcess(process.pid, start!)).toBe(true)
    expect(isSameProcess(process.pid, `${BigInt(start!) + 1n}`)).toBe(false)
  })

  test('a process that ended and was waited for is gone', async () => {
    const child = Bun.spawn(['sleep', '60'])
    const start = startTimeOf(child.pid)
    expect(isSameProcess(child.pid, start!)).toBe(true)
    child.kill('SIGKILL')
    await child.exited
    expect(isSameProcess(child.pid, start!)).toBe(false)
  })

  test('a process that ended and was not waited for is itself, but runs no more', async () => {
    // The shell becomes a program that waits for nobody.
    const parent = Bun.spawn(['sh', '-c', 'sleep 0.01 & echo $!; exec sleep 100'], { stdout: 'pipe' })
    try {
      const { value } = await parent.stdout.getReader().read()
      const pid = Number(new TextDecoder().decode(value))
      const start = startTimeOf(pid)!
      const deadline = performance.now() + 10_000
      while (isRunningProcess(pid, start) && performance.now() < deadline) await Bun.sleep(5)
      expect([isRunningProcess(pid, start), isSameProcess(pid, start)]).toEqual([false, true])
    } finally {
      parent.kill('SIGKILL')
    }
    expect(isRunningProcess(process.pid, startTimeOf(process.pid)!)).toBe(true)
  })

  test('no process has the pids 0, -1 or a fraction', () => {
    for (const pid of [0, -1, 1.5, Number.NaN]) expect(startTimeOf(pid)).toBeUndefined()
  })

  test('a real process may have spaces and parentheses in its name', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'identity-'))
    const program = join(folder, 'a) S (1 2')
    // For a script the kernel takes the name of its file.
    writeFileSync(program, '#!/bin/sh\nread line\n', { mode: 0o755 })
    const child = Bun.spawn([program], { stdin: 'pipe' })
    try {
      const start = BigInt(startTimeOf(child.pid)!)
      expect(start >= BigInt(startTimeOf(process.pid)!)).toBe(true)
    } finally {
      child.kill('SIGKILL')
      await child.exited
      rmSync(folder, { recursive: true })
    }
  })

  test('whatever the name holds, field 22 is found', () => {
    fc.assert(
      fc.property(fc.string({ maxLength: 15 }), fc.bigInt({ min: 0n, max: 2n ** 63n }), (name, start) => {
        expect(parseStartTime(`7 (${name}) ${fieldsAfterName(String(start))}`)).toBe(String(start))
      }),
    )
  })

  test('text that is not a stat line has no start time, and never throws', () => {
    for (const text of ['', '1 (x)', '1 (x) S 1 2', 'nothing']) expect(parseStartTime(text)).toBeUndefined()
    fc.assert(fc.property(fc.string(), (text) => void parseStartTime(text)))
  })

  test('the boot has one id', () => {
    expect(bootId()).toMatch(/^[0-9a-f-]{36}$/)
    expect(bootId()).toBe(bootId()!)
  })
})
