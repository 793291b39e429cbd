import { afterEach, beforeEach, describe, expect, test } from 'bun:test'
import { mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type LlmCall, NO_LLM_SETTINGS } from '../../src/contract/llm.ts'
import { createLlmMetering } from '../../src/main/llm-metering.ts'
import { type Paths, resolvePaths } from '../../src/main/paths.ts'
import { SAMPLES } from '../support/llm-samples.ts'
import { HttpWorld } from './http-kit.ts'

const MAIN = join(import.meta.dir, '../../src/main/main.ts')
const KEY = { authorization: 'Bearer k'.padEnd(40, 'k') }

let home: string
let paths: Paths
beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), 'ak-llm-'))
  paths = resolvePaths({ HOME: home }, process.execPath)
})
afterEach(() => rmSync(home, { recursive: true }))

interface Ended {
  readonly code: number
  readonly stdout: string
  readonly stderr: string
}

async function ak(args: readonly string[], stdin = ''): Promise<Ended> {
  // Nothing of a test goes into the keychain of whoever runs it.
  const env = { HOME: home, PATH: process.env['PATH'], DBUS_SESSION_BUS_ADDRESS: 'disabled:' }
  const child = Bun.spawn([process.execPath, MAIN, 'llm', ...args], { env, stdin: Buffer.from(stdin), stdout: 'pipe', stderr: 'pipe' })
  const [stdout, stderr, code] = await Promise.all([child.stdout.text(), child.stderr.text(), child.exited])
  return { code, stdout, stderr }
}

/** What a gateway of this user would note for a sandbox that makes every request of the samples once. */
async function spend(sandbox: string): Promise<readonly LlmCall[]> {
  const calls: LlmCall[] = []
  const metering = await createLlmMetering(paths, (error) => {
    throw error
  })
  const meter = metering.meter({
    sandbox,
    settings: { ...NO_LLM_SETTINGS, meter: true },
    bound: [],
    org: [],
    onCall: (call) => void calls.push(call),
  })
  for (const { path, request, type, reply } of SAMPLES) {
    const begun = meter.begin({ host: 'api.openai.com', port: 443 }, { method: 'POST', target: path, headers: [] }, [])
    if (begun?.kind !== 'tap') break
    begun.tap.requestBody(Buffer.from(request))
    begun.tap.response({ status: 200, headers: [['content-type', type]] })
    begun.tap.responseBody(Buffer.from(reply))
    begun.tap.end()
  }
  await metering.close()
  return calls
}

describe('agentkernel llm', () => {
  test('shows what was used, in tables and as JSON', async () => {
    expect(await ak(['usage'])).toEqual({ code: 0, stdout: '', stderr: 'No calls to language models were counted.\n' })
    await spend('dev')
    const { stdout } = await ak(['usage'])
    expect(stdout).toMatch(/^SANDBOX +PROVIDER +MODEL +REQUESTS +INPUT +CACHED +OUTPUT +COST\n/)
    expect(stdout).toMatch(/\ndev +openai +gpt-4o +2 +38 +8 +12 +\$0\.0002\n/)
    const usage = JSON.parse((await ak(['usage', 'dev', '--since', '1h', '--json'])).stdout) as Record<string, { request_count: number }[]>
    expect(usage['dev']!.reduce((sum, entry) => sum + entry.request_count, 0)).toBe(SAMPLES.length)
    expect((await ak(['usage', '--by', 'day'])).stdout).toMatch(/^DAY .*\n\d{4}-\d\d-\d\d +\d+ /)
    expect((await ak(['usage', '--by', 'hour'])).code).toBe(2)
    expect((await ak(['usage', '--since', 'monday'])).stderr).toContain('is not a duration')
  })

  test('sets, lists and removes keys; the value goes to the vault and nowhere else', async () => {
    expect(await ak(['keys', 'set', 'anthropic'], 'sk-value\n')).toEqual({
      code: 0,
      stdout: 'api.anthropic.com gets the key ANTHROPIC_API_KEY\n',
      stderr: '',
    })
    await ak(['keys', 'set', 'llm.example.com', '--key', 'TEAM', '--existing'])
    expect(JSON.parse((await ak(['keys', 'list', '--json'])).stdout)).toEqual({
      'api.anthropic.com': 'ANTHROPIC_API_KEY',
      'llm.example.com': 'TEAM',
    })
    const file = join(paths.dataDir, 'secrets', 'llm_keys.json')
    expect(readFileSync(file, 'utf8')).not.toContain('sk-value')
    expect(statSync(file).mode & 0o777).toBe(0o600)
    expect((await ak(['keys', 'remove', 'anthropic'])).stdout).toContain('gets no key any more')
    expect(await ak(['keys', 'remove', 'anthropic'])).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('no key is set for "api.anthropic.com"'),
    })
    expect((await ak(['keys', 'set', 'openai'])).stderr).toContain('no key was given on stdin')
    for (const bad of [
      ['keys'],
      ['keys', 'set'],
      ['keys', 'drop', 'x'],
      ['keys', 'list', 'x'],
      ['keys', 'set', 'openai', '--key', 'a b'],
    ]) {
      expect((await ak(bad, 'v')).code).toBe(2)
    }
    expect((await ak(['keys', 'set', '10.1.2.3'], 'v')).stderr).toContain('neither a provider nor a domain')
  })

  test('sets budgets that a gateway keeps to, shows how much is gone, and takes them away', async () => {
    expect((await ak(['budget', 'set', 'dev', '--max-tokens', '40', '--period', 'day'])).code).toBe(0)
    expect((await spend('dev')).length).toBe(2)
    expect((await ak(['budget'])).stdout).toMatch(/\ndev +tokens +40 +day +50 +125%\n/)
    await ak(['budget', 'set', '--max-usd', '2.5', '--max-requests', '3', '--max-bytes-out', '1m'])
    expect(JSON.parse((await ak(['budget', '--json'])).stdout)).toMatchObject([
      { budget: { max_usd: 2.5, max_requests: 3, max_bytes_out: 1024 ** 2 }, spent: { requests: 2 } },
      { sandbox: 'dev', budget: { max_tokens: 40, period: 'day' }, spent: { tokens: 50 } },
    ])
    expect((await spend('other')).length).toBe(1)
    expect((await ak(['budget', 'clear'])).stdout).toBe('The budget of all sandboxes is gone\n')
    expect((await ak(['budget', 'clear'])).code).toBe(1)
    expect((await spend('other')).length).toBe(SAMPLES.length)
    for (const bad of [
      ['set'],
      ['set', '--max-usd', '-1'],
      ['set', '--max-tokens', '1.5'],
      ['show', 'x'],
      ['clear', '--max-usd', '1'],
      ['set', '--max-usd', '1', '--warn-at', '101'],
    ]) {
      expect((await ak(['budget', ...bad])).code).toBe(2)
    }
  })
})

describe('the routes', () => {
  test('give usage, and take keys from those who have a key', async () => {
    const world = new HttpWorld({ keys: [KEY.authorization.slice(7)] })
    try {
      paths = resolvePaths({ HOME: world.root }, process.execPath)
      await spend('dev')
      const ask = async (path: string, init: RequestInit = {}) => {
        const answer = await fetch(world.url + path, { ...init, headers: { ...KEY, 'content-type': 'application/json' } })
        return { status: answer.status, data: ((await answer.json()) as { data?: unknown }).data }
      }
      const { data } = await ask('/llm/usage')
      expect(Object.keys(data as object)).toEqual(['dev'])
      const one = (await ask('/llm/usage/dev?since=1h')).data as Record<string, unknown>[]
      expect(one.find(({ model }) => model === 'gpt-4o')).toMatchObject({
        provider: 'openai',
        request_count: 2,
        total_tokens: 50,
        streaming_count: 1,
      })
      expect(await ask('/llm/usage/nobody')).toEqual({ status: 200, data: [] })
      expect((await ask('/llm/usage?since=x')).status).toBe(400)
      const put = { method: 'PUT', body: JSON.stringify({ vault_key_name: 'K' }) }
      expect(await ask('/llm/keys/gemini', put)).toEqual({
        status: 200,
        data: { domain: 'generativelanguage.googleapis.com', vault_key_name: 'K' },
      })
      expect((await ask('/llm/keys')).data).toEqual({ 'generativelanguage.googleapis.com': 'K' })
      expect((await ask('/llm/keys/google', { method: 'DELETE' })).data).toEqual({ removed: 'generativelanguage.googleapis.com' })
      expect((await ask('/llm/keys/google', { method: 'DELETE' })).status).toBe(404)
      expect((await ask('/llm/keys/a%20b', put)).status).toBe(400)
    } finally {
      await world.stop()
    }
  })

  test('let nobody without a key say where keys go', async () => {
    const world = new HttpWorld()
    try {
      for (const init of [{ method: 'PUT', body: '{"vault_key_name":"OPENAI_API_KEY"}' }, { method: 'DELETE' }]) {
        const answer = await fetch(`${world.url}/llm/keys/evil.example`, { ...init, headers: { 'content-type': 'application/json' } })
        expect(answer.status).toBe(403)
      }
    } finally {
      await world.stop()
    }
  })
})
