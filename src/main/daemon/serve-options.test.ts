import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { ServeRequest } from '../../contract/daemon.ts'
import { Secret } from '../../lib/secret.ts'
import { resolvedConfig } from '../../../test/support/resolved-config.ts'
import { isLoopback, resolveServe } from './serve-options.ts'

const request = (parts: Partial<ServeRequest> = {}): ServeRequest => ({
  apiKeys: [],
  tls: false,
  requireTls: false,
  webhookUrls: [],
  cwd: '/',
  ...parts,
})
const revealed = (parts: Partial<ServeRequest>, api = {}, env = {}): string[] =>
  resolveServe(request(parts), resolvedConfig({ api }), env).keys.map((key) => key.reveal())

let root: string
beforeAll(() => {
  root = mkdtempSync(join(tmpdir(), 'serve-'))
  writeFileSync(join(root, 'keys'), '# comment\n\nfile-key-1\nfile-key-2 \n')
  writeFileSync(join(root, 'empty'), '# nothing\n')
})
afterAll(() => rmSync(root, { recursive: true, force: true }))

describe('keys of the API', () => {
  test('come from the command line, a file, the environment and the config, each once', () => {
    const parts = { apiKeys: ['cli-key-1', 'cli-key-1'], apiKeyFile: 'keys', cwd: root }
    const api = { key: new Secret('config-key'), keyVariable: 'NAMED' }
    expect(revealed(parts, api, { AGENTKERNEL_API_KEY: 'env-key-1', NAMED: 'named-key' })).toEqual([
      'cli-key-1',
      'file-key-1',
      'file-key-2',
      'env-key-1',
      'named-key',
      'config-key',
    ])
  })

  test('short ones, ones with spaces and a file without any are refused, and not shown', () => {
    for (const key of ['short', 'has a space in it']) {
      expect(() => revealed({ apiKeys: [key] })).toThrow('at least 8')
      expect(() => revealed({ apiKeys: [key] })).not.toThrow(key)
    }
    expect(() => revealed({ apiKeyFile: join(root, 'empty') })).toThrow('holds no key')
    expect(() => revealed({ apiKeyFile: join(root, 'absent') })).toThrow('cannot read')
  })

  test('are needed where others can reach the server', () => {
    expect(() => revealed({ host: '0.0.0.0' })).toThrow('no key is set')
    expect(revealed({ host: '0.0.0.0', apiKeys: ['long-enough'] })).toEqual(['long-enough'])
    expect(revealed({})).toEqual([])
  })
})

test.each([
  ['localhost', true],
  ['127.0.0.1', true],
  ['127.1.2.3', true],
  ['::1', true],
  ['0.0.0.0', false],
  ['127.evil.example', false],
  ['10.0.0.1', false],
])('%s is loopback: %p', (host, expected) => expect(isLoopback(host)).toBe(expected))

describe('TLS', () => {
  test('is off by default, made by us with --tls alone, and read from files in pairs', () => {
    const tls = (parts: Partial<ServeRequest>) => resolveServe(request({ cwd: root, ...parts }), resolvedConfig(), {}).tls
    expect(tls({})).toBeUndefined()
    expect(tls({ tls: true })).toBe('self')
    expect(tls({ tls: true, tlsCert: 'keys', tlsKey: 'keys' })).toMatchObject({ cert: expect.stringContaining('file-key-1') })
    expect(() => tls({ tls: true, tlsCert: 'keys' })).toThrow('go together')
    expect(() => tls({ requireTls: true })).toThrow('need --tls')
  })
})

test('webhooks are http addresses, signed with the secret of the environment', () => {
  const hooks = resolveServe(request({ webhookUrls: ['https://example.com/x'] }), resolvedConfig(), {
    AGENTKERNEL_WEBHOOK_SECRET: 's',
  }).webhooks
  expect(hooks).toEqual([{ url: 'https://example.com/x', secret: 's' }])
  expect(() => resolveServe(request({ webhookUrls: ['file:///etc/passwd'] }), resolvedConfig(), {})).toThrow('no http(s) address')
})
