import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { ERRORS, isAppError } from '../../src/contract/errors.ts'
import { LATER_ROUTES } from '../../src/contract/later.ts'
import type { Operation } from '../../src/contract/operation.ts'
import { OPERATIONS } from '../../src/contract/operations.ts'
import { serveTcp } from '../../src/http/listeners.ts'
import { HttpWorld } from './http-kit.ts'

const KEY = 'sk-test-1'
const auth = { authorization: `Bearer ${KEY}` }

let open: HttpWorld
let keyed: HttpWorld
beforeAll(() => {
  open = new HttpWorld()
  keyed = new HttpWorld({ keys: [KEY, 'sk-test-2'] })
})
afterAll(async () => {
  await Promise.all([open.stop(), keyed.stop()])
})

/** An address of each operation that HTTP reaches. */
const ROUTES = Object.values<Operation>(OPERATIONS).flatMap(({ http }) =>
  http === undefined
    ? []
    : [{ method: http.method, path: http.path.replace('{uuid}', '0190').replace(/\{\w+\}/g, 'x'), open: http.open === true }],
)

describe('a key', () => {
  test.each(ROUTES.filter((route) => !route.open))('is asked of $method $path', async ({ method, path }) => {
    const { status, body, headers } = await keyed.ask(path, { method })
    expect([status, body['error'], body['code']]).toEqual([401, 'Missing Authorization header', 'unauthorized'])
    expect(headers.get('www-authenticate')).toBe('Bearer')
  })

  test('is not asked of /health, and of nothing else', async () => {
    expect((await keyed.ask('/health')).body).toEqual({ success: true, data: 'ok' })
    expect(ROUTES.filter((route) => route.open).map(({ path }) => path)).toEqual(['/health'])
  })

  test('is asked before it is told whether a route exists', async () => {
    for (const path of ['/nope', '/snapshots', '/health/x']) expect((await keyed.ask(path)).status).toBe(401)
    for (const path of ['//health', '///health', '/\\health', '/%2fhealth', '/health/', '/HEALTH', '/health%2f..%2fstatus']) {
      const said = await keyed.raw(`GET ${path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n`)
      expect(said).toStartWith('HTTP/1.1 401 ')
    }
  })

  test('that is wrong or in another form is refused in the words of the earlier product', async () => {
    const of = async (authorization: string) => (await keyed.ask('/status', { headers: { authorization } })).body['error']
    expect(await of('Bearer nope')).toBe('Invalid API key')
    expect(await of('Basic abc')).toBe('Invalid authorization format. Use: Bearer <api_key>')
    expect(await of(KEY)).toBe('Invalid authorization format. Use: Bearer <api_key>')
  })

  test('of several opens the door', async () => {
    for (const key of [KEY, 'sk-test-2']) {
      const { body } = await keyed.ask('/status', { headers: { authorization: `Bearer ${key}` } })
      expect(body['data']).toEqual({ version: '1.2.3', backend: 'fake', api_key_configured: true })
    }
  })

  test('never reaches the log', async () => {
    await keyed.ask(`/status?key=${KEY}`, { headers: auth })
    await keyed.ask('/status', { headers: { authorization: `Bearer ${KEY}x` } })
    expect(keyed.log.length).toBeGreaterThan(0)
    expect(JSON.stringify(keyed.log)).not.toContain(KEY)
  })

  test('of the socket is its token, not those of the port', async () => {
    expect((await keyed.askLocally('/status')).status).toBe(200)
    expect((await keyed.askLocally('/status', { headers: auth })).status).toBe(401)
    expect((await keyed.ask('/status', { headers: { authorization: 'Bearer token' } })).status).toBe(401)
  })
})

describe('without keys', () => {
  test('the port answers, and says that it has none', async () => {
    expect((await open.ask('/status')).body['data']).toEqual({ version: '1.2.3', backend: 'fake', api_key_configured: false })
  })

  test.each(['0.0.0.0', '::', '192.168.1.2', 'example.com'])('it does not listen on %s', (host) => {
    try {
      serveTcp(open.app, { host, port: 0 })
      expect.unreachable()
    } catch (error) {
      expect(isAppError(error, 'api_key_required')).toBe(true)
    }
  })

  test.each([
    ['/run', { command: ['true'], cwd: '/home' }],
    ['/run', { command: ['true'], profile: 'permissive' }],
    ['/run/stream', { command: ['true'], config_path: '/etc/x.toml' }],
    ['/batch/run', { commands: [{ command: ['true'] }, { command: ['true'], cwd: '/home' }] }],
    ['/sandboxes', { name: 'a', dir: '/home' }],
    ['/sandboxes', { name: 'a', profile: 'permissive' }],
    ['/sandboxes', { name: 'a', secrets: ['KEY:host'] }],
  ])('%s refuses %j', async (path, json) => {
    const { status, body } = await open.ask(path, { json })
    expect([status, body['code']]).toEqual([403, 'api_key_required'])
  })

  test('a folder of the host is not looked at through a query either', async () => {
    for (const path of ['/doctor?cwd=/home', '/agents?cwd=/home']) expect((await open.ask(path)).status).toBe(403)
    for (const query of ['cwd=/home', 'profile=permissive', 'config_path=/etc/x']) {
      expect((await open.ask(`/run?${query}`, { json: { command: ['true'] } })).status).toBe(403)
    }
  })
})

describe('a request that another site made a browser send', () => {
  test('is refused by its Host', async () => {
    const said = await open.raw('GET /status HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n')
    expect(said).toStartWith('HTTP/1.1 403 ')
    expect(said).toContain('"code":"policy_denied"')
    for (const [path, host] of [
      ['//', 'a b'],
      ['//[', 'a b'],
      ['/x', 'localhost:999999'],
      ['/status', ''],
    ] as const) {
      const other = await open.raw(`GET ${path} HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`)
      expect([path, other.slice(0, 12)]).toEqual([path, expect.stringMatching(/^HTTP\/1.1 40[03]$/)])
    }
  })

  test('is refused by its Origin, also where everybody may read', async () => {
    for (const path of ['/health', '/run']) {
      const { status, headers } = await open.ask(path, { method: 'POST', body: '{}', headers: { origin: 'http://evil.example' } })
      expect([status, headers.get('access-control-allow-origin')]).toEqual([403, null])
    }
  })

  test('is let in from an origin that is allowed, asked for beforehand', async () => {
    const world = new HttpWorld({ tcp: { origins: ['http://app.example'] }, keys: [KEY] })
    try {
      const asked = await world.ask('/run', {
        method: 'OPTIONS',
        headers: { origin: 'http://app.example', 'access-control-request-method': 'POST' },
      })
      expect([asked.status, asked.headers.get('access-control-allow-origin')]).toEqual([204, 'http://app.example'])
      const got = await world.ask('/status', { headers: { origin: 'http://app.example', ...auth } })
      expect([got.status, got.headers.get('access-control-allow-origin')]).toEqual([200, 'http://app.example'])
    } finally {
      await world.stop()
    }
  })
})

describe('an address', () => {
  test('that does not exist is not found', async () => {
    for (const path of ['/', '/nope', '/sandboxes/a/b/c', '/sandboxes/a/exec/detached/x/y', '/v1/run']) {
      const { status, body } = await open.ask(path)
      expect([path, status, body['error'], body['code']]).toEqual([path, 404, 'Not found', 'route_not_found'])
    }
  })

  test('with another method says which there are', async () => {
    const { status, body, headers } = await open.ask('/sandboxes/a', { method: 'POST' })
    expect([status, body['code'], headers.get('allow')]).toEqual([405, 'method_not_allowed', 'GET, HEAD, PATCH, DELETE'])
    expect((await open.ask('/health', { method: 'DELETE' })).headers.get('allow')).toBe('GET, HEAD')
    expect((await open.ask('/events', { method: 'HEAD' })).status).toBe(405)
  })

  test.each(LATER_ROUTES.flatMap(({ methods, path, feature }) => methods.map((method) => ({ method, path, feature }))))(
    '$method $path answers that it comes later',
    async ({ method, path, feature }) => {
      const { status, body } = await open.ask(path.replace('*', 'a/b').replace(/\{\w+\}/g, 'x'), { method })
      expect([status, body['code']]).toEqual([501, 'not_available_yet'])
      expect(String(body['error'])).toContain(feature)
    },
  )

  test('that is not UTF-8 is refused', async () => {
    const { status, body } = await open.ask('/sandboxes/%ff/stats')
    expect([status, body['code']]).toEqual([400, 'invalid_argument'])
  })
})

describe('a path inside a sandbox', () => {
  const PLACES = [
    'etc/passwd',
    '/etc/passwd',
    '//etc//passwd',
    'etc%2Fshadow',
    '%2e%2e%2fx',
    'a%2F..%2Fb',
    '..%2f..%2fetc%2fhosts',
    'proc/1/mem',
    'root/.ssh/id_rsa',
  ]

  test.each(PLACES)('is refused before anybody sees it: %s', async (path) => {
    for (const [method, route] of [
      ['GET', 'files'],
      ['DELETE', 'files'],
      ['GET', 'raw'],
      ['HEAD', 'raw'],
      ['PUT', 'raw'],
      ['GET', 'tar'],
      ['PUT', 'tar'],
      ['GET', 'stat'],
      ['GET', 'list'],
    ] as const) {
      expect((await open.ask(`/sandboxes/a/${route}/${path}`, { method })).status).toBe(403)
    }
    const { status, body } = await open.ask(`/sandboxes/a/files/${path}`, { method: 'PUT', json: { content: 'x' } })
    expect([status, body['code']]).toEqual([403, 'path_forbidden'])
  })

  test('in a body is held to the same rules, every one before the first is written', async () => {
    for (const [route, json] of [
      ['files', { files: { '/a': 'x', '/etc/passwd': 'x' } }],
      ['files', { files: { relative: 'x' } }],
      ['mkdir', { path: '/../x' }],
      ['mkdir', { path: 'x' }],
      ['move', { from: '/a', to: '/proc/x' }],
      ['move', { from: '/dev/null', to: '/a' }],
    ] as const) {
      expect((await open.ask(`/sandboxes/a/${route}`, { json })).body['code']).toBe('path_forbidden')
    }
  })

  test('that passes is handed on as one plain path', async () => {
    // No engine is there to take it: that it was asked shows that the guard let it pass.
    for (const path of ['a', '/a', '//a//b', 'home/%E2%82%AC/x%20y', 'a%2Fb', '...']) {
      expect((await open.ask(`/sandboxes/a/files/${path}`)).body['code']).toBe('store_failed')
    }
  })
})

describe('an answer', () => {
  test('bears the id that the request came with, or a new one', async () => {
    expect((await open.ask('/health', { headers: { 'x-request-id': 'job-7' } })).headers.get('x-request-id')).toBe('job-7')
    expect((await open.ask('/nope', { headers: { 'x-request-id': 'a b' } })).headers.get('x-request-id')).toMatch(/^[0-9a-f-]{36}$/)
  })

  test('to HEAD has no body', async () => {
    const { status, text } = await open.ask('/status', { method: 'HEAD' })
    expect([status, text]).toEqual([200, ''])
  })

  test('about a failure has a code of the table, with its status', async () => {
    const { status, body } = await open.ask('/sandboxes/a')
    expect(status).toBe(ERRORS.store_failed.http)
    expect(body).toEqual({ success: false, error: 'this test has no engine', code: 'store_failed', fix: ERRORS.store_failed.fix })
  })
})

describe('metrics', () => {
  test('count requests by the template of their route, whatever was asked for', async () => {
    const world = new HttpWorld()
    try {
      await world.ask('/health')
      await world.ask('/sandboxes/some-name/stats')
      await world.ask('/sandboxes/other-name/stats')
      await world.ask('/secret-place')
      await world.ask('/sandboxes/a/files/etc/passwd')
      const { text, headers } = await world.ask('/metrics')
      expect(headers.get('content-type')).toBe('text/plain; version=0.0.4; charset=utf-8')
      expect(text).toContain('agentkernel_http_requests_total{method="GET",path="/health",status="200"} 1')
      expect(text).toContain('agentkernel_http_requests_total{method="GET",path="/sandboxes/:name/stats",status="500"} 2')
      expect(text).toContain('agentkernel_http_requests_total{method="GET",path="/sandboxes/:name/files/:path",status="403"} 1')
      expect(text).toContain('agentkernel_http_requests_total{method="GET",path="unmatched",status="404"} 1')
      expect(text).toContain('agentkernel_http_request_duration_seconds_count{method="GET",path="/health"} 1')
      expect(text).toContain('agentkernel_build_info{version="1.2.3"} 1')
      expect(text).not.toContain('some-name')
    } finally {
      await world.stop()
    }
  })
})
