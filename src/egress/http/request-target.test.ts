import { describe, expect, test } from 'bun:test'
import { BadMessage, parseRequest } from './head.ts'
import { hostHeader, originTarget, pathOf } from './request-target.ts'

const target = { host: 'api.example.test', port: 443 }

function ask(line: string, ...hosts: readonly string[]): string | number {
  try {
    const parsed = parseRequest([`${line} HTTP/1.1`, ...hosts.map((host) => `Host: ${host}`)].join('\r\n'))
    return originTarget(parsed, target, 'https')
  } catch (error) {
    if (error instanceof BadMessage) return error.status
    throw error
  }
}

describe('the target of a request', () => {
  test.each([
    ['GET /a?b=c', ['api.example.test'], '/a?b=c'],
    ['GET /', ['API.Example.TEST.'], '/'],
    ['GET /', ['api.example.test:443'], '/'],
    ['GET https://api.example.test/x', ['api.example.test'], '/x'],
    ['GET https://api.example.test', ['api.example.test'], '/'],
    ['GET https://api.example.test?q', ['api.example.test'], '/?q'],
    ['OPTIONS *', ['api.example.test'], '*'],
  ])('%s of %j is %s', (line, hosts, expected) => expect(ask(line, ...hosts)).toBe(expected))

  test.each([
    ['another host', 'GET /', ['evil.example.test'], 421],
    ['another port', 'GET /', ['api.example.test:8443'], 421],
    ['no host', 'GET /', [], 400],
    ['two hosts', 'GET /', ['api.example.test', 'api.example.test'], 400],
    ['an empty host', 'GET /', [''], 400],
    ['userinfo in Host', 'GET /', ['user@api.example.test'], 400],
    ['an encoded dot', 'GET /', ['api%2eexample.test'], 400],
    ['a backslash', 'GET /', ['api.example.test\\@evil.test'], 400],
    ['a name in other letters', 'GET /', ['äpi.example.test'], 400],
    ['punycode of another name', 'GET /', ['xn--pi-uia.example.test'], 421],
    ['a list of hosts', 'GET /', ['api.example.test, evil.test'], 400],
    ['absolute form with another host', 'GET https://evil.test/', ['api.example.test'], 421],
    ['absolute form against Host', 'GET https://api.example.test/', ['evil.test'], 421],
    ['absolute form with userinfo', 'GET https://a:b@api.example.test/', ['api.example.test'], 400],
    ['absolute form of another scheme', 'GET http://api.example.test/', ['api.example.test'], 421],
    ['no path', 'GET api.example.test', ['api.example.test'], 400],
    ['a fragment', 'GET /a#b', ['api.example.test'], 400],
    ['a backslash in the path', 'GET /a\\b', ['api.example.test'], 400],
    ['CONNECT', 'CONNECT api.example.test:443', ['api.example.test'], 405],
    ['TRACE', 'TRACE /', ['api.example.test'], 405],
  ])('with %s is refused', (_name, line, hosts, status) => expect(ask(line, ...hosts)).toBe(status))
})

test('a host is written as servers expect it', () => {
  expect(hostHeader(target, 'https')).toBe('api.example.test')
  expect(hostHeader(target, 'http')).toBe('api.example.test:443')
  expect(hostHeader({ host: '2001:db8::1', port: 80 }, 'http')).toBe('[2001:db8::1]')
  expect(pathOf('/a/b?secret=1?2')).toBe('/a/b')
})
