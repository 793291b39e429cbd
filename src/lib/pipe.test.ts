import { describe, expect, test } from 'bun:test'
import { closeSync, fstatSync, readFileSync, readSync, writeSync } from 'node:fs'
import { createPipe } from './pipe.ts'

describe('a pipe', () => {
  test('carries bytes from its write end to its read end, then ends', () => {
    const { read, write } = createPipe()
    expect(writeSync(write, 'hello')).toBe(5)
    closeSync(write)
    const buffer = Buffer.alloc(16)
    expect(buffer.toString('utf8', 0, readSync(read, buffer))).toBe('hello')
    expect(readSync(read, buffer)).toBe(0)
    closeSync(read)
  })

  test('is a FIFO, and both ends are closed on exec', () => {
    const { read, write } = createPipe()
    for (const fd of [read, write]) {
      expect(fstatSync(fd).isFIFO()).toBe(true)
      const flags = /flags:\s+(\d+)/.exec(readFileSync(`/proc/self/fdinfo/${fd}`, 'utf8'))?.[1]
      expect(Number.parseInt(flags!, 8) & 0o2000000).not.toBe(0)
      closeSync(fd)
    }
  })

  test('serves as the output of a child, which may open /dev/stdout on it', async () => {
    const { read, write } = createPipe()
    const child = Bun.spawn(['sh', '-c', 'echo again > /dev/stdout'], { stdout: write })
    closeSync(write)
    expect(await child.exited).toBe(0)
    const buffer = Buffer.alloc(16)
    expect(buffer.toString('utf8', 0, readSync(read, buffer))).toBe('again\n')
    closeSync(read)
  })
})
