import { describe, expect, test } from 'bun:test'
import fc from 'fast-check'
import { exactly, rangeOf } from './range.ts'

describe('a range of a file of 100 bytes', () => {
  test.each([
    ['bytes=0-9', { offset: 0, length: 10 }],
    ['bytes=0-0', { offset: 0, length: 1 }],
    ['bytes=90-', { offset: 90, length: 10 }],
    ['bytes=90-500', { offset: 90, length: 10 }],
    ['bytes=-10', { offset: 90, length: 10 }],
    ['bytes=-500', { offset: 0, length: 100 }],
    ['Bytes= 5 - 6', { offset: 5, length: 2 }],
  ])('%s', (header, range) => {
    expect(rangeOf(header, 100)).toEqual(range)
  })

  test.each(['bytes=100-', 'bytes=100-200', 'bytes=-0'])('%s holds nothing of it', (header) => {
    expect(rangeOf(header, 100)).toBe('unsatisfiable')
  })

  test.each([null, '', 'bytes=', 'bytes=-', 'bytes=9-5', 'bytes=a-b', 'lines=0-9', 'bytes=0-9,20-29', 'bytes=0-9;', 'bytes=1e3-'])(
    '%j is none, so that all of it is sent',
    (header) => {
      expect(rangeOf(header, 100)).toBeUndefined()
    },
  )

  test('of a file without bytes is never satisfied', () => {
    for (const header of ['bytes=0-', 'bytes=0-0', 'bytes=-5']) expect(rangeOf(header, 0)).toBe('unsatisfiable')
  })

  test('lies within the file, whatever was asked for', () => {
    fc.assert(
      fc.property(fc.tuple(fc.nat(), fc.nat()), fc.nat(), fc.constantFrom('both', 'first', 'last'), ([a, b], size, kind) => {
        const header = kind === 'both' ? `bytes=${a}-${b}` : kind === 'first' ? `bytes=${a}-` : `bytes=-${b}`
        const range = rangeOf(header, size)
        if (typeof range !== 'object') return
        expect(range.length).toBeGreaterThan(0)
        expect(range.offset).toBeGreaterThanOrEqual(0)
        expect(range.offset + range.length).toBeLessThanOrEqual(size)
      }),
    )
  })
})

describe('exactly so many bytes', () => {
  async function* pieces(...sizes: number[]): AsyncGenerator<Uint8Array> {
    for (const size of sizes) yield new Uint8Array(size)
  }
  const count = async (source: AsyncIterable<Uint8Array>, length: number): Promise<number> => {
    let size = 0
    for await (const chunk of exactly(source, length)) size += chunk.length
    return size
  }

  test('come of a file that has grown, and a file that has shrunk fails', async () => {
    expect(await count(pieces(4, 4), 8)).toBe(8)
    expect(await count(pieces(4, 4), 6)).toBe(6)
    expect(await count(pieces(), 0)).toBe(0)
    expect(await count(pieces(4), 0)).toBe(0)
    await expect(count(pieces(4, 4), 9)).rejects.toThrow(/1 bytes early/)
  })

  test('end the source, also when nothing of it is wanted', async () => {
    let ended = 0
    async function* source(): AsyncGenerator<Uint8Array> {
      try {
        for (;;) yield new Uint8Array(4)
      } finally {
        ended += 1
      }
    }
    await count(source(), 0)
    await count(source(), 6)
    expect(ended).toBe(2)
  })
})
