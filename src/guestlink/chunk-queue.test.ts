import { describe, expect, test } from 'bun:test'
import fc from 'fast-check'
import type { Channel } from '../contract/guest-protocol.ts'
import { ChunkQueue } from './chunk-queue.ts'

type Seen = { readonly channel: Channel; readonly text: string } | string

function queue(): { readonly chunks: ChunkQueue<Seen>; readonly taken: number[]; readonly left: () => boolean } {
  const taken: number[] = []
  let hasLeft = false
  const chunks = new ChunkQueue<Seen>({
    shape: (channel, bytes) => ({ channel, text: Buffer.from(bytes).toString('latin1') }),
    taken: (cost) => taken.push(cost),
    left: () => (hasLeft = true),
  })
  return { chunks, taken, left: () => hasLeft }
}

async function all(chunks: AsyncIterable<Seen>): Promise<Seen[]> {
  return await Array.fromAsync(chunks)
}

const bytes = (text: string): Uint8Array => new Uint8Array(Buffer.from(text, 'latin1'))

describe('a queue of chunks', () => {
  test('hands a piece to whoever waits for it, and counts it as taken', async () => {
    const { chunks, taken } = queue()
    const reader = chunks[Symbol.asyncIterator]()
    const first = reader.next()
    expect(taken).toEqual([])
    chunks.push(1, bytes('abc'))
    expect(await first).toEqual({ done: false, value: { channel: 1, text: 'abc' } })
    expect(taken).toEqual([3])
  })

  test('keeps pieces until they are read, and ends after them', async () => {
    const { chunks, taken } = queue()
    chunks.push(1, bytes('a'))
    chunks.push(2, bytes('b'))
    chunks.end()
    expect(taken).toEqual([])
    expect(await all(chunks)).toEqual([
      { channel: 1, text: 'a' },
      { channel: 2, text: 'b' },
    ])
    expect(taken).toEqual([1, 1])
  })

  test('tells an error once, after what came before it', async () => {
    const { chunks } = queue()
    chunks.push(1, bytes('a'))
    chunks.end(new TypeError('lost'))
    chunks.end()
    const reader = chunks[Symbol.asyncIterator]()
    expect((await reader.next()).value).toEqual({ channel: 1, text: 'a' })
    expect(reader.next()).rejects.toThrow('lost')
    expect(await reader.next()).toEqual({ done: true, value: undefined })
  })

  test('puts small pieces of a channel together, but not across something else', async () => {
    const { chunks, taken } = queue()
    for (const [channel, text] of [
      [1, 'a'],
      [2, 'x'],
      [1, 'b'],
      [2, 'y'],
      [1, 'c'],
    ] as const)
      chunks.push(channel, bytes(text))
    chunks.pushValue('gap', 5)
    chunks.push(1, bytes('d'))
    chunks.push(1, bytes('e'))
    chunks.end()
    expect(await all(chunks)).toEqual([{ channel: 1, text: 'abc' }, { channel: 2, text: 'xy' }, 'gap', { channel: 1, text: 'de' }])
    expect(taken).toEqual([3, 2, 5, 2])
  })

  test('gives large pieces on as they came', async () => {
    const seen: Uint8Array[] = []
    const chunks = new ChunkQueue<Uint8Array>({ shape: (_channel, piece) => piece, taken: () => undefined })
    const piece = new Uint8Array(60_000)
    chunks.push(1, piece)
    chunks.push(1, piece)
    chunks.end()
    for await (const chunk of chunks) seen.push(chunk)
    expect(seen[0]).toBe(piece)
    expect(seen[1]).toBe(piece)
  })

  test('does not keep a large buffer alive for a few bytes of it', async () => {
    const chunks = new ChunkQueue<Uint8Array>({ shape: (_channel, piece) => piece, taken: () => undefined })
    chunks.push(1, new Uint8Array(1 << 20).subarray(0, 10))
    chunks.end()
    for await (const chunk of chunks) expect(chunk.buffer.byteLength).toBeLessThan(100)
  })

  test('drops what comes after its reader left, counts it as taken, and says so once', async () => {
    const { chunks, taken, left } = queue()
    chunks.push(1, bytes('abc'))
    chunks.push(2, bytes('de'))
    for await (const _ of chunks) break
    expect(left()).toBe(true)
    chunks.push(1, bytes('fghi'))
    chunks.pushValue('gap', 7)
    expect(taken).toEqual([3, 2, 4, 7])
    expect(await all(chunks)).toEqual([])
  })

  test('that had ended has nobody to tell that its reader left', async () => {
    const { chunks, left } = queue()
    chunks.push(1, bytes('abc'))
    chunks.end()
    for await (const _ of chunks) break
    expect(left()).toBe(false)
  })

  test('loses and reorders nothing of a channel, whatever comes and whenever it is read', async () => {
    const step = fc.oneof(
      fc.record({ channel: fc.constantFrom<Channel>(1, 2), text: fc.string({ minLength: 1, maxLength: 20 }) }),
      fc.constant('read' as const),
      fc.record({ gap: fc.nat({ max: 9 }) }),
    )
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 60 }), async (steps) => {
        const { chunks, taken } = queue()
        const reader = chunks[Symbol.asyncIterator]()
        const reads: Promise<IteratorResult<Seen, undefined>>[] = []
        let cost = 0
        const sent = { 1: '', 2: '' }
        for (const one of steps) {
          if (one === 'read') reads.push(reader.next())
          else if ('gap' in one) {
            chunks.pushValue(`gap ${one.gap}`, one.gap)
            cost += one.gap
          } else {
            const piece = Buffer.from(one.text)
            chunks.push(one.channel, new Uint8Array(piece))
            sent[one.channel as 1 | 2] += piece.toString('latin1')
            cost += piece.length
          }
        }
        chunks.end()
        const got = { 1: '', 2: '' }
        const early = (await Promise.all(reads)).flatMap((result) => (result.done === true ? [] : [result.value]))
        for (const seen of [...early, ...(await all(chunks))]) if (typeof seen !== 'string') got[seen.channel as 1 | 2] += seen.text
        expect(got).toEqual(sent)
        expect(taken.reduce((sum, one) => sum + one, 0)).toBe(cost)
      }),
      { numRuns: 300 },
    )
  })
})
