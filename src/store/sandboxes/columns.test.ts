import { describe, expect, test } from 'bun:test'
import fc from 'fast-check'
import { isAppError } from '../../contract/errors.ts'
import { decode, encode, EVENT, REPLY, SANDBOX } from './columns.ts'
import type { KeptReply } from './store.ts'

const REPLY_ROW = { requestHash: 'aa', status: 200, body: null, createdAt: 'now' }

describe('columns', () => {
  test('hold only the fields that were given, in the order of the table', () => {
    expect(Object.entries(encode(SANDBOX, { description: null, name: 'web', labels: { a: '1' } }))).toEqual([
      ['name', 'web'],
      ['labels', '{"a":"1"}'],
      ['description', null],
    ])
    expect(encode(SANDBOX, {})).toEqual({})
  })

  test('that the table does not have are neither written nor read', () => {
    const odd = { ...REPLY_ROW, 'key = 1; --': 'x' }
    expect(encode<KeptReply>(REPLY, odd)).toEqual(REPLY_ROW)
    expect(decode(REPLY, odd)).toEqual(REPLY_ROW)
  })

  test.each([
    ['a missing column', { requestHash: undefined }],
    ['NULL where a text must be', { requestHash: null }],
    ['a number where a text must be', { requestHash: 7 }],
    ['bytes where a text must be', { requestHash: new Uint8Array(2) }],
    ['a text where a number must be', { status: '200' }],
    ['a fraction where a whole number must be', { status: 200.5 }],
  ])('with %s are a damaged record', (_, change) => {
    expect(() => decode(REPLY, { ...REPLY_ROW, ...change })).toThrow('of a record cannot be read')
  })

  test.each(['', '{', '[]', 'null', '7', '"x"', '{"a":}'])('with %j where an object must be are a damaged record', (labels) => {
    const row = { seq: 1, event: 'e', timestamp: 't', sandbox: 's', labels, metadata: '{}' }
    expect(() => decode(EVENT, row)).toThrow('the "labels" of a record cannot be read')
  })

  test('with a state that does not exist are a damaged record', () => {
    const row = {
      ...Object.fromEntries(Object.keys(SANDBOX).map((column) => [column, 'x'])),
      labels: '{}',
      ports: '[]',
      environment: '{}',
      lifecycle: null,
    }
    expect(decode(SANDBOX, { ...row, state: 'running' })).toMatchObject({ state: 'running', ports: [] })
    expect(() => decode(SANDBOX, { ...row, state: 'sleeping' })).toThrow('the "state" of a record cannot be read')
    expect(() => decode(SANDBOX, { ...row, state: 'running', ports: '{}' })).toThrow('the "ports" of a record cannot be read')
  })

  test('with anything else in them are read or refused, never worse', () => {
    const cell = fc.oneof(fc.constant(null), fc.string(), fc.integer(), fc.double(), fc.uint8Array({ maxLength: 3 }), fc.json())
    fc.assert(
      fc.property(fc.record({ seq: cell, event: cell, timestamp: cell, sandbox: cell, labels: cell, metadata: cell }), (row) => {
        try {
          const { labels, metadata, seq } = decode(EVENT, row)
          expect([typeof labels, typeof metadata, typeof seq]).toEqual(['object', 'object', 'number'])
        } catch (error) {
          expect(isAppError(error, 'store_failed')).toBe(true)
        }
      }),
    )
  })
})
