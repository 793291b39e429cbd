import { describe, expect, test } from 'bun:test'
import { AppError, type ErrorCode, ERRORS } from '../contract/errors.ts'
import { failureOf, successBody } from './envelope.ts'

describe('an answer that succeeds', () => {
  test('has its data, and warnings in it where it is an object', () => {
    expect(successBody({ data: 'ok' }, [])).toEqual({ success: true, data: 'ok' })
    expect(successBody({ data: { a: 1 } }, ['w'])).toEqual({ success: true, data: { a: 1, warnings: ['w'] } })
    expect(successBody({ data: { warnings: ['own'] } }, ['w'])).toEqual({ success: true, data: { warnings: ['own', 'w'] } })
  })

  test.each(['text', [1], null, 7])('has warnings beside its data when that is %j', (data) => {
    expect(successBody({ data }, ['w'])).toEqual({ success: true, data, warnings: ['w'] })
  })

  test('may have more beside its data', () => {
    expect(successBody({ data: 'x', beside: { sandbox: 1 } }, [])).toEqual({ success: true, data: 'x', sandbox: 1 })
  })
})

describe('an answer that fails', () => {
  test.each(Object.keys(ERRORS) as ErrorCode[])('with %s has its status, its code and its fix', (code) => {
    const { status, body, bug } = failureOf(new AppError(code, 'what happened'))
    expect(status).toBe(ERRORS[code].http)
    expect(body).toMatchObject({ success: false, code, fix: ERRORS[code].fix })
    expect(bug).toBe(code === 'internal')
  })

  test('keeps the words that clients of the earlier product compare', () => {
    expect(failureOf(new AppError('sandbox_not_found', 'no "a"')).body).toMatchObject({ error: 'Sandbox not found', detail: 'no "a"' })
    expect(failureOf(new AppError('route_not_found', 'GET /x')).body).toMatchObject({ error: 'Not found' })
    expect(failureOf(new AppError('policy_denied', 'curl is blocked')).body['error']).toBe('Policy denied: curl is blocked')
    expect(failureOf(new AppError('policy_denied', 'Policy denied: x')).body['error']).toBe('Policy denied: x')
  })

  test('that we did not expect says nothing of what went wrong inside', () => {
    for (const error of [new Error('secret'), new TypeError('secret'), 'secret', undefined]) {
      const { status, body, bug } = failureOf(error)
      expect([status, body['code'], bug]).toEqual([500, 'internal', true])
      expect(JSON.stringify(body)).not.toContain('secret')
    }
  })

  test('names the scheme of the key, and when to come back', () => {
    expect(failureOf(new AppError('unauthorized', 'x')).headers).toEqual({ 'www-authenticate': 'Bearer' })
    expect(failureOf(new AppError('shutting_down', 'x')).headers).toEqual({ 'retry-after': '1' })
    expect(failureOf(new AppError('too_many_requests', 'x')).headers).toEqual({ 'retry-after': '1' })
    expect(failureOf(new AppError('busy', 'x')).headers).toEqual({})
  })
})
