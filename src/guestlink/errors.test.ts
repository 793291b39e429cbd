import { describe, expect, test } from 'bun:test'
import fc from 'fast-check'
import { isAppError } from '../contract/errors.ts'
import { GUEST_ERROR_CODES } from '../contract/guest-protocol.ts'
import { breach, guestError, refusal } from './errors.ts'

describe('a failure in a sandbox', () => {
  test.each(GUEST_ERROR_CODES.map((code) => [code]))('%s is one of ours, with what was said', (code) => {
    for (const family of ['exec', 'file'] as const) {
      const error = guestError({ code, message: 'why' }, family)
      expect(isAppError(error)).toBe(true)
      expect(error.message).toStartWith('why')
      expect(error.code).not.toBe('internal')
    }
  })

  test.each([
    ['not_found', 'file', 'file_not_found'],
    ['not_found', 'exec', 'exec_not_found'],
    ['denied', 'file', 'file_access'],
    ['exists', 'file', 'file_exists'],
    ['exists', 'exec', 'already_exists'],
    ['no_space', 'file', 'disk_full'],
    ['agent_lost', 'exec', 'sandbox_lost'],
    ['command_not_found', 'exec', 'command_not_found'],
    ['refused', 'file', 'not_found'],
  ] as const)('%s of an operation on a %s is %s', (code, family, expected) => {
    expect(guestError({ code, message: '' }, family).code).toBe(expected)
  })

  test('names the number of the system where nothing else says what it was', () => {
    expect(guestError({ code: 'io', message: 'input/output error', errno: 5 }, 'file').message).toBe('input/output error (errno 5)')
    expect(guestError({ code: 'io', message: 'x', errno: 1.5 }, 'file').message).toBe('x')
    expect(guestError({ code: 'no_space', message: 'x', errno: 28 }, 'file').message).toBe('x')
  })

  test('without words is named by its code', () => {
    expect(guestError({ code: 'not_empty' }, 'file').message).toBe('not empty')
    expect(guestError({ code: 'never heard of' }, 'file').message).toBe('io')
  })

  test('is short and one line whatever it says', () => {
    fc.assert(
      fc.property(
        fc.dictionary(fc.constantFrom('code', 'message', 'errno'), fc.anything()),
        fc.string({ unit: 'binary' }),
        (body, text) => {
          for (const error of [guestError(body, 'exec'), guestError({ code: 'io', message: text }, 'file'), refusal(body), breach(text)]) {
            expect(error.message.length).toBeLessThan(1_100)
            expect(error.message).not.toMatch(/[\x00-\x1f\x7f-\x9f\u2028\u2029]/)
          }
        },
      ),
    )
    expect(guestError({ code: 'io', message: 'x'.repeat(60_000) }, 'file').message).toHaveLength(1_000)
  })

  test('that ends a connection means that the sandbox is lost, whatever it calls itself', () => {
    for (const code of GUEST_ERROR_CODES) expect(refusal({ code, message: 'm' }).code).toBe('sandbox_lost')
  })
})
