import { describe, expect, test } from 'bun:test'
import {
  AgentKernelError,
  AuthError,
  CommandFailedError,
  errorFromMessage,
  errorFromResponse,
  NetworkError,
  NotAvailableError,
  NotFoundError,
  ServerError,
  StreamError,
  TimeoutError,
  ValidationError,
} from './errors.ts'

describe('an answer that is an error', () => {
  test('becomes the class of its status', () => {
    const classes: [number, new (...args: never[]) => AgentKernelError][] = [
      [400, ValidationError],
      [401, AuthError],
      [404, NotFoundError],
      [500, ServerError],
      [501, NotAvailableError],
      [503, ServerError],
    ]
    for (const [status, type] of classes) {
      const error = errorFromResponse(status, { success: false, error: 'no' })
      expect(error).toBeInstanceOf(type)
      expect(error).toBeInstanceOf(AgentKernelError)
      expect(error).toMatchObject({ status, message: 'no', name: type.name })
    }
    expect(errorFromResponse(403, { error: 'no' }).constructor).toBe(AgentKernelError)
    expect(errorFromResponse(409, { error: 'no' }).constructor).toBe(AgentKernelError)
  })

  test('brings code, fix and the id of the request', () => {
    const body = { success: false, error: 'no sandbox "a"', code: 'sandbox_not_found', fix: 'List them.', request_id: 'r1' }
    expect(errorFromResponse(404, body, 'r0')).toMatchObject({ code: 'sandbox_not_found', fix: 'List them.', requestId: 'r1' })
    expect(errorFromResponse(404, { error: 'x' }, 'r0')).toMatchObject({ code: 'not_found', requestId: 'r0' })
  })

  test('of a later feature has one code, and is a server error for old code too', () => {
    const error = errorFromResponse(501, { error: 'snapshots come later', code: 'not_available_yet' })
    expect(error).toBeInstanceOf(NotAvailableError)
    expect(error).toBeInstanceOf(ServerError)
    expect(error).toMatchObject({ code: 'not_available_yet', status: 501 })
  })

  test('of a failed command brings its exit code and output', () => {
    const error = errorFromResponse(409, { success: false, error: 'exit code 3', exit_code: 3, output: 'out\nerr\n', stderr: 'err\n' })
    expect(error).toBeInstanceOf(CommandFailedError)
    expect(error).toMatchObject({
      status: 409,
      code: 'command_failed',
      exitCode: 3,
      output: 'out\nerr\n',
      stderr: 'err\n',
    })
  })

  test('that is not ours is told by its beginning', () => {
    expect(errorFromResponse(502, '<html>\n  Bad   gateway').message).toBe('<html> Bad gateway')
    expect(errorFromResponse(502, 'x'.repeat(1000)).message).toHaveLength(200)
    expect(errorFromResponse(418, '').message).toContain('418')
    expect(errorFromResponse(418, null).code).toBe('http_418')
  })
})

describe('a message that is an error', () => {
  test('becomes the class of its code', () => {
    expect(errorFromMessage({ type: 'error', code: 'sandbox_not_found', message: 'no', fix: 'f' })).toMatchObject({
      name: 'NotFoundError',
      status: 404,
      fix: 'f',
      message: 'no',
    })
    expect(errorFromMessage({ code: 'not_available_yet', message: 'later' })).toBeInstanceOf(NotAvailableError)
  })

  test('with a code that nobody knows keeps it', () => {
    expect(errorFromMessage({ code: 'brand_new', message: 'm' })).toMatchObject({ name: 'StreamError', code: 'brand_new', message: 'm' })
    expect(errorFromMessage({ code: 'constructor' })).toBeInstanceOf(StreamError)
    expect(errorFromMessage({ message: 'older' })).toMatchObject({ code: 'stream_error', message: 'older' })
  })
})

test('errors can be made as the published package made them', () => {
  expect(new AgentKernelError('m', 418)).toMatchObject({ message: 'm', status: 418 })
  expect(new NotFoundError('m')).toMatchObject({ status: 404 })
  expect(new TimeoutError('m')).toBeInstanceOf(NetworkError)
  expect(new TimeoutError('m')).toMatchObject({ status: 0, code: 'timed_out' })
  expect(new NetworkError('m', { cause: 'c' }).cause).toBe('c')
  expect('cause' in new NetworkError('m')).toBe(false)
  expect(Object.keys(new NetworkError('m')).toSorted()).toEqual(['code', 'name', 'status'])
})
