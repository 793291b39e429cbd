import { describe, expect, test } from 'bun:test'
import fc from 'fast-check'
import { type TextPiece, TextPieces } from './text-pieces.ts'

function piecesOf(chunks: readonly Uint8Array[]): TextPiece[] {
  const pieces = new TextPieces()
  return [...chunks.map((chunk) => pieces.push(chunk)), pieces.end()].filter((piece) => piece !== undefined)
}
const bytesOf = (pieces: readonly TextPiece[]): Buffer =>
  Buffer.concat(pieces.map(({ text, encoding }) => Buffer.from(text, encoding ?? 'utf8')))

/** `bytes` cut at these places. */
const cut = (bytes: Uint8Array, at: readonly number[]): Uint8Array[] => {
  const places = [0, ...at.map((place) => place % (bytes.length + 1)).toSorted((a, b) => a - b), bytes.length]
  return places.slice(1).map((end, index) => bytes.subarray(places[index], end))
}

describe('a stream of bytes in pieces of text', () => {
  test('keeps a character whole that two chunks share', () => {
    const [first, second] = [Buffer.from('a€').subarray(0, 2), Buffer.from('a€').subarray(2)]
    expect(piecesOf([first, second])).toEqual([{ text: 'a' }, { text: '€' }])
  })

  test('gives bytes that are no text as base64, and a character without its end too', () => {
    expect(piecesOf([Buffer.from([0xff, 0xfe])])).toEqual([{ text: '//4=', encoding: 'base64' }])
    expect(piecesOf([Buffer.from([0x61, 0xe2, 0x82])])).toEqual([{ text: 'a' }, { text: '4oI=', encoding: 'base64' }])
  })

  test('does not change with the memory that a chunk was in', () => {
    const pieces = new TextPieces()
    const chunk = Buffer.from([0x61, 0xe2, 0x82])
    expect(pieces.push(chunk)).toEqual({ text: 'a' })
    chunk.fill(0)
    expect(pieces.push(Buffer.from([0xac]))).toEqual({ text: '€' })
  })

  test('is text throughout when the bytes are, wherever they are cut', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme' }), fc.array(fc.nat()), (text, at) => {
        const pieces = piecesOf(cut(Buffer.from(text), at))
        expect(pieces.every(({ encoding }) => encoding === undefined)).toBe(true)
        expect(pieces.map((piece) => piece.text).join('')).toBe(text)
      }),
    )
  })

  test('loses no byte, whatever they are', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), fc.array(fc.nat(), { maxLength: 8 }), (bytes, at) => {
        expect(bytesOf(piecesOf(cut(bytes, at)))).toEqual(Buffer.from(bytes))
      }),
    )
  })
})
