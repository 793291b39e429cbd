import { describe, expect, test } from 'bun:test'
import { ApiKeys } from './auth.ts'
import { corsHeaders, isLoopback, preflight, requireKnownHost, requireKnownOrigin, type TcpDoor } from './door.ts'

const keys = new ApiKeys([])
const local: TcpDoor = { kind: 'http', keys, host: '127.0.0.1', names: ['box.example'], origins: ['http://localhost:3000'] }
const request = (headers: Record<string, string>, method = 'GET'): Request => new Request('http://localhost/', { headers, method })
const refuses = (check: () => void): boolean => {
  try {
    check()
    return false
  } catch {
    return true
  }
}

test.each([
  ['localhost', true],
  ['LOCALHOST', true],
  ['127.0.0.1', true],
  ['127.9.9.9', true],
  ['::1', true],
  ['[::1]', true],
  ['0.0.0.0', false],
  ['::', false],
  ['192.168.1.2', false],
  ['localhost.evil.example', false],
  ['127.0.0.1.evil.example', false],
  ['', false],
])('%j is of this machine only: %j', (host, expected) => {
  expect(isLoopback(host)).toBe(expected)
})

describe('the name that a request calls the server by', () => {
  const isKnown = (host: string, door = local): boolean => !refuses(() => requireKnownHost(request({ host }), door))

  test.each(['localhost', 'localhost:18888', '127.0.0.1:1', '[::1]:18888', 'box.example', 'BOX.example:80'])('may be %j', (host) => {
    expect(isKnown(host)).toBe(true)
  })

  test.each([
    'evil.example',
    'localhost.evil.example',
    '127.0.0.1.evil.example',
    '127.0.0.1@evil.example',
    'evil.example:18888',
    '192.168.1.2',
    'localhost:99999999',
    'localhost:80:80',
    'local host',
    '[::1',
    '',
  ])('may not be %j', (host) => {
    expect(isKnown(host)).toBe(false)
  })

  test('must be there', () => {
    expect(refuses(() => requireKnownHost(new Request('http://localhost/'), local))).toBe(true)
  })

  test('is any address, but no other name, where it listens on all of them', () => {
    const all: TcpDoor = { kind: 'http', keys: new ApiKeys(['k']), host: '0.0.0.0' }
    expect(['192.168.1.2:18888', '10.0.0.1', '[fe80::1]:80', 'localhost'].every((host) => isKnown(host, all))).toBe(true)
    expect(isKnown('evil.example', all)).toBe(false)
    expect(isKnown('my-host', { ...all, host: 'My-Host' })).toBe(true)
  })
})

describe('a page', () => {
  const mayUse = (headers: Record<string, string>, method?: string): boolean =>
    !refuses(() => requireKnownOrigin(request(headers, method), local))

  test('of an allowed origin may use the API, and no other one', () => {
    expect(mayUse({ origin: 'http://localhost:3000' })).toBe(true)
    for (const origin of ['http://localhost:3001', 'https://localhost:3000', 'http://127.0.0.1:18888', 'null', '']) {
      expect(mayUse({ origin })).toBe(false)
    }
  })

  test('of another site may not make a browser ask, not even where it names no origin', () => {
    for (const site of ['cross-site', 'same-site']) expect(mayUse({ 'sec-fetch-site': site, 'sec-fetch-mode': 'no-cors' })).toBe(false)
    expect(mayUse({ 'sec-fetch-site': 'cross-site', 'sec-fetch-mode': 'navigate' }, 'POST')).toBe(false)
  })

  test('that somebody opens or follows a link to is shown', () => {
    expect(mayUse({ 'sec-fetch-site': 'none', 'sec-fetch-mode': 'navigate' })).toBe(true)
    expect(mayUse({ 'sec-fetch-site': 'cross-site', 'sec-fetch-mode': 'navigate' })).toBe(true)
  })

  test('of an allowed origin may read the answers, and is told what it may send', () => {
    const asked = request({ origin: 'http://localhost:3000', 'access-control-request-method': 'POST' }, 'OPTIONS')
    expect(corsHeaders(asked, local)['access-control-allow-origin']).toBe('http://localhost:3000')
    expect(corsHeaders(request({ origin: 'http://evil.example' }), local)).toEqual({})
    expect(preflight(asked, local)?.headers.get('access-control-allow-headers')).toContain('authorization')
    expect(preflight(request({}, 'OPTIONS'), local)).toBeUndefined()
  })

  test('programs name neither origin nor site', () => {
    expect(mayUse({}, 'POST')).toBe(true)
  })
})
