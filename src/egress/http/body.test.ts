import { expect, test } from 'bun:test'
import fc from 'fast-check'
import { bodyOf, chunkSize, gather, wholeBody, writeMessage } from './body.ts'
import { ByteReader, CutOff, TooLarge } from './byte-reader.ts'
import { BadMessage, type Framing } from './head.ts'

/** A reader of these bytes, cut where the numbers say. */
function readerOf(bytes: Uint8Array, cuts: readonly number[]): ByteReader {
  const edges = [...new Set([0, ...cuts.map((cut) => cut % (bytes.length + 1)), bytes.length])].toSorted((a, b) => a - b)
  const pieces = edges.slice(1).map((edge, index) => bytes.subarray(edges[index], edge))
  return new ByteReader({ read: async () => pieces.shift() })
}

async function contentOf(bytes: Uint8Array, framing: Framing, cuts: readonly number[] = []): Promise<Buffer> {
  const body = bodyOf(readerOf(bytes, cuts), framing, 400, () => undefined)
  return Buffer.from((await gather(body!.content)).whole!)
}

const anyCuts = fc.array(fc.nat(), { maxLength: 8 })

test('content comes out as it went in, in every framing and wherever it is cut', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.uint8Array({ maxLength: 300 }),
      anyCuts,
      fc.constantFrom('length', 'chunked', 'close'),
      async (content, cuts, kind) => {
        const framing: Framing = kind === 'length' ? { kind, bytes: content.length } : { kind }
        const sent: Uint8Array[] = []
        const pieces = readerOf(content, cuts)
        const body = { bytes: undefined, content: bodyOf(pieces, { kind: 'close' }, 400, () => undefined)!.content }
        await writeMessage(Buffer.alloc(0), body, framing, async (bytes) => sent.push(bytes) > 0)
        expect(await contentOf(Buffer.concat(sent), framing, cuts)).toEqual(Buffer.from(content))
      },
    ),
  )
})

test('anything else is refused in words, never with another error', async () => {
  await fc.assert(
    fc.asyncProperty(fc.string({ unit: fc.constantFrom(...'0123aF;= \r\n\tx'), maxLength: 60 }), anyCuts, async (text, cuts) => {
      try {
        await contentOf(Buffer.from(text), { kind: 'chunked' }, cuts)
      } catch (error) {
        expect(error instanceof BadMessage || error instanceof CutOff).toBe(true)
      }
    }),
  )
})

test.each(['', ' 5', '5 ', '0x5', '-5', '5g', '5;\x01', '1'.repeat(13)])('a chunk size %j is refused', (line) => {
  expect(() => chunkSize(line, 400)).toThrow(BadMessage)
})

test('extensions are bounded and dropped, trailers too', async () => {
  const text = '5;name="value"\r\nhello\r\n0\r\nX-Trailer: 1\r\n\r\n'
  expect((await contentOf(Buffer.from(text), { kind: 'chunked' })).toString()).toBe('hello')
  const long = `5;${'x'.repeat(2_000)}\r\nhello\r\n0\r\n\r\n`
  await expect(contentOf(Buffer.from(long), { kind: 'chunked' })).rejects.toThrow(BadMessage)
  const trailers = `0\r\n${'X: 1\r\n'.repeat(3_000)}\r\n`
  await expect(contentOf(Buffer.from(trailers), { kind: 'chunked' })).rejects.toThrow(BadMessage)
})

test.each(['5\nhello\n0\n\n', '5\r\nhelloX\r\n0\r\n\r\n', '4\r\nhello\r\n0\r\n\r\n'])('chunks like %j are refused', async (text) => {
  await expect(contentOf(Buffer.from(text), { kind: 'chunked' })).rejects.toThrow()
})

test('a body that is cut off is not mistaken for a whole one', async () => {
  await expect(contentOf(Buffer.from('hel'), { kind: 'length', bytes: 5 })).rejects.toThrow(CutOff)
  await expect(contentOf(Buffer.from('5\r\nhello\r\n'), { kind: 'chunked' })).rejects.toThrow(CutOff)
})

test('a head is found wherever it is cut, and one that is too large is not waited for', async () => {
  const text = 'GET / HTTP/1.1\r\nHost: a\r\n\r\nrest'
  await fc.assert(
    fc.asyncProperty(anyCuts, async (cuts) => {
      const reader = readerOf(Buffer.from(text), cuts)
      expect(await reader.head(100)).toBe('GET / HTTP/1.1\r\nHost: a')
      expect(Buffer.from((await reader.some(1))!).toString()).toBe('r')
    }),
  )
  await expect(readerOf(Buffer.alloc(500, 97), [100, 200]).head(300)).rejects.toThrow(TooLarge)
  expect(await readerOf(Buffer.alloc(0), []).head(10)).toBeUndefined()
})

test('a small body goes out with its head', async () => {
  const sent: Uint8Array[] = []
  await writeMessage(Buffer.from('H'), wholeBody(Buffer.from('body')), { kind: 'length', bytes: 4 }, async (bytes) => sent.push(bytes) > 0)
  expect(sent.map((bytes) => Buffer.from(bytes).toString())).toEqual(['Hbody'])
})
