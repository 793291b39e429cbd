import { describe, expect, test } from 'bun:test'
import fc from 'fast-check'
import { isRefName, MOST_COMMAND_BYTES, parsePush } from './push-commands.ts'

const OLD = 'a'.repeat(40)
const NEW = 'b'.repeat(40)
const pkt = (text: string): string => (Buffer.byteLength(text) + 4).toString(16).padStart(4, '0') + text
const parse = (text: string) => parsePush(Buffer.from(text))

describe('the beginning of a push', () => {
  test('is read with its capabilities, and where the pack begins', () => {
    const text = `${pkt(`${OLD} ${NEW} refs/heads/x\0 report-status agent=git/2`)}${pkt(`${NEW} ${OLD.toUpperCase()} refs/tags/y\n`)}0000`
    const parsed = parse(`${text}PACK`)
    if (parsed.kind !== 'head') throw new Error(parsed.kind)
    expect(parsed.head.commands).toEqual([
      { old: OLD, new: NEW, ref: 'refs/heads/x' },
      { old: NEW, new: OLD, ref: 'refs/tags/y' },
    ])
    expect([...parsed.head.capabilities]).toEqual(['report-status', 'agent=git/2'])
    expect(parsed.head.bytes).toBe(text.length)
  })

  test('may say that the copy is shallow, and may be empty', () => {
    expect(parse(`${pkt(`shallow ${OLD}`)}${pkt(`${OLD} ${NEW} refs/heads/x`)}0000`).kind).toBe('head')
    expect(parse('0000')).toMatchObject({ kind: 'head', head: { commands: [], bytes: 4 } })
  })

  test.each([
    ['a length that is none', 'zzzz'],
    [
      'a delimiter, which git takes for the end',
      `${pkt(`${OLD} ${NEW} refs/heads/agent/x`)}0001${pkt(`${OLD} ${NEW} refs/heads/main`)}0000`,
    ],
    ['an empty line', '0004'],
    ['capabilities in a later line', `${pkt(`${OLD} ${NEW} refs/a/b`)}${pkt(`${OLD} ${NEW} refs/a/c\0push-options`)}0000`],
    ['capabilities with a shallow line', `${pkt(`shallow ${OLD}\0push-options`)}0000`],
    ['a second NUL', `${pkt(`${OLD} ${NEW} refs/a/b\0x\0y`)}0000`],
    ['a signed push', `${pkt('push-cert\0report-status')}0000`],
    ['a line feed in a ref', `${pkt(`${OLD} ${NEW} refs/heads/agent/x\ny`)}0000`],
    ['a ref that climbs', `${pkt(`${OLD} ${NEW} refs/heads/agent/../main`)}0000`],
    ['a ref outside of refs/', `${pkt(`${OLD} ${NEW} HEAD`)}0000`],
    ['a short id', `${pkt(`${OLD.slice(1)} ${NEW} refs/a/b`)}0000`],
    ['ids of two kinds', `${pkt(`${OLD} ${NEW.padEnd(64, '0')} refs/a/b`)}0000`],
  ])('with %s is refused', (_, text) => {
    expect(parse(text).kind).toBe('bad')
  })

  test('with a ref that is no UTF-8 is refused', () => {
    const line = Buffer.concat([Buffer.from(`${OLD} ${NEW} refs/heads/`), Buffer.from([0xff])])
    expect(parsePush(Buffer.concat([Buffer.from((line.length + 4).toString(16).padStart(4, '0')), line, Buffer.from('0000')])).kind).toBe(
      'bad',
    )
  })

  test('that is too long is refused, finished or not', () => {
    const line = pkt(`${OLD} ${NEW} refs/heads/${'x'.repeat(800)}`)
    const lines = line.repeat(Math.ceil(MOST_COMMAND_BYTES / line.length) + 1)
    expect(parse(lines).kind).toBe('bad')
    expect(parse(`${lines}0000`).kind).toBe('bad')
  })

  test('is read alike however much of it is there', () => {
    const whole = Buffer.from(`${pkt(`${OLD} ${NEW} refs/heads/x\0report-status`)}${pkt(`${NEW} ${OLD} refs/heads/y`)}0000`)
    for (let at = 0; at < whole.length; at++) expect(parsePush(whole.subarray(0, at)).kind).toBe('more')
    expect(parsePush(whole).kind).toBe('head')
  })

  test('never throws, and never finds a ref that is none', () => {
    const hostile = fc.array(
      fc.oneof(
        fc.string({ maxLength: 20 }),
        fc.constantFrom('0000', '0001', '0004', '\0', '\n', OLD, NEW, ' ', 'refs/heads/agent/x', 'shallow ', 'push-cert'),
        fc.tuple(fc.constantFrom(OLD, NEW), fc.string({ maxLength: 30 })).map(([id, ref]) => pkt(`${id} ${id} refs/${ref}`)),
      ),
      { maxLength: 12 },
    )
    fc.assert(
      fc.property(hostile, (parts) => {
        const parsed = parse(parts.join(''))
        if (parsed.kind === 'head') for (const { ref } of parsed.head.commands) expect(isRefName(ref)).toBe(true)
      }),
      { numRuns: 2_000 },
    )
    fc.assert(fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => void parsePush(bytes)))
  })
})
