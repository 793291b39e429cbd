import { describe, expect, test } from 'bun:test'
import { FRAME, INITIAL_CREDIT_BYTES, MAX_CREDIT_BYTES, MAX_DATA_BYTES } from '../contract/guest-protocol.ts'
import { encodeFrame, FrameDecoder } from './frame.ts'
import { Outbox } from './outbox.ts'
import { Sender } from './sender.ts'

/** An outbox whose kernel takes as much as `room` says, and the frames that came out. */
function line(): { readonly outbox: Outbox; readonly sent: string[]; room: number; drain: (bytes: number) => void } {
  const sent: string[] = []
  const names = Object.fromEntries(Object.entries(FRAME).map(([name, type]) => [type, name]))
  const decoder = new FrameDecoder(
    {
      frame: (type, stream) => sent.push(`${names[type]} ${stream}`),
      data: (stream, channel, bytes) => sent.push(`data ${stream} ${channel} ${bytes.length}`),
    },
    { opens: true },
  )
  const state = {
    sent,
    room: Number.POSITIVE_INFINITY,
    outbox: new Outbox((bytes) => {
      if (state.room < 0) return -1
      const taken = Math.min(bytes.length, state.room)
      state.room -= taken
      decoder.push(bytes.slice(0, taken))
      return taken
    }),
    drain: (bytes: number) => {
      state.room = bytes
      state.outbox.drained()
    },
  }
  return state
}

function sender(outbox: Outbox, stream: number): Sender {
  const made = new Sender(outbox.wake)
  made.begin(stream)
  return made
}

const event = (stream: number): Uint8Array => encodeFrame(FRAME.event, stream, Buffer.from('{}'))
const settled = () => new Promise<void>((resolve) => setImmediate(resolve))

describe('an outbox', () => {
  test('sends everything else before content, and content in turns, a frame each', async () => {
    const { outbox, sent } = line()
    const [one, two] = [sender(outbox, 1), sender(outbox, 3)]
    const done = Promise.all([
      one.send(0, new Uint8Array(2.5 * MAX_DATA_BYTES)),
      two.send(0, new Uint8Array(10)),
      two.send(0, new Uint8Array(20)),
    ])
    void two.sendEof(0)
    outbox.control(event(1))
    expect(outbox.pong(new Uint8Array(8))).toBe(true)
    expect(await done).toEqual([true, true, true])
    await settled()
    expect(sent).toEqual([
      'event 1',
      'pong 0',
      `data 1 0 ${MAX_DATA_BYTES}`,
      'data 3 0 10',
      `data 1 0 ${MAX_DATA_BYTES}`,
      'data 3 0 20',
      `data 1 0 ${MAX_DATA_BYTES / 2}`,
      'eof 3',
    ])
  })

  test('lets a stream without credit wait, and no other', async () => {
    const { outbox, sent } = line()
    const [slow, other] = [sender(outbox, 1), sender(outbox, 3)]
    const stuck = slow.send(0, new Uint8Array(INITIAL_CREDIT_BYTES + 1))
    await settled()
    sent.length = 0
    expect(await other.send(0, new Uint8Array(5))).toBe(true)
    expect(sent).toEqual(['data 3 0 5'])
    void slow.sendEof(0)
    await settled()
    expect(sent).toHaveLength(1)
    slow.grant(1_000)
    expect(await stuck).toBe(true)
    await settled()
    expect(sent).toEqual(['data 3 0 5', 'data 1 0 1', 'eof 1'])
  })

  test('goes on where the kernel stopped, and what is urgent waits for one batch at most', async () => {
    const state = line()
    const { outbox, sent } = state
    state.room = 20
    const one = sender(outbox, 1)
    const done = one.send(0, new Uint8Array(100))
    await settled()
    outbox.control(event(5))
    const more = one.send(0, new Uint8Array(7))
    await settled()
    expect(sent).toEqual([])
    state.drain(50)
    expect(sent).toEqual([])
    state.drain(Number.POSITIVE_INFINITY)
    expect(sent).toEqual(['data 1 0 100', 'event 5', 'data 1 0 7'])
    expect(await Promise.all([done, more])).toEqual([true, true])
  })

  test('says when everything has been given to the kernel', async () => {
    const state = line()
    state.room = 0
    let isEmpty = false
    state.outbox.control(event(1))
    state.outbox.whenEmpty(() => (isEmpty = true))
    await settled()
    expect(isEmpty).toBe(false)
    state.drain(100)
    expect(isEmpty).toBe(true)
  })

  test('that is closed, by us or the kernel, sends no more', async () => {
    const state = line()
    state.room = -1
    state.outbox.control(event(1))
    await settled()
    state.room = 100
    state.outbox.control(event(1))
    state.outbox.wake(sender(state.outbox, 1))
    await settled()
    expect(state.sent).toEqual([])
  })

  test('refuses to answer for ever somebody who does not read', async () => {
    const state = line()
    state.room = 0
    state.outbox.control(event(1))
    await settled()
    const answers = Array.from({ length: 1_001 }, () => state.outbox.pong(new Uint8Array(8)))
    expect(answers.indexOf(false)).toBe(1_000)
  })
})

describe('a sender', () => {
  test('sends nothing before its turn', async () => {
    const { outbox, sent } = line()
    const early = new Sender(outbox.wake)
    const done = early.send(0, new Uint8Array(3))
    await settled()
    expect(sent).toEqual([])
    early.begin(9)
    expect(await done).toBe(true)
    expect(sent).toEqual(['data 9 0 3'])
  })

  test('that has ended drops what it was given, and says so', async () => {
    const { outbox, sent } = line()
    const one = sender(outbox, 1)
    const stuck = one.send(0, new Uint8Array(INITIAL_CREDIT_BYTES + 1))
    await settled()
    one.end()
    expect(await stuck).toBe(false)
    expect(await one.send(0, new Uint8Array(1))).toBe(false)
    void one.sendEof(0)
    one.grant(100)
    await settled()
    expect(sent).toHaveLength(INITIAL_CREDIT_BYTES / MAX_DATA_BYTES)
  })

  test('takes no more credit than there may be', () => {
    const { outbox } = line()
    const one = sender(outbox, 1)
    one.grant(MAX_CREDIT_BYTES - INITIAL_CREDIT_BYTES)
    expect(() => one.grant(1)).toThrow(/credit/)
  })

  test('sends nothing for nothing', async () => {
    const { outbox, sent } = line()
    expect(await sender(outbox, 1).send(0, new Uint8Array(0))).toBe(true)
    expect(sent).toEqual([])
  })
})
