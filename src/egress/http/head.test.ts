import { describe, expect, test } from 'bun:test'
import fc from 'fast-check'
import { BadMessage, encodeHead, endToEnd, parseRequest, parseResponse, responseFraming } from './head.ts'

const request = (...lines: readonly string[]) => parseRequest(['GET / HTTP/1.1', 'Host: a.test', ...lines].join('\r\n'))
const status = (work: () => unknown): number => {
  try {
    work()
  } catch (error) {
    if (error instanceof BadMessage) return error.status
    throw error
  }
  return 0
}

describe('the head of a request', () => {
  test('is read with its names as written and its framing', () => {
    const head = request('X-Odd:\t value \t', 'content-LENGTH: 12')
    expect(head.headers).toEqual([
      ['Host', 'a.test'],
      ['X-Odd', 'value'],
      ['content-LENGTH', '12'],
    ])
    expect(head.framing).toEqual({ kind: 'length', bytes: 12 })
    expect(request('Transfer-Encoding: Chunked').framing).toEqual({ kind: 'chunked' })
  })

  test.each([
    ['both framings', ['Content-Length: 4', 'Transfer-Encoding: chunked']],
    ['two lengths', ['Content-Length: 4', 'Content-Length: 5']],
    ['two equal lengths', ['Content-Length: 4', 'Content-Length: 4']],
    ['a list of lengths', ['Content-Length: 4, 4']],
    ['a signed length', ['Content-Length: +4']],
    ['a length in hexadecimal', ['Content-Length: 0x4']],
    ['a length with a space', ['Content-Length: 4 4']],
    ['an empty length', ['Content-Length:']],
    ['another coding', ['Transfer-Encoding: gzip, chunked']],
    ['chunked twice', ['Transfer-Encoding: chunked', 'Transfer-Encoding: chunked']],
    ['a hidden coding', ['Transfer-Encoding: xchunked']],
    ['a coding with a tab inside', ['Transfer-Encoding: chun\tked']],
    ['a space before the colon', ['Transfer-Encoding : chunked']],
    ['a line that goes on', ['X: a', ' b']],
    ['a line that goes on with a tab', ['X: a', '\tb']],
    ['a bare LF', ['X: a\nTransfer-Encoding: chunked']],
    ['a bare CR', ['X: a\rb']],
    ['a NUL', ['X: a\0b']],
    ['a header without a colon', ['X']],
    ['a header without a name', [': x']],
    ['a name that is none', ['X(y): z']],
  ])('with %s is refused', (_name, lines) => {
    expect(status(() => request(...lines))).toBe(400)
  })

  test.each([
    'GET  / HTTP/1.1',
    'GET / HTTP/2.0',
    'GET / HTTP/1.1 ',
    ' GET / HTTP/1.1',
    'GET /a b HTTP/1.1',
    'GET /\x00 HTTP/1.1',
    'G(T / HTTP/1.1',
    'GET /é HTTP/1.1',
    '',
  ])('beginning with %j is refused', (line) => expect(status(() => parseRequest(`${line}\r\nHost: a.test`))).toBe(400))

  test('with too many headers is refused', () => {
    expect(status(() => request(...Array.from({ length: 120 }, (_, index) => `X-${index}: 1`)))).toBe(431)
  })

  test('never throws anything else, and what is read can be written and read again', () => {
    fc.assert(
      fc.property(fc.string({ unit: fc.constantFrom(...'GET /HTP1.0\r\n: aX\t\0,;chunked'), maxLength: 200 }), (text) => {
        status(() => parseRequest(text))
        status(() => parseResponse(text))
      }),
    )
    const token = fc.stringMatching(/^[A-Za-z-]{1,20}$/)
    const value = fc.stringMatching(/^[!-~]([ -~]*[!-~])?$/)
    fc.assert(
      fc.property(fc.array(fc.tuple(token, value), { maxLength: 20 }), (headers) => {
        const kept = headers.filter(([name]) => !/^(?:content-length|transfer-encoding)$/i.test(name))
        const text = Buffer.from(encodeHead('GET / HTTP/1.1', kept)).toString('latin1')
        expect(parseRequest(text.slice(0, -4)).headers).toEqual(kept)
      }),
    )
  })
})

describe('the head of an answer', () => {
  const framing = (method: string, first: string, ...lines: readonly string[]) =>
    responseFraming(parseResponse([first, ...lines].join('\r\n')), method)

  test('has no body where none may be, whatever it says', () => {
    expect(framing('HEAD', 'HTTP/1.1 200 OK', 'Content-Length: 5')).toEqual({ kind: 'none' })
    expect(framing('GET', 'HTTP/1.1 204 No Content')).toEqual({ kind: 'none' })
    expect(framing('GET', 'HTTP/1.1 304 Not Modified', 'Content-Length: 5')).toEqual({ kind: 'none' })
    expect(framing('GET', 'HTTP/1.1 200')).toEqual({ kind: 'close' })
  })

  test.each([
    [['HTTP/1.1 200 OK', 'Content-Length: 5', 'Transfer-Encoding: chunked']],
    [['HTTP/1.1 200 OK', 'Content-Length: 5', 'Content-Length: 6']],
    [['HTTP/1.1 200 OK', 'Transfer-Encoding: gzip']],
    [['HTTP/1.0 200 OK', 'Transfer-Encoding: chunked']],
    [['HTTP/1.1 200 OK', 'X: a', ' b']],
    [['HTTP/1.1 20 OK']],
    [['HTTP/1.1 099 OK']],
    [['ICY 200 OK']],
  ])('like %j is refused', ([first = '', ...lines]) => {
    expect(status(() => framing('GET', first, ...lines))).toBe(502)
  })
})

test('what is about the connection goes, also what Connection names', () => {
  const headers = [
    ['Connection', 'close, X-Mine'],
    ['x-mine', '1'],
    ['Keep-Alive', '5'],
    ['TE', 'trailers'],
    ['Proxy-Authorization', 'Basic x'],
    ['X-Other', '2'],
  ] as const
  expect(endToEnd(headers)).toEqual([['X-Other', '2']])
})
