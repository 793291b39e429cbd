import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import type { SandboxInfo } from '../../src/contract/sandboxes.ts'
import { SandboxInfoSchema } from '../../src/contract/schemas/sandboxes.ts'
import { startDaemon } from '../support/daemon.ts'
import { HttpDaemon } from './http-daemon.ts'

let http: HttpDaemon
beforeAll(async () => {
  http = await HttpDaemon.start()
})
afterAll(async () => {
  await http.daemon.dispose()
})

const info = async (name: string): Promise<SandboxInfo> => (await http.ask(`/sandboxes/${name}`)).body['data'] as SandboxInfo

describe('a sandbox', () => {
  test('is made and started, and shown as the schema says', async () => {
    const { status, body } = await http.post('/sandboxes', {
      name: 'made',
      labels: { team: 'a' },
      description: 'x',
      vcpus: 1,
      memory_mb: 256,
    })
    expect(status).toBe(201)
    const made = SandboxInfoSchema.strict().parse(body['data'])
    expect(made).toMatchObject({ name: 'made', status: 'running', image: 'host', labels: { team: 'a' }, description: 'x', memory_mb: 256 })
    expect(made.uuid).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-7/)
    SandboxInfoSchema.strict().parse(await info('made'))
    expect((await http.ask(`/sandboxes/by-uuid/${made.uuid.toUpperCase()}`)).body['data']).toMatchObject({ name: 'made' })
  })

  test('tolerates nulls, and names the fields that it does not know', async () => {
    const { status, body } = await http.post('/sandboxes', {
      name: 'nulls',
      image: null,
      ports: [],
      secrets: null,
      colour: 'red',
      lifecycle: { halt: 1 },
    })
    expect(status).toBe(201)
    expect(body['data']).toMatchObject({
      warnings: expect.arrayContaining(['unknown field ignored: colour', 'unknown field ignored: lifecycle.halt']),
    })
  })

  test('publishes ports on this machine; beyond it only for somebody with a key', async () => {
    const { status, body } = await http.post('/sandboxes', { name: 'open', ports: ['8080', '0:53/udp'] })
    expect(status).toBe(201)
    const published = (body['data'] as SandboxInfo).ports
    expect(published).toEqual([expect.stringMatching(/^\d{4,5}:8080$/), expect.stringMatching(/^\d{4,5}:53\/udp$/)])
    const keyless = await startDaemon({ keys: [] })
    try {
      const ask = { method: 'POST', headers: { 'content-type': 'application/json' } }
      const reply = await fetch(`${keyless.url}/sandboxes`, { ...ask, body: JSON.stringify({ name: 'far', ports: ['0.0.0.0::80'] }) })
      expect(await reply.json()).toMatchObject({ code: 'api_key_required' })
      expect((await fetch(`${keyless.url}/sandboxes/far`)).status).toBe(404)
    } finally {
      await keyless.dispose()
    }
    for (const port of ['http', '70000:1', '1:2:3', '80/sctp', '']) {
      const bad = await http.post('/sandboxes', { name: 'bad', ports: [port] })
      expect([port, bad.status, bad.body['code']]).toEqual([port, 400, 'invalid_argument'])
    }
  })

  test('has a name of its own', async () => {
    await http.sandbox('twice')
    const { status, body } = await http.post('/sandboxes', { name: 'twice' })
    expect([status, body['code']]).toEqual([409, 'already_exists'])
  })

  test.each(['', 'a b', '-a', 'a--b', '../x', 'a'.repeat(64), 'é'])('is not called %j', async (name) => {
    const { status, body } = await http.post('/sandboxes', { name })
    expect([status, body['code']]).toEqual([400, 'invalid_argument'])
  })

  test('is made once, however often the same request comes with the same key', async () => {
    const ask = (name: string) => http.post('/sandboxes', { name }, { 'idempotency-key': 'once-1' })
    const replies = await Promise.all([ask('keyed'), ask('keyed')])
    const uuids = [...replies, await ask('keyed')].map(({ body }) => (body['data'] as SandboxInfo).uuid)
    expect(new Set(uuids).size).toBe(1)
    const other = await ask('other')
    expect([other.status, other.body['code']]).toEqual([422, 'idempotency_mismatch'])
    expect((await http.post('/sandboxes', { name: 'x' }, { 'idempotency-key': 'a b' })).status).toBe(400)
  })

  test('is found by labels, all of which it must have, written either way', async () => {
    await http.sandbox('blue', { labels: { tier: 'web', colour: 'blue' } })
    await http.sandbox('green', { labels: { tier: 'web', colour: 'green' } })
    const found = async (query: string) => ((await http.ask(`/sandboxes?${query}`)).body['data'] as SandboxInfo[]).map(({ name }) => name)
    expect(await found('label=tier:web')).toEqual(['blue', 'green'])
    expect(await found('label=tier%3Aweb&label=colour=blue')).toEqual(['blue'])
    expect(await found('label=tier:web&label=colour:red')).toEqual([])
    expect((await http.ask('/sandboxes?label=tier')).status).toBe(400)
  })

  test('gets other labels, description and lifecycle, and null clears them', async () => {
    await http.sandbox('patched', { labels: { a: '1' }, description: 'x' })
    const patch = async (json: object) => (await http.ask('/sandboxes/patched', { method: 'PATCH', json })).body['data']
    expect(await patch({ labels: { b: '2' }, lifecycle: { auto_stop_after_seconds: 3600 } })).toMatchObject({
      labels: { b: '2' },
      description: 'x',
    })
    const cleared = (await patch({ description: null, lifecycle: null })) as SandboxInfo
    expect([cleared.description, cleared.lifecycle, cleared.labels]).toEqual([undefined, undefined, { b: '2' }])
  })

  test('stops, starts and is removed, in words of the earlier product, with the sandbox beside them', async () => {
    await http.sandbox('lives')
    const stopped = await http.post('/sandboxes/lives/stop')
    expect(stopped.body).toMatchObject({ success: true, data: 'Sandbox stopped', sandbox: { status: 'stopped' } })
    expect((await http.post('/sandboxes/lives/exec', { command: ['true'] })).body['code']).toBe('sandbox_not_running')
    expect((await http.post('/sandboxes/lives/start')).body).toMatchObject({ data: 'Sandbox started', sandbox: { status: 'running' } })
    expect((await http.ask('/sandboxes/lives', { method: 'DELETE' })).body).toEqual({ success: true, data: 'Sandbox removed' })
    const gone = await http.ask('/sandboxes/lives')
    expect([gone.status, gone.body['error'], gone.body['code']]).toEqual([404, 'Sandbox not found', 'sandbox_not_found'])
  })

  test('lives longer when it is asked to', async () => {
    await http.sandbox('short', { ttl: '10m' })
    const extend = async (json: object) => (await http.post('/sandboxes/short/extend', json)).body['data'] as { expires_at: string | null }
    const before = Date.parse((await info('short')).expires_at ?? '')
    expect(Date.parse((await extend({})).expires_at ?? '') - before).toBe(3_600_000)
    expect(await extend({ by: '0' })).toEqual({ expires_at: null })
    expect((await http.post('/sandboxes/short/extend', { by: 'soon' })).status).toBe(400)
  })

  test('gives itself as a file from which another one is made', async () => {
    await http.sandbox('original', { memory_mb: 128, labels: { a: 'b' } })
    const config = (await http.ask('/sandboxes/original/config')).body['data'] as string
    expect(config).toContain('memory_mb = 128')
    const copy = await http.post('/sandboxes/copied/config', { config })
    expect([copy.status, (copy.body['data'] as SandboxInfo).status]).toEqual([201, 'stopped'])
    expect(await info('copied')).toMatchObject({ memory_mb: 128 })
    expect((await http.post('/sandboxes/import', { config, as: 'imported' })).status).toBe(201)
    expect((await http.post('/sandboxes/import', { config: '= no toml' })).status).toBe(400)
  })

  test('gets no more from a file than its caller may ask for', async () => {
    const open = await HttpDaemon.start({ keys: [] })
    try {
      const config = '[sandbox]\nname = "wide"\n[security]\nprofile = "permissive"'
      for (const path of ['/sandboxes/import', '/sandboxes/wide/config']) {
        const { status, body } = await open.post(path, { config })
        expect([path, status, body['code']]).toEqual([path, 403, 'api_key_required'])
      }
      expect((await open.ask('/sandboxes/wide')).status).toBe(404)
    } finally {
      await open.daemon.dispose()
    }
  })

  test('can be removed while it is being made', async () => {
    const making = http.post('/sandboxes', { name: 'hasty' })
    let removed = await http.ask('/sandboxes/hasty', { method: 'DELETE' })
    while (removed.status === 404) removed = await http.ask('/sandboxes/hasty', { method: 'DELETE' })
    expect(removed.status).toBe(200)
    await making
    expect((await http.ask('/sandboxes/hasty')).status).toBe(404)
  })
})

describe('the server', () => {
  test('measures a real sandbox from its making to its end, and leaves nothing', async () => {
    const { body } = await http.post('/benchmark')
    const data = body['data'] as Record<string, number>
    expect(data['total_ms']).toBeCloseTo(data['create_ms']! + data['exec_ms']! + data['destroy_ms']!, 0)
    const names = ((await http.ask('/sandboxes')).body['data'] as SandboxInfo[]).map(({ name }) => name)
    expect(names.filter((name) => name.startsWith('benchmark'))).toEqual([])
  })

  test('counts sandboxes and their commands', async () => {
    await http.sandbox('counted')
    await http.post('/sandboxes/counted/exec', { command: ['true'] })
    const { body } = await http.ask('/stats')
    expect(body['data']).toMatchObject({ sandbox_limit: 0, resource_usage: { cpu_percent: expect.any(Number) } })
    expect((body['data'] as { sandbox_count: number }).sandbox_count).toBeGreaterThan(0)
    const { text } = await http.ask('/metrics')
    expect(text).toMatch(/^agentkernel_sandboxes_active [1-9]/m)
    expect(text).toMatch(/^agentkernel_sandbox_lifecycle_total\{action="created",backend="\w+"\} [1-9]/m)
    expect(text).toMatch(/^agentkernel_commands_total\{backend="\w+"\} [1-9]/m)
  })

  test('reads the audit log, of one sandbox or of all', async () => {
    await http.sandbox('audited')
    await http.post('/sandboxes/audited/exec', { command: ['true'] })
    const of = async (path: string) => ((await http.ask(path)).body['data'] as { type: string }[]).map(({ type }) => type)
    expect(await of('/sandboxes/audited/logs')).toEqual(['sandbox_created', 'sandbox_started', 'command_executed'])
    expect(await of('/audit?last=1')).toHaveLength(1)
    expect((await http.ask('/sandboxes/audited/session')).body['data']).toMatchObject({ sandbox: 'audited' })
    expect((await http.ask('/sessions')).body['data']).toContainEqual({ sandbox: 'audited', entry_count: 3 })
    expect((await http.ask('/audit/verify')).body['data']).toMatchObject({ ok: true })
  })

  test('says what it would remove, and removes by label', async () => {
    await http.sandbox('old', { labels: { batch: 'gone' } })
    const gc = async (json: object) => (await http.post('/gc', json)).body['data']
    expect(await gc({ dry_run: true, labels: { batch: 'gone' } })).toEqual({ removed: ['old'], count: 1 })
    expect(await gc({ labels: { batch: 'gone' } })).toEqual({ removed: ['old'], count: 1 })
    expect((await http.ask('/sandboxes/old')).status).toBe(404)
    expect((await http.post('/lifecycle/reconcile?dry_run=true')).body['data']).toMatchObject({ dry_run: true, actions: [] })
  })
})
