import { afterAll, beforeAll, expect, test } from 'bun:test'
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { ignore } from '../../src/lib/ignore.ts'
import { startDaemon, type TestDaemon } from '../support/daemon.ts'
import { GitServer } from '../support/git-server.ts'

const HOST = 'host.agentkernel.internal'
const audit = (name: string) => ({ name, event: 'on_request', target: { type: 'audit' } })
const hasTun = existsSync('/dev/net/tun')
const skipped = hasTun ? '' : ' (skipped: no /dev/net/tun here)'

let daemon: TestDaemon
let folder: string
let server: GitServer

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'ak-http-hooks-'))
  server = new GitServer(folder)
  daemon = await startDaemon({ keys: ['k'] })
})
afterAll(async () => {
  await daemon.dispose()
  await server.close()
  rmSync(folder, { recursive: true, force: true })
})

async function ask(
  path: string,
  method = 'GET',
  body?: object,
): Promise<{ readonly status: number; readonly data: unknown; readonly error?: string }> {
  const reply = await daemon.fetch(path, {
    method,
    ...(body === undefined ? {} : { body: JSON.stringify(body), headers: { 'content-type': 'application/json' } }),
  })
  const { data, error } = (await reply.json()) as { readonly data?: unknown; readonly error?: string }
  return { status: reply.status, data, ...(error === undefined ? {} : { error }) }
}

test('hooks are registered, listed and removed, and outlive the daemon', async () => {
  expect(await ask('/proxy/hooks', 'POST', audit('log'))).toEqual({ status: 200, data: "Hook 'log' registered in 0 proxies" })
  expect((await ask('/proxy/hooks', 'POST', audit('log'))).status).toBe(409)
  const webhook = { name: 'far', event: 'on_response', target: { type: 'webhook', url: 'https://hooks.example.com/token' } }
  expect((await ask('/proxy/hooks', 'POST', webhook)).status).toBe(200)
  const { home } = daemon
  await daemon.end('SIGKILL')
  daemon = await startDaemon({ keys: ['k'], home })
  expect((await ask('/proxy/hooks')).data).toEqual([
    { ...audit('log'), source: 'api' },
    { ...webhook, target: { type: 'webhook', url: 'https://hooks.example.com/…' }, source: 'api' },
  ])
  expect((await ask('/proxy/hooks/far', 'DELETE')).data).toBe("Hook 'far' removed")
  expect((await ask('/proxy/hooks/far', 'DELETE')).status).toBe(404)
  expect((await ask('/proxy/hooks/log', 'DELETE')).status).toBe(200)
})

test.each([
  { name: 'a', event: 'on_request', target: { type: 'file', path: '../../trust.json' } },
  { name: 'a', event: 'on_request', target: { type: 'file', path: '/etc/cron.d/x' } },
  { name: 'a', event: 'on_request', target: { type: 'webhook', url: 'http://hooks.example.com/' } },
  { name: 'a', event: 'never', target: { type: 'audit' } },
  { name: '../a', event: 'on_request', target: { type: 'audit' } },
])('a hook that cannot be one is refused: %j', async (hook) => {
  expect((await ask('/proxy/hooks', 'POST', hook)).status).toBe(400)
})

test('without a key nobody registers, sees or removes one', async () => {
  const open = await startDaemon()
  try {
    const statuses = await Promise.all([
      fetch(`${open.url}/proxy/hooks`),
      fetch(`${open.url}/proxy/hooks`, {
        method: 'POST',
        body: JSON.stringify(audit('a')),
        headers: { 'content-type': 'application/json' },
      }),
      fetch(`${open.url}/proxy/hooks/a`, { method: 'DELETE' }),
    ])
    expect(statuses.map(({ status }) => status)).toEqual([403, 403, 403])
  } finally {
    await open.dispose()
  }
})

test.skipIf(!hasTun)(
  `a sandbox that runs is told of by a hook that comes later, and its pushes are held to its rules${skipped}`,
  async () => {
    server.create('org/app.git')
    const place = `${HOST}:${server.port}`
    const made = await ask('/sandboxes', 'POST', { name: 'box', allow: [place], git_push: [`${HOST}/org/*=agent/*`] })
    expect(made.error).toBeUndefined()
    const file = { name: 'file', event: 'on_response', target: { type: 'file', path: 'box.jsonl' } }
    expect((await ask('/proxy/hooks', 'POST', file)).data).toBe("Hook 'file' registered in 1 proxies")
    expect((await ask('/proxy/hooks', 'POST', audit('log'))).status).toBe(200)

    const script = `
    export HOME=/tmp GIT_TERMINAL_PROMPT=0
    cd /tmp && git init -q -b main w && cd w && git -c user.name=a -c user.email=a@example.com commit -q --allow-empty -m one
    git push -q http://${place}/org/app.git HEAD:agent/x && echo pushed
    git push -q http://${place}/org/app.git HEAD:main 2>&1 || echo refused`
    const ran = await ask('/sandboxes/box/exec', 'POST', { command: ['sh', '-c', script] })
    const output = JSON.stringify(ran)
    expect(output).toContain('pushed')
    expect(output).toContain('HEAD -> main (only refs/heads/agent/* may be pushed here)')
    expect(server.ref('org/app.git', 'refs/heads/agent/x')).toBeDefined()
    expect(server.ref('org/app.git', 'refs/heads/main')).toBeUndefined()

    const proxy = (await ask('/sandboxes/box/proxy')).data
    expect(proxy).toMatchObject({
      sandbox: 'box',
      egress: 'tun',
      bound_hosts: [],
      rules: { allow: [place], block: [] },
      git_rules: [{ host: HOST, repos: ['org/*'], push: ['refs/heads/agent/*'], force: false, delete: false }],
    })
    expect(proxy).toHaveProperty('ca_fingerprint', expect.any(String))

    expect((await ask('/proxy/hooks/file', 'DELETE')).status).toBe(200)
    const lines = await eventually(() => readFileSync(join(daemon.dataDir, 'hooks/box.jsonl'), 'utf8').trimEnd().split('\n'))
    const told = lines.map((line) => JSON.parse(line) as { readonly url: string; readonly status: number; readonly sandbox: string })
    expect(told).toContainEqual(
      expect.objectContaining({
        sandbox: 'box',
        method: 'POST',
        status: 200,
        url: `http://${place}/org/app.git/git-receive-pack`,
        secret_injected: false,
      }),
    )
    // No query, and the refused push never left.
    expect(lines.join('\n')).not.toContain('?')
    expect(told.filter(({ url }) => url.endsWith('/git-receive-pack')).length).toBe(1)
    const log = await eventually(() => {
      const text = readFileSync(join(daemon.home, '.agentkernel/audit.jsonl'), 'utf8')
      return text.includes('"proxy_request"') ? text : undefined
    })
    expect(log).toContain(`http://${place}/org/app.git/git-receive-pack`)
  },
  60_000,
)

test('a damaged list of hooks is said', async () => {
  writeFileSync(join(daemon.dataDir, 'secrets/proxy_hooks.json'), '{', { mode: 0o600 })
  await ask('/sandboxes/box', 'DELETE')
  const { home } = daemon
  await daemon.end()
  daemon = await startDaemon({ keys: ['k'], home })
  expect((await ask('/proxy/hooks')).error).toContain('is damaged')
})

/** What `find` gives once it gives something. */
async function eventually<T>(find: () => T | undefined): Promise<T> {
  for (const deadline = Date.now() + 10_000; Date.now() < deadline; await Bun.sleep(20)) {
    try {
      const found = find()
      if (found !== undefined) return found
    } catch (error) {
      ignore(error, 'it is not there yet')
    }
  }
  throw new Error('it never came')
}
