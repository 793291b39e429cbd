import { describe, expect, test } from 'bun:test'
import { requestIdOf } from './request-id.ts'
import { traceContextOf } from './trace-context.ts'

const PARENT = '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01'
const of = (headers: Record<string, string>) => traceContextOf(new Headers(headers))

describe('the trace context of a request', () => {
  test('is passed on as it came', () => {
    expect(of({ traceparent: PARENT })).toEqual({ traceparent: PARENT })
    expect(of({ traceparent: PARENT, tracestate: 'a=1,b=2' })).toEqual({ traceparent: PARENT, tracestate: 'a=1,b=2' })
  })

  test.each([
    'x',
    PARENT.toUpperCase(),
    PARENT.slice(0, -1),
    `${PARENT}-00`,
    PARENT.replace('00-', 'ff-'),
    '00-00000000000000000000000000000000-00f067aa0ba902b7-01',
    '00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01',
  ])('is none when it is %j', (traceparent) => {
    expect(of({ traceparent, tracestate: 'a=1' })).toEqual({})
  })

  test('has no state that is too long, or without a parent', () => {
    expect(of({ traceparent: PARENT, tracestate: 'a'.repeat(513) })).toEqual({ traceparent: PARENT })
    expect(of({ tracestate: 'a=1' })).toEqual({})
  })
})

describe('the id of a request', () => {
  test('is the one it came with, where that can stand in a log', () => {
    expect(requestIdOf(new Headers({ 'x-request-id': 'Job-1.a_b' }))).toBe('Job-1.a_b')
  })

  test.each([{}, { 'x-request-id': '' }, { 'x-request-id': 'a b' }, { 'x-request-id': 'a"b' }, { 'x-request-id': 'a'.repeat(129) }])(
    'is a new one with %j',
    (headers: Record<string, string>) => {
      expect(requestIdOf(new Headers(headers))).toMatch(/^[0-9a-f-]{36}$/)
    },
  )
})
