import { afterEach, beforeEach, describe, expect, test } from 'bun:test'
import { existsSync, lstatSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { certificateFor, outsideAuthority } from '../../../test/support/http-lab.ts'
import type { AuditEvent } from '../../contract/events.ts'
import type { ProxyHook } from '../../contract/network.ts'
import type { SeenRequest } from '../http/exchange.ts'
import { checkHook, shownHook } from './check-hook.ts'
import { fileTarget } from './file-target.ts'
import { HookFile } from './hook-file.ts'
import { HookWorker } from './hook-worker.ts'
import { ProxyHooks, type ProxyHooksOptions } from './proxy-hooks.ts'
import { webhookTarget } from './webhook-target.ts'

const SEEN: SeenRequest = { method: 'GET', url: 'https://api.example.com/v1', host: 'api.example.com', secretInjected: true }
const NOW = new Date('2026-01-02T03:04:05.000Z')
const TOLD = { timestamp: NOW.toISOString(), sandbox: 'box', method: 'GET', url: SEEN.url, host: SEEN.host, secret_injected: true }
const audit = (name: string, event: ProxyHook['event'] = 'on_request') => ({ name, event, target: { type: 'audit' } }) as const

let folder: string
let audited: AuditEvent[]
let logged: string[]
let servers: { stop(force?: boolean): unknown }[]

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'ak-hooks-'))
  audited = []
  logged = []
  servers = []
})
afterEach(() => {
  for (const server of servers) server.stop(true)
  rmSync(folder, { recursive: true, force: true })
})

function hooks(configured: readonly ProxyHook[] = [], more: Partial<ProxyHooksOptions> = {}): ProxyHooks {
  return new ProxyHooks({
    configured,
    file: new HookFile(join(folder, 'proxy-hooks.json')),
    dataDir: folder,
    audit: { append: async (event) => void audited.push(event) },
    trusted: async () => [outsideAuthority.cert],
    now: () => NOW,
    log: (text) => void logged.push(text),
    ...more,
  })
}

/** A receiver over TLS of this machine, and what it got. */
function receiver(answer: (count: number) => Response | Promise<Response> = () => new Response()) {
  const got: { readonly event: string | null; readonly body: unknown }[] = []
  const server = Bun.serve({
    port: 0,
    hostname: '127.0.0.1',
    tls: certificateFor('localhost'),
    fetch: async (request) => {
      got.push({ event: request.headers.get('x-agentkernel-event'), body: await request.json() })
      return answer(got.length)
    },
  })
  servers.push(server)
  return { got, url: `https://localhost:${server.port}/in?token=x` }
}

describe('a hook', () => {
  test('as a webhook is told over TLS that is verified', async () => {
    const { got, url } = receiver()
    const all = hooks([{ name: 'a', event: 'on_response', target: { type: 'webhook', url } }])
    const { onRequest, onResponse } = all.observe('box')
    onRequest(SEEN)
    onResponse({ ...SEEN, status: 200, latencyMs: 12 })
    await all.close(5_000)
    expect(got).toEqual([{ event: 'on_response', body: { ...TOLD, status: 200, latency_ms: 12 } }])
    expect(logged).toEqual([])
  })

  test('whose certificate nobody trusts is told nothing', async () => {
    const { got, url } = receiver()
    const all = hooks([{ name: 'a', event: 'on_request', target: { type: 'webhook', url } }], { trusted: async () => [] })
    all.observe('box').onRequest(SEEN)
    await all.close(5_000)
    expect(got).toEqual([])
    expect(logged[0]).toMatch(/^hook a: .*certificate/i)
  })

  test('that redirects is not followed, and one that fails is tried again', async () => {
    const elsewhere = receiver()
    const redirects = receiver(() => Response.redirect(elsewhere.url, 307))
    const fails = receiver((count) => new Response(null, { status: count === 1 ? 503 : 200 }))
    const all = hooks([
      { name: 'a', event: 'on_request', target: { type: 'webhook', url: redirects.url } },
      { name: 'b', event: 'on_request', target: { type: 'webhook', url: fails.url } },
    ])
    all.observe('box').onRequest(SEEN)
    await all.close(5_000)
    expect([elsewhere.got.length, redirects.got.length, fails.got.length]).toEqual([0, 1, 2])
    expect(logged).toEqual(['hook a: the receiver answered 307'])
  })

  test('that never answers holds nobody up, and is given up', async () => {
    const { got, url } = receiver(() => new Promise(() => undefined))
    const all = hooks([{ name: 'a', event: 'on_request', target: { type: 'webhook', url } }])
    const { onRequest } = all.observe('box')
    const began = performance.now()
    for (let index = 0; index < 20_000; index++) onRequest(SEEN)
    expect(performance.now() - began).toBeLessThan(1_000)
    expect(logged).toEqual([expect.stringContaining('its target is too slow: 1 requests were not told')])
    await all.close(200)
    expect(performance.now() - began).toBeLessThan(3_000)
    expect(got.length).toBeLessThanOrEqual(4)
  })

  test('as a file gets a line for each request, and nobody else can read it', async () => {
    const all = hooks([{ name: 'a', event: 'on_request', target: { type: 'file', path: 'team/requests.jsonl' } }])
    const { onRequest } = all.observe('box')
    for (let index = 0; index < 3; index++) onRequest(SEEN)
    await all.close(5_000)
    const path = join(folder, 'hooks/team/requests.jsonl')
    const lines = readFileSync(path, 'utf8').trimEnd().split('\n')
    expect(lines.map((line) => JSON.parse(line) as unknown)).toEqual([TOLD, TOLD, TOLD])
    expect(lstatSync(path).mode & 0o777).toBe(0o600)
  })

  test.each([
    ['a file that is a link', (out: string) => symlinkSync(join(out, 'file'), join(folder, 'hooks/a'))],
    ['a folder that is a link', (out: string) => symlinkSync(out, join(folder, 'hooks/dir'))],
  ])('does not follow %s', async (_, make) => {
    const out = join(folder, 'out')
    mkdirSync(out)
    mkdirSync(join(folder, 'hooks'))
    writeFileSync(join(out, 'file'), '')
    make(out)
    const all = hooks([
      { name: 'a', event: 'on_request', target: { type: 'file', path: 'a' } },
      { name: 'b', event: 'on_request', target: { type: 'file', path: 'dir/file' } },
    ])
    all.observe('box').onRequest(SEEN)
    await all.close(5_000)
    expect(readFileSync(join(out, 'file'), 'utf8')).toBe('')
    expect(logged.length).toBe(1)
  })

  test('a file that grows is put aside', async () => {
    const target = fileTarget({ folder, path: 'log', mostBytes: 300 })
    for (let index = 0; index < 5; index++) await target.deliver([TOLD], new AbortController().signal)
    expect(existsSync(join(folder, 'log.1'))).toBe(true)
    expect(lstatSync(join(folder, 'log.1')).size).toBeLessThan(600)
  })

  test('writes into the audit log', async () => {
    const all = hooks([audit('a')])
    all.observe('box').onRequest(SEEN)
    await all.close(5_000)
    const { timestamp: _, ...facts } = TOLD
    expect(audited).toEqual([{ type: 'proxy_request', ...facts }])
  })
})

describe('hooks that are registered', () => {
  test('hold for sandboxes that run, and are there again afterwards', async () => {
    const all = hooks([audit('mine')])
    const { onRequest } = all.observe('box')
    await all.add(audit('more'))
    onRequest(SEEN)
    await all.close(1_000)
    expect(audited.length).toBe(2)
    const again = hooks()
    expect(again.list()).toEqual([{ ...audit('more'), source: 'api' }])
    await again.remove('more')
    expect(hooks().list()).toEqual([])
    expect(lstatSync(join(folder, 'proxy-hooks.json')).mode & 0o777).toBe(0o600)
  })

  test('have names of their own, and those of the configuration stay', async () => {
    const all = hooks([audit('mine')])
    await expect(all.add(audit('mine'))).rejects.toMatchObject({ code: 'already_exists' })
    await expect(all.remove('mine')).rejects.toMatchObject({ code: 'invalid_argument' })
    await expect(all.remove('none')).rejects.toMatchObject({ code: 'not_found' })
  })

  test('a damaged file is said, and not overwritten', () => {
    writeFileSync(join(folder, 'proxy-hooks.json'), '{', { mode: 0o600 })
    expect(() => hooks()).toThrow('is damaged')
  })
})

describe('a hook is refused', () => {
  const file = (path: string) => checkHook({ name: 'a', event: 'on_request', target: { type: 'file', path } })
  const webhook = (url: string) => checkHook({ name: 'a', event: 'on_request', target: { type: 'webhook', url } })

  test.each(['', '/etc/passwd', '../x', 'a/../../x', 'a/./b', '~/x', 'a//b', 'a\0b', '.hidden', 'a/b/c/d/e', 'a\\b', '..'])(
    'with the path %p',
    (path) => {
      expect(file(path)).toHaveProperty('problem')
    },
  )

  test.each([
    '',
    'x',
    'ftp://example.com',
    'file:///etc/passwd',
    'http://example.com/x',
    'http://127.0.0.1.example.com/x',
    'http://localhost.example.com',
    'https://user:pw@example.com',
    'http://169.254.169.254/',
  ])('with the url %p', (url) => {
    expect(webhook(url)).toHaveProperty('problem')
  })

  test.each(['http://127.0.0.1:8080/x', 'http://localhost/x', 'http://[::1]:1/x', 'https://hooks.example.com/x'])(
    'but not with %p',
    (url) => {
      expect(webhook(url)).not.toHaveProperty('problem')
    },
  )

  test('with a name that is none, or what its target has not', () => {
    expect(checkHook({ ...audit('a b') })).toHaveProperty('problem')
    expect(checkHook({ ...audit('') })).toHaveProperty('problem')
    expect(checkHook({ name: 'a', event: 'on_request', target: { type: 'audit', url: 'https://x.test' } })).toHaveProperty('problem')
    expect(checkHook({ name: 'a', event: 'on_request', target: { type: 'webhook' } })).toHaveProperty('problem')
  })

  test('and one that is shown keeps its token to itself', () => {
    const hook = webhook('https://hooks.example.com/T000/secret?x=1')
    expect(JSON.stringify('problem' in hook ? hook : shownHook(hook))).toContain('https://hooks.example.com/…')
  })
})

test('a worker that has ended takes nothing more', async () => {
  const target = webhookTarget({ url: 'http://127.0.0.1:1', event: 'on_request', trusted: async () => [] })
  const worker = new HookWorker(target, () => undefined)
  await worker.end(0)
  worker.push(TOLD)
  await worker.end(0)
})
