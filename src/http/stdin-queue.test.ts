import { describe, expect, test } from 'bun:test'
import { INITIAL_STDIN_CREDIT } from '../contract/exec-socket.ts'
import type { ExecSession } from '../contract/sandbox-operations.ts'
import { StdinQueue } from './stdin-queue.ts'

/** The part of a session that the queue uses, with what came of it. */
function command(write: (bytes: Uint8Array) => Promise<void> = async () => undefined) {
  const got: string[] = []
  const session: Pick<ExecSession, 'write' | 'closeStdin'> = {
    write: async (bytes) => {
      await write(bytes)
      got.push(Buffer.from(bytes).toString())
    },
    closeStdin: () => void got.push('END'),
  }
  return { got, session }
}
const bytes = (text: string): Uint8Array => Buffer.from(text)

function openQueue() {
  const granted: number[] = []
  const queue = new StdinQueue((count) => void granted.push(count))
  queue.open = true
  return { queue, granted }
}

describe('stdin of a WebSocket', () => {
  test('comes to the command in order, what came before its start included, and its end last', async () => {
    const { queue, granted } = openQueue()
    const { got, session } = command()
    queue.push(bytes('a'))
    queue.push(bytes('b'))
    const flowing = queue.flow(session)
    queue.push(bytes('c'))
    queue.end()
    queue.end()
    await flowing
    expect(got).toEqual(['a', 'b', 'c', 'END'])
    expect(granted).toEqual([1, 1, 1])
  })

  test('is held to its credit, which comes back as the command takes it', async () => {
    const granted = Promise.withResolvers<void>()
    const queue = new StdinQueue(() => granted.resolve())
    queue.open = true
    const taken = Promise.withResolvers<void>()
    const { session } = command(() => taken.promise)
    queue.push(new Uint8Array(INITIAL_STDIN_CREDIT))
    expect(() => queue.push(bytes('x'))).toThrow(/1 bytes, the credit is 0/)
    const flowing = queue.flow(session)
    expect(() => queue.push(bytes('x'))).toThrow(/credit/)
    taken.resolve()
    await granted.promise
    queue.push(bytes('x'))
    queue.end()
    await flowing
  })

  test('that the command no longer reads does not stop the one who sends it', async () => {
    const { queue, granted } = openQueue()
    const { session } = command(() => Promise.reject(new Error('closed')))
    queue.push(bytes('a'))
    queue.push(bytes('b'))
    queue.end()
    await queue.flow(session)
    expect(granted).toEqual([1, 1])
  })

  test('stays open for others when a visitor leaves', async () => {
    const granted = Promise.withResolvers<void>()
    const queue = new StdinQueue(() => granted.resolve())
    queue.open = true
    const { got, session } = command()
    queue.push(bytes('a'))
    const flowing = queue.flow(session)
    await granted.promise
    queue.stop()
    await flowing
    expect(got).toEqual(['a'])
  })

  test('is refused when the command has none, and after its end', () => {
    const { queue } = openQueue()
    queue.end()
    expect(() => queue.push(bytes('a'))).toThrow(/has ended/)
    expect(() => new StdinQueue(() => undefined).push(bytes('a'))).toThrow(/no stdin/)
  })
})
