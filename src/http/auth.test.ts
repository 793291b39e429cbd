import { describe, expect, test } from 'bun:test'
import { inspect } from 'node:util'
import fc from 'fast-check'
import { isAppError } from '../contract/errors.ts'
import { ApiKeys, requireKey } from './auth.ts'

const KEY = 'sk-one-2f8d'
const keys = new ApiKeys([KEY, 'sk-two'])

/** The words of the refusal; undefined = let in. */
function refusal(headers: Record<string, string>): string | undefined {
  try {
    requireKey(new Headers(headers), keys)
    return undefined
  } catch (error) {
    if (!isAppError(error, 'unauthorized')) throw error
    return error.message
  }
}
const protocolKey = (key: string): string => `agentkernel.bearer.${Buffer.from(key).toString('base64url')}`

describe('a request', () => {
  test.each([{ authorization: `Bearer ${KEY}` }, { authorization: 'bearer sk-two' }, { authorization: `BEARER  ${KEY} ` }])(
    'with %j is let in',
    (headers) => {
      expect(refusal(headers)).toBeUndefined()
    },
  )

  test('without a key is told what is missing', () => {
    expect(refusal({})).toBe('Missing Authorization header')
    expect(refusal({ 'x-api-key': KEY })).toBe('Missing Authorization header')
  })

  test.each([KEY, `Basic ${btoa(`x:${KEY}`)}`, 'Bearer', 'Bearer ', `Bearer ${KEY} x`, `Token ${KEY}`])(
    'with the header %j is told its form',
    (authorization) => {
      expect(refusal({ authorization })).toBe('Invalid authorization format. Use: Bearer <api_key>')
    },
  )

  test.each(['x', KEY.slice(0, -1), `${KEY}x`, KEY.toUpperCase(), 'sk-one-2f8d,sk-two'])(
    'with the key %j is told that it is wrong',
    (key) => {
      expect(refusal({ authorization: `Bearer ${key}` })).toBe('Invalid API key')
    },
  )

  test('may carry the key as an offered protocol, unless it has the header', () => {
    expect(refusal({ 'sec-websocket-protocol': `agentkernel.v1, ${protocolKey(KEY)}` })).toBeUndefined()
    expect(refusal({ 'sec-websocket-protocol': `agentkernel.v1, ${protocolKey('wrong')}` })).toBe('Invalid API key')
    expect(refusal({ 'sec-websocket-protocol': protocolKey(KEY), authorization: 'Bearer wrong' })).toBe('Invalid API key')
  })
})

describe('keys', () => {
  test('accept themselves and nothing else', () => {
    fc.assert(
      fc.property(fc.array(fc.string({ minLength: 1 }), { maxLength: 4 }), fc.string(), (known, key) => {
        expect(new ApiKeys(known).accepts(key)).toBe(known.includes(key))
      }),
    )
  })

  test('that are empty are none', () => {
    expect(new ApiKeys([]).none).toBe(true)
    expect(new ApiKeys(['']).none).toBe(true)
    expect(new ApiKeys(['']).accepts('')).toBe(false)
    expect(keys.none).toBe(false)
  })

  test('are shown by nothing that prints them', () => {
    const shown = `${inspect(keys, { depth: 9, showHidden: true })} ${JSON.stringify(keys)} ${Bun.inspect(keys)}`
    expect(shown).not.toContain(KEY)
  })
})
