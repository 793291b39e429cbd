import { describe, expect, test } from 'bun:test'
import fc from 'fast-check'
import { StreamError } from './errors.ts'
import { parseEventStream, type SseEvent } from './sse.ts'

async function* chunksOf(bytes: Uint8Array, sizes: readonly number[]): AsyncGenerator<Uint8Array, void, void> {
  let from = 0
  for (let at = 0; from < bytes.length; at += 1) {
    const size = sizes[at % sizes.length] ?? bytes.length
    yield bytes.subarray(from, from + size)
    from += size
  }
}

async function parse(text: string | Uint8Array, sizes: readonly number[] = [], maxChars?: number): Promise<SseEvent[]> {
  const bytes = typeof text === 'string' ? new TextEncoder().encode(text) : text
  return Array.fromAsync(parseEventStream(chunksOf(bytes, sizes), maxChars))
}

describe('a stream of events', () => {
  test('gives name, data and id of each', async () => {
    expect(await parse('event: output\nid: 7\ndata: {"a":1}\n\ndata: second\n\n')).toEqual([
      { event: 'output', data: '{"a":1}', id: '7' },
      { event: 'message', data: 'second', id: '7' },
    ])
  })

  test('may end its lines in LF, CR or CR LF', async () => {
    const expected = [{ event: 'a', data: 'x\ny', id: '' }]
    for (const end of ['\n', '\r', '\r\n']) {
      for (const size of [1, 2, 3, 100]) expect(await parse(['event:a', 'data:x', 'data:y', '', ''].join(end), [size])).toEqual(expected)
    }
  })

  test('may hold comments, unknown fields, lines without a colon and a byte order mark', async () => {
    expect(await parse('\uFEFF: hello\n\nfoo: bar\ndata\ndata:  two spaces\n\n:ping\n\n')).toEqual([
      { event: 'message', data: '\n two spaces', id: '' },
    ])
  })

  test('says how long to wait before the next connection', async () => {
    expect(await parse('retry: 1500\ndata: a\n\nretry: soon\ndata: b\n\n')).toEqual([
      { event: 'message', data: 'a', id: '', retry: 1500 },
      { event: 'message', data: 'b', id: '' },
    ])
  })

  test('names no id with a NUL in it, and an empty one takes the id back', async () => {
    expect((await parse('id: 1\ndata: a\n\nid: 2\0\ndata: b\n\nid\ndata: c\n\n')).map(({ id }) => id)).toEqual(['1', '1', ''])
  })

  test('that breaks off in an event does not give that event', async () => {
    expect(await parse('data: whole\n\ndata: half\n')).toHaveLength(1)
  })

  test('without line ends, or with too long an event, fails instead of filling the memory', async () => {
    await expect(parse('data: '.padEnd(2000, 'x'), [100], 1000)).rejects.toBeInstanceOf(StreamError)
    await expect(parse('data: 12345678\n'.repeat(200), [100], 1000)).rejects.toBeInstanceOf(StreamError)
  })

  test('means the same however it is cut into chunks', async () => {
    const line = fc.oneof(
      fc.constantFrom('', 'data', 'data:', 'event: output', 'id: 3', ': comment', 'retry: 10'),
      fc.string({ unit: 'binary', maxLength: 12 }).map((text) => `data: ${text.replace(/[\r\n]/g, '')}`),
    )
    const text = fc.array(
      fc.tuple(line, fc.constantFrom('\n', '\r', '\r\n')).map((pair) => pair.join('')),
      { maxLength: 20 },
    )
    const sizes = fc.array(fc.integer({ min: 1, max: 5 }), { minLength: 1, maxLength: 5 })
    await fc.assert(
      fc.asyncProperty(text, sizes, async (lines, cuts) => {
        expect(await parse(lines.join(''), cuts)).toEqual(await parse(lines.join('')))
      }),
      { numRuns: 300 },
    )
  })

  test('of any bytes ends without another failure than a stream error', async () => {
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ maxLength: 200 }), async (bytes) => {
        for (const event of await parse(bytes, [7])) expect(typeof event.data).toBe('string')
      }),
      { numRuns: 300 },
    )
  })
})
