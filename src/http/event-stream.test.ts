import { describe, expect, test } from 'bun:test'
import fc from 'fast-check'
import { bodyOf } from './byte-stream.ts'
import { eventStream, type ServerEvent } from './event-stream.ts'

const text = (bytes: Uint8Array | undefined): string => Buffer.from(bytes ?? []).toString()

async function* source(...events: ServerEvent[]): AsyncGenerator<ServerEvent> {
  yield* events
}

describe('a stream of events', () => {
  test('begins at once, has a name, an id and its data on one line, and ends with its source', async () => {
    let ends = 0
    const events = source({ event: 'a', data: { x: 'two\nlines' } }, { event: 'b', data: 'é', id: 7 })
    const body = await new Response(eventStream(events, 10_000, () => (ends += 1))).text()
    expect(body).toBe(': \n\nevent: a\ndata: {"x":"two\\nlines"}\n\nid: 7\nevent: b\ndata: "é"\n\n')
    expect(ends).toBe(1)
  })

  test('is never broken by what its data hold', async () => {
    await fc.assert(
      fc.asyncProperty(fc.jsonValue(), async (data) => {
        const body = await new Response(eventStream(source({ event: 'x', data }), 10_000, () => undefined)).text()
        const lines = body.split(/\r\n|[\r\n]/)
        expect(lines).toHaveLength(6)
        expect(JSON.parse(lines[3]!.slice('data: '.length))).toEqual(JSON.parse(JSON.stringify(data)))
      }),
    )
  })

  test('says that it lives while nothing happens, and loses nothing by it', async () => {
    const later = Promise.withResolvers<void>()
    async function* slow(): AsyncGenerator<ServerEvent> {
      await later.promise
      yield { event: 'late', data: 1 }
    }
    const reader = eventStream(slow(), 1, () => undefined).getReader()
    for (let times = 0; times < 3; times++) expect(text((await reader.read()).value)).toBe(': \n\n')
    later.resolve()
    let piece = ': \n\n'
    while (piece === ': \n\n') piece = text((await reader.read()).value)
    expect(piece).toBe('event: late\ndata: 1\n\n')
    expect((await reader.read()).done).toBe(true)
  })

  test('asks its source for nothing that nobody has room for, and tells it when the reader leaves', async () => {
    const left = Promise.withResolvers<void>()
    let asked = 0
    async function* endless(): AsyncGenerator<ServerEvent> {
      try {
        for (;;) yield { event: 'x', data: ++asked }
      } finally {
        left.resolve()
      }
    }
    let ends = 0
    const reader = eventStream(endless(), 10_000, () => (ends += 1)).getReader()
    for (let times = 0; times < 3; times++) await reader.read()
    expect(asked).toBe(2)
    await reader.cancel()
    await left.promise
    expect(ends).toBe(1)
  })
})

describe('a stream of bytes', () => {
  test('passes chunks on as they are, and ends once', async () => {
    const chunk = new Uint8Array([1, 2, 3])
    const ends: unknown[] = []
    async function* one(): AsyncGenerator<Uint8Array> {
      yield chunk
    }
    const reader = bodyOf(one(), (error) => void ends.push(error)).getReader()
    expect((await reader.read()).value).toBe(chunk)
    expect((await reader.read()).done).toBe(true)
    expect(ends).toEqual([undefined])
  })

  test('that fails in the middle fails for its reader too', async () => {
    const ends: unknown[] = []
    const failure = new Error('broken')
    async function* broken(): AsyncGenerator<Uint8Array> {
      yield new Uint8Array(1)
      throw failure
    }
    const reader = bodyOf(broken(), (error) => void ends.push(error)).getReader()
    await reader.read()
    await expect(reader.read()).rejects.toBe(failure)
    expect(ends).toEqual([failure])
  })
})
