import { describe, expect, test } from 'bun:test'
import { LATER_ROUTES } from '../../../src/contract/later.ts'
import { type Operation, OPERATIONS } from '../../../src/contract/operations.ts'
import { AgentKernel } from '../src/index.ts'
import { FixtureServer } from './fixture-server.ts'

type Call = (client: AgentKernel) => unknown

/** Every method of the client with the route that it asks. `box` is a sandbox, `id` an id. */
const CALLS: Readonly<Record<string, readonly [string, Call]>> = {
  health: ['GET /health', (c) => c.health()],
  status: ['GET /status', (c) => c.status()],
  stats: ['GET /stats', (c) => c.stats()],
  metrics: ['GET /metrics', (c) => c.metrics()],
  openapi: ['GET /openapi.json', (c) => c.openapi()],
  doctor: ['GET /doctor', (c) => c.doctor()],
  agents: ['GET /agents', (c) => c.agents()],
  audit: ['GET /audit', (c) => c.audit({ last: 5 })],
  verifyAudit: ['GET /audit/verify', (c) => c.verifyAudit()],
  listSessions: ['GET /sessions', (c) => c.listSessions()],
  listWebhooks: ['GET /webhooks', (c) => c.listWebhooks()],
  listDeadLetters: ['GET /webhooks/dead-letters', (c) => c.listDeadLetters({ last: 5 })],
  gc: ['POST /gc', (c) => c.gc({ dry_run: true })],
  reconcile: ['POST /lifecycle/reconcile', (c) => c.reconcile({ dry_run: true })],
  events: ['GET /events', (c) => c.events({ reconnects: 0 }).next()],
  benchmark: ['POST /benchmark', (c) => c.benchmark()],
  listImages: ['GET /images', (c) => c.listImages()],
  deleteImage: ['DELETE /images/id', (c) => c.deleteImage('id')],
  request: ['PATCH /anything', (c) => c.request('PATCH', '/anything')],
  run: ['POST /run', (c) => c.run(['x'])],
  runStream: ['POST /run/stream', (c) => c.runStream(['x']).next()],
  batchRun: ['POST /batch/run', (c) => c.batchRun([{ command: ['x'] }])],
  listSandboxes: ['GET /sandboxes', (c) => c.listSandboxes({ labels: { a: 'b' } })],
  createSandbox: ['POST /sandboxes', (c) => c.createSandbox('box')],
  getSandbox: ['GET /sandboxes/box', (c) => c.getSandbox('box')],
  getSandboxByUuid: ['GET /sandboxes/by-uuid/id', (c) => c.getSandboxByUuid('id')],
  patchSandbox: ['PATCH /sandboxes/box', (c) => c.patchSandbox('box', { labels: {}, description: null, lifecycle: null })],
  removeSandbox: ['DELETE /sandboxes/box', (c) => c.removeSandbox('box')],
  startSandbox: ['POST /sandboxes/box/start', (c) => c.startSandbox('box')],
  stopSandbox: ['POST /sandboxes/box/stop', (c) => c.stopSandbox('box')],
  resizeSandbox: ['POST /sandboxes/box/resize', (c) => c.resizeSandbox('box', { memory_mb: 64 })],
  recoverSandbox: ['POST /sandboxes/box/recover', (c) => c.recoverSandbox('box')],
  extendTtl: ['POST /sandboxes/box/extend', (c) => c.extendTtl('box', { by: '1h' })],
  getSandboxLogs: ['GET /sandboxes/box/logs', (c) => c.getSandboxLogs('box')],
  getSession: ['GET /sandboxes/box/session', (c) => c.getSession('box')],
  sandboxStats: ['GET /sandboxes/box/stats', (c) => c.sandboxStats('box')],
  exportConfig: ['GET /sandboxes/box/config', (c) => c.exportConfig('box')],
  importConfig: ['POST /sandboxes/import', (c) => c.importConfig({ config: '' })],
  'importConfig as': ['POST /sandboxes/box/config', (c) => c.importConfig({ config: '', as: 'box' })],
  execInSandbox: ['POST /sandboxes/box/exec', (c) => c.execInSandbox('box', ['x'])],
  execStream: ['POST /sandboxes/box/exec/stream', (c) => c.execStream('box', ['x']).next()],
  openExec: ['GET /sandboxes/box/exec/ws', (c) => c.openExec('box', ['x'])],
  attachExec: ['GET /sandboxes/box/exec/detached/id/ws', (c) => c.attachExec('box', 'id')],
  execDetached: ['POST /sandboxes/box/exec/detach', (c) => c.execDetached('box', ['x'])],
  detachedStatus: ['GET /sandboxes/box/exec/detached/id', (c) => c.detachedStatus('box', 'id')],
  detachedLogs: ['GET /sandboxes/box/exec/detached/id/logs', (c) => c.detachedLogs('box', 'id', 'stderr')],
  detachedOutput: ['GET /sandboxes/box/exec/detached/id/output', (c) => c.detachedOutput('box', 'id')],
  detachedKill: ['DELETE /sandboxes/box/exec/detached/id', (c) => c.detachedKill('box', 'id')],
  detachedList: ['GET /sandboxes/box/exec/detached', (c) => c.detachedList('box')],
  readFile: ['GET /sandboxes/box/files/a/b', (c) => c.readFile('box', '/a/b')],
  writeFile: ['PUT /sandboxes/box/files/a/b', (c) => c.writeFile('box', 'a/b', 'x', { encoding: 'base64' })],
  deleteFile: ['DELETE /sandboxes/box/files/a/b', (c) => c.deleteFile('box', '//a/b', { recursive: true })],
  writeFiles: ['POST /sandboxes/box/files', (c) => c.writeFiles('box', { '/a': 'x' })],
  statFile: ['GET /sandboxes/box/stat/a/b', (c) => c.statFile('box', '/a/b')],
  listFiles: ['GET /sandboxes/box/list/', (c) => c.listFiles('box', '/')],
  makeDir: ['POST /sandboxes/box/mkdir', (c) => c.makeDir('box', '/a')],
  moveFile: ['POST /sandboxes/box/move', (c) => c.moveFile('box', '/a', '/b')],
  watchFiles: ['GET /sandboxes/box/watch', (c) => c.watchFiles('box', '/a').next()],
  readStream: ['GET /sandboxes/box/raw/a', (c) => c.readStream('box', '/a')],
  writeStream: ['PUT /sandboxes/box/raw/a', (c) => c.writeStream('box', '/a', 'x')],
  tarOut: ['GET /sandboxes/box/tar/a', (c) => c.tarOut('box', '/a')],
  tarIn: ['PUT /sandboxes/box/tar/a', (c) => c.tarIn('box', '/a', 'x')],
  listSecrets: ['GET /secrets', (c) => c.listSecrets()],
  setSecret: ['POST /secrets', (c) => c.setSecret('K', 'v')],
  deleteSecret: ['DELETE /secrets/K', (c) => c.deleteSecret('K')],
  listProxyHooks: ['GET /proxy/hooks', (c) => c.listProxyHooks()],
  addProxyHook: ['POST /proxy/hooks', (c) => c.addProxyHook({ name: 'h', event: 'on_request', target: { type: 'audit' } })],
  deleteProxyHook: ['DELETE /proxy/hooks/h', (c) => c.deleteProxyHook('h')],
  getSandboxProxy: ['GET /sandboxes/box/proxy', (c) => c.getSandboxProxy('box')],
  llmUsage: ['GET /llm/usage', (c) => c.llmUsage()],
  sandboxLlmUsage: ['GET /llm/usage/box', (c) => c.sandboxLlmUsage('box')],
  llmSpend: ['GET /llm/spend', (c) => c.llmSpend()],
  listLlmKeys: ['GET /llm/keys', (c) => c.listLlmKeys()],
  setLlmKey: ['PUT /llm/keys/openai', (c) => c.setLlmKey('openai', { vault_key_name: 'K' })],
  deleteLlmKey: ['DELETE /llm/keys/openai', (c) => c.deleteLlmKey('openai')],
  listPermissions: ['GET /permissions', (c) => c.listPermissions()],
  grantPermission: ['POST /permissions/grant', (c) => c.grantPermission({ kind: 'sudo_exec' })],
  revokePermission: ['DELETE /permissions/id', (c) => c.revokePermission('id')],
  checkPermission: ['POST /permissions/check', (c) => c.checkPermission({ kind: 'sudo_exec' })],
  policyStatus: ['GET /policy/status', (c) => c.policyStatus()],
  checkPolicy: ['POST /policy/check', (c) => c.checkPolicy({ action: 'run' })],
  reloadPolicy: ['POST /policy/reload', (c) => c.reloadPolicy()],
  policyAudit: ['GET /policy/audit', (c) => c.policyAudit({ last: 5 })],
  quotas: ['GET /quotas', (c) => c.quotas()],
  listSnapshots: ['GET /snapshots', (c) => c.listSnapshots()],
  takeSnapshot: ['POST /snapshots', (c) => c.takeSnapshot({ sandbox: 'box' })],
  getSnapshot: ['GET /snapshots/s', (c) => c.getSnapshot('s')],
  deleteSnapshot: ['DELETE /snapshots/s', (c) => c.deleteSnapshot('s')],
  restoreSnapshot: ['POST /snapshots/s/restore', (c) => c.restoreSnapshot('s')],
  listOrchestrations: ['GET /orchestrations', (c) => c.listOrchestrations()],
  createOrchestration: ['POST /orchestrations', (c) => c.createOrchestration({ name: 'o' })],
  getOrchestration: ['GET /orchestrations/id', (c) => c.getOrchestration('id')],
  signalOrchestration: ['POST /orchestrations/id/events', (c) => c.signalOrchestration('id', { name: 'go' })],
  terminateOrchestration: ['POST /orchestrations/id/terminate', (c) => c.terminateOrchestration('id')],
  patchOrchestration: ['PATCH /orchestrations/id', (c) => c.patchOrchestration('id', {})],
  deleteOrchestration: ['DELETE /orchestrations/id', (c) => c.deleteOrchestration('id')],
  listOrchestrationDefinitions: ['GET /orchestrations/definitions', (c) => c.listOrchestrationDefinitions()],
  upsertOrchestrationDefinition: ['POST /orchestrations/definitions', (c) => c.upsertOrchestrationDefinition({ name: 'd' })],
  getOrchestrationDefinition: ['GET /orchestrations/definitions/d', (c) => c.getOrchestrationDefinition('d')],
  deleteOrchestrationDefinition: ['DELETE /orchestrations/definitions/d', (c) => c.deleteOrchestrationDefinition('d')],
  listObjects: ['GET /objects', (c) => c.listObjects()],
  createObject: ['POST /objects', (c) => c.createObject({ class: 'C', object_id: 'o' })],
  getObject: ['GET /objects/id', (c) => c.getObject('id')],
  patchObject: ['PATCH /objects/id', (c) => c.patchObject('id', {})],
  deleteObject: ['DELETE /objects/id', (c) => c.deleteObject('id')],
  callObject: ['POST /objects/C/o/call/m', (c) => c.callObject('C', 'o', 'm', { a: 1 })],
  alarmObject: ['POST /objects/C/o/alarm', (c) => c.alarmObject('C', 'o')],
  listSchedules: ['GET /schedules', (c) => c.listSchedules()],
  createSchedule: ['POST /schedules', (c) => c.createSchedule({ name: 's', method: 'm', cron: '* * * * *' })],
  getSchedule: ['GET /schedules/id', (c) => c.getSchedule('id')],
  deleteSchedule: ['DELETE /schedules/id', (c) => c.deleteSchedule('id')],
  triggerSchedule: ['POST /schedules/id/trigger', (c) => c.triggerSchedule('id')],
  listStores: ['GET /stores', (c) => c.listStores()],
  createStore: ['POST /stores', (c) => c.createStore({ name: 's', kind: 'sqlite' })],
  getStore: ['GET /stores/id', (c) => c.getStore('id')],
  deleteStore: ['DELETE /stores/id', (c) => c.deleteStore('id')],
  queryStore: ['POST /stores/id/query', (c) => c.queryStore('id', { sql: 'select 1' })],
  executeStore: ['POST /stores/id/execute', (c) => c.executeStore('id', 'delete from t where a = ?', [1])],
  commandStore: ['POST /stores/id/command', (c) => c.commandStore('id', ['GET', 'a'])],
  redisCommand: ['POST /sandboxes/box/redis', (c) => c.redisCommand('box', ['PING'])],
  sandbox: ['POST /sandboxes', (c) => c.sandbox('box')],
  browser: ['POST /sandboxes', (c) => c.browser('box')],
}

/** Routes of the product without a method, each with the reason. */
const WITHOUT: Readonly<Record<string, string>> = {
  'GET /docs': 'a page for people',
  '* /opencode/*': 'the protocol of another program',
  'POST /sandboxes/{name}/pause': 'its answer is not fixed yet',
  'POST /sandboxes/{name}/resume': 'its answer is not fixed yet',
  'POST /sandboxes/{name}/fork': 'its answer is not fixed yet',
  '* /sandboxes/{name}/browser/*': 'methods of BrowserSession, tested with it',
}

const pattern = (path: string): RegExp => new RegExp(`^${path.replace(/\{path\}|\*/g, '.*').replace(/\{\w+\}/g, '[^/]+')}$`)
const reached = Object.values(CALLS).map(([route]) => route.split(' ') as [string, string])
const isReached = (method: string, path: string): boolean => reached.some(([m, p]) => m === method && pattern(path).test(p))

async function asked(call: Call): Promise<string> {
  using server = new FixtureServer(() => Response.json({ success: false, error: 'not here' }, { status: 418 }), {
    socket: { message: (ws) => ws.close() },
  })
  await Promise.resolve(call(new AgentKernel({ baseUrl: server.url }))).catch(() => undefined)
  const [first] = server.seen
  return `${first?.method} ${first?.path}`
}

describe('the methods of the client', () => {
  for (const [name, [route, call]] of Object.entries(CALLS)) {
    test(`${name} asks ${route}`, async () => expect(await asked(call)).toBe(route))
  }

  test('are all in this list', () => {
    const names: string[] = []
    for (let proto = AgentKernel.prototype as object; proto !== Object.prototype; proto = Object.getPrototypeOf(proto) as object) {
      names.push(...Object.getOwnPropertyNames(proto).filter((name) => name !== 'constructor'))
    }
    expect(names.filter((name) => !(name in CALLS))).toEqual([])
  })
})

describe('the routes of the product', () => {
  test('each have a method', () => {
    const missing = Object.values<Operation>(OPERATIONS).flatMap(({ http }) => {
      if (http === undefined || `${http.method} ${http.path}` in WITHOUT || isReached(http.method, http.path)) return []
      return [`${http.method} ${http.path}`]
    })
    expect(missing).toEqual([])
  })

  test('that come later have one too', () => {
    const missing = LATER_ROUTES.flatMap(({ methods, path }) =>
      methods.flatMap((method) => {
        if (`${method} ${path}` in WITHOUT || `* ${path}` in WITHOUT || isReached(method, path)) return []
        return [`${method} ${path}`]
      }),
    )
    // A row for a whole tree lists every method that somewhere below it exists.
    expect(missing.filter((route) => !/^PATCH \/(schedules|stores)\/\*$/.test(route))).toEqual([])
  })

  test('are asked by no method that the product does not have', () => {
    const known = [
      ...Object.values<Operation>(OPERATIONS).flatMap(({ http }) =>
        http === undefined ? [] : [{ methods: [http.method as string], path: http.path }],
      ),
      ...LATER_ROUTES.map(({ methods, path }) => ({ methods: methods as readonly string[], path })),
    ]
    const unknown = reached.filter(([method, path]) => !known.some((row) => row.methods.includes(method) && pattern(row.path).test(path)))
    expect(unknown.map((route) => route.join(' '))).toEqual(['PATCH /anything'])
  })
})
