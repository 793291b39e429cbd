import { describe, expect, test } from 'bun:test'
import { bodyOf, type ByteSource, piecesOf, readableBytes, streamOf } from './bytes.ts'

const text = async (source: ByteSource): Promise<string> => {
  const decoder = new TextDecoder()
  let whole = ''
  for await (const piece of piecesOf(source)) whole += decoder.decode(piece, { stream: true })
  return whole
}

describe('a source of bytes', () => {
  test('may be text, bytes, a blob, a stream or anything that yields them', async () => {
    const bytes = new TextEncoder().encode('hé')
    async function* generator(): AsyncGenerator<Uint8Array | string> {
      yield bytes
      yield '!'
    }
    const sources: ByteSource[] = ['hé!', bytes, bytes.buffer, new Blob(['hé!']), new Response('hé!').body!, generator(), [bytes]]
    expect(await Promise.all(sources.map(text))).toEqual(['hé!', 'hé', 'hé', 'hé!', 'hé!', 'hé!', 'hé'])
  })

  test('is sent as a stream only when it is not at hand as a whole', async () => {
    expect(bodyOf('a')).toEqual({ body: 'a', streams: false })
    expect(bodyOf(new Uint8Array([1])).streams).toBe(false)
    const { body, streams } = bodyOf([new Uint8Array([104, 105])])
    expect(streams).toBe(true)
    expect(await new Response(body as ReadableStream).text()).toBe('hi')
  })

  test('is asked for a piece only when one is wanted', async () => {
    let made = 0
    async function* endless(): AsyncGenerator<Uint8Array, void, void> {
      for (;;) yield new Uint8Array([(made += 1)])
    }
    const reader = streamOf(endless()).getReader()
    expect(made).toBe(0)
    await reader.read()
    await reader.read()
    expect(made).toBe(2)
    await reader.cancel()
  })

  test('is closed when its reader leaves', async () => {
    let closed = false
    async function* endless(): AsyncGenerator<Uint8Array, void, void> {
      try {
        for (;;) yield new Uint8Array([1])
      } finally {
        closed = true
      }
    }
    for await (const _ of readableBytes(streamOf(endless()))) break
    expect(closed).toBe(true)
  })

  test('that fails, fails its reader', async () => {
    async function* failing(): AsyncGenerator<Uint8Array, void, void> {
      yield new Uint8Array([1])
      throw new RangeError('disk on fire')
    }
    await expect(Array.fromAsync(readableBytes(streamOf(failing())))).rejects.toThrow('disk on fire')
  })
})
