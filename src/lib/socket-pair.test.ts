import { expect, test } from 'bun:test'
import { closeSync, fstatSync, readFileSync, readSync, writeSync } from 'node:fs'
import { createSocketPair } from './socket-pair.ts'

const flags = (fd: number): number => Number.parseInt(/flags:\s+(\d+)/.exec(readFileSync(`/proc/self/fdinfo/${fd}`, 'utf8'))![1]!, 8)
const O_NONBLOCK = 0o4000
const O_CLOEXEC = 0o2000000

test('a socket pair carries bytes both ways, and both ends are closed on exec', () => {
  const { ours, theirs } = createSocketPair()
  const buffer = Buffer.alloc(16)
  for (const [from, to] of [
    [ours, theirs],
    [theirs, ours],
  ] as const) {
    expect(fstatSync(from).isSocket()).toBe(true)
    expect(flags(from) & (O_CLOEXEC | O_NONBLOCK)).toBe(O_CLOEXEC)
    writeSync(from, 'hello')
    expect(buffer.toString('utf8', 0, readSync(to, buffer))).toBe('hello')
  }
  closeSync(ours)
  expect(readSync(theirs, buffer)).toBe(0)
  closeSync(theirs)
})

test('our end serves as a socket of Bun, which does not make the child wait for nothing', async () => {
  const { ours, theirs } = createSocketPair()
  const child = Bun.spawn(['sh', '-c', 'cat <&3 >&3'], { stdio: ['ignore', 'inherit', 'inherit', theirs] })
  expect(flags(theirs) & O_NONBLOCK).toBe(0)
  closeSync(theirs)
  const { promise, resolve } = Promise.withResolvers<string>()
  let text = ''
  const options = {
    fd: ours,
    socket: {
      data: (_: unknown, bytes: Uint8Array) => (text += new TextDecoder().decode(bytes)),
      close: () => resolve(text),
    },
  }
  // Bun's types do not know `fd` here.
  const socket = await Bun.connect(options as unknown as Parameters<typeof Bun.connect>[0])
  socket.write('there and back')
  socket.shutdown()
  expect(await promise).toBe('there and back')
  expect(await child.exited).toBe(0)
})
