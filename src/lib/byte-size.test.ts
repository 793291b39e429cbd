import { describe, expect, test } from 'bun:test'
import fc from 'fast-check'
import { formatByteSize, parseByteSize } from './byte-size.ts'

describe('a size is parsed', () => {
  test.each([
    ['1', 1],
    ['512', 512],
    ['512b', 512],
    ['64k', 65_536],
    ['64K', 65_536],
    ['64KB', 65_536],
    ['64KiB', 65_536],
    ['512m', 512 * 1024 ** 2],
    ['512MB', 512 * 1024 ** 2],
    ['1.5g', 1.5 * 1024 ** 3],
    ['2GiB', 2 * 1024 ** 3],
    ['2 GiB', 2 * 1024 ** 3],
    ['1t', 1024 ** 4],
    [' 7m\n', 7 * 1024 ** 2],
    ['0.5k', 512],
    ['1.9', 1],
  ])('%j is %d bytes', (text, bytes) => {
    expect(parseByteSize(text)).toBe(bytes)
  })

  test.each([
    '',
    ' ',
    '0',
    '0.0',
    '0.4',
    '-1',
    '+1',
    '1e9',
    '0x10',
    'm',
    '1.',
    '.5',
    '1,5g',
    '1 2',
    '12mm',
    '1mib5',
    '1p',
    'NaN',
    'Infinity',
  ])('%j is none', (text) => {
    expect(parseByteSize(text)).toBeUndefined()
  })

  test('what is too large to count exactly is none', () => {
    expect(parseByteSize(`${Number.MAX_SAFE_INTEGER}`)).toBeUndefined()
    expect(parseByteSize('8191t')).toBe(8191 * 1024 ** 4)
    expect(parseByteSize('8192t')).toBeUndefined()
    expect(parseByteSize('999999999999999t')).toBeUndefined()
  })

  test('any whole number of any unit is that many bytes', () => {
    const units = fc.constantFrom(['', 0], ['k', 1], ['m', 2], ['g', 3], ['t', 4])
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 8191 }), units, fc.constantFrom('', 'b', 'ib'), (count, [unit, power], tail) => {
        expect(parseByteSize(`${count}${unit}${tail}`.toUpperCase())).toBe(count * 1024 ** Number(power))
      }),
    )
  })

  test('no text makes anything but a positive whole number', () => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.stringMatching(/^[0-9.]{0,20} ?[kmgtibKMGTIB]{0,3}$/)), (text) => {
        const bytes = parseByteSize(text)
        expect(bytes === undefined || (Number.isSafeInteger(bytes) && bytes > 0)).toBe(true)
      }),
    )
  })
})

describe('a size is written', () => {
  test.each([
    [0, '0 B'],
    [1023, '1023 B'],
    [1024, '1 KiB'],
    [1536, '1.5 KiB'],
    [1024 ** 2 - 1, '1 MiB'],
    [1024 ** 2, '1 MiB'],
    [2.25 * 1024 ** 3, '2.3 GiB'],
    [5 * 1024 ** 4, '5 TiB'],
    [4096 * 1024 ** 4, '4096 TiB'],
  ])('%d as %j', (bytes, text) => {
    expect(formatByteSize(bytes)).toBe(text)
  })

  test('so that it reads back as nearly the same size', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 2 ** 52 }), (bytes) => {
        const back = parseByteSize(formatByteSize(bytes)) ?? 0
        // One decimal of at least one whole: at most a twentieth off.
        expect(Math.abs(back - bytes)).toBeLessThanOrEqual(bytes / 20)
      }),
    )
  })

  test('never as a thousand and more of a unit that has a larger one', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 1024 ** 4 }), (bytes) => {
        expect(Number.parseFloat(formatByteSize(bytes))).toBeLessThan(1024)
      }),
    )
  })
})
