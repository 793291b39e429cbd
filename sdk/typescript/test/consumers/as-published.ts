// A program in the style of the package as published (0.18.1). Only compiled: it must be accepted as it is.
import {
  AgentKernel,
  AgentKernelError,
  AuthError,
  BROWSER_SETUP_CMD,
  BrowserSession,
  NetworkError,
  NotFoundError,
  SandboxSession,
  ServerError,
  StreamError,
  ValidationError,
  type AgentKernelOptions,
  type ApiResponse,
  type AriaSnapshot,
  type BatchFileWriteResponse,
  type BrowserEvent,
  type CreateSandboxOptions,
  type DetachedCommand,
  type DetachedLogsResponse,
  type DetachedStatus,
  type ExecOptions,
  type ExtendTtlOptions,
  type ExtendTtlResponse,
  type PageLink,
  type PageResult,
  type RunOptions,
  type RunOutput,
  type SandboxInfo,
  type SandboxStatus,
  type SecurityProfile,
  type SnapshotMeta,
  type StreamEvent,
  type StreamEventType,
  type TakeSnapshotOptions,
} from 'agentkernel'

const options: AgentKernelOptions = { baseUrl: 'http://localhost:18888', apiKey: 'sk-1', timeout: 30000 }
const client = new AgentKernel(options)

export async function system(): Promise<string> {
  return client.health()
}

export async function running(): Promise<void> {
  const profile: SecurityProfile = 'restrictive'
  const run: RunOptions = { image: 'node:22-alpine', profile, fast: false }
  const result: RunOutput = await client.run(['npm', 'test'], run)
  const text: string = result.output
  const stream: AsyncGenerator<StreamEvent> = client.runStream(['python3', 'script.py'], run)
  for await (const event of stream) {
    const type: StreamEventType = event.type
    switch (type) {
      case 'output':
        console.log(String(event.data.data), String(event.data['data']))
        break
      case 'done':
        console.log('Exit code:', event.data.exit_code, text)
        break
    }
  }
  const batch = await client.batchRun([{ command: ['echo', 'hello'] }, { command: ['python3', '-c', 'print(2+2)'] }])
  batch.results.forEach((one) => console.log(one.output, one.error))
}

export async function sandboxes(): Promise<void> {
  const wanted: CreateSandboxOptions = {
    image: 'python:3.12-alpine',
    vcpus: 2,
    memory_mb: 1024,
    profile: 'moderate',
    source_url: 'https://example.com/repo.git',
    source_ref: 'main',
    volumes: ['mydata:/data', 'cache:/tmp/cache:ro'],
    secrets: ['OPENAI_API_KEY:api.openai.com'],
    secret_files: ['TOKEN'],
  }
  wanted.volumes?.push('more:/more')
  const info: SandboxInfo = await client.createSandbox('my-project', wanted)
  const status: SandboxStatus = info.status
  const all: SandboxInfo[] = await client.listSandboxes()
  if (status === 'running' && info.uuid) await client.getSandboxByUuid(info.uuid)
  await client.getSandbox(all[0]!.name)
  const logs: Record<string, unknown>[] = await client.getSandboxLogs('my-project')
  const by: ExtendTtlOptions = { by: '1h' }
  const extended: ExtendTtlResponse = await client.extendTtl('my-project', by)
  const expires: string | undefined = extended.expires_at
  const removed: void = await client.removeSandbox('my-project')
  console.log(logs, expires, removed)
}

export async function commands(): Promise<void> {
  const exec: ExecOptions = { workdir: '/app', env: ['NODE_ENV=production'], sudo: true }
  const result: RunOutput = await client.execInSandbox('my-sandbox', ['npm', 'start'], exec)
  const command: DetachedCommand = await client.execDetached('my-sandbox', ['python3', 'train.py'], exec)
  const words: string[] = command.command
  const code: number | null = command.exit_code
  const state: DetachedStatus = (await client.detachedStatus('my-sandbox', command.id)).status
  const logs: DetachedLogsResponse = await client.detachedLogs('my-sandbox', command.id)
  const errors = await client.detachedLogs('my-sandbox', command.id, 'stderr')
  const list: DetachedCommand[] = await client.detachedList('my-sandbox')
  await client.detachedKill('my-sandbox', command.id)
  console.log(result.output, words, code, state, logs.stdout, errors.stderr, list.length)
}

export async function files(): Promise<void> {
  await client.writeFile('my-sandbox', 'tmp/hello.txt', 'hello world')
  const said: string = await client.writeFile('my-sandbox', 'tmp/data.bin', btoa('binary'), { encoding: 'base64' })
  const file = await client.readFile('my-sandbox', 'tmp/hello.txt')
  const [content, encoding, size]: [string, 'utf8' | 'base64', number] = [file.content, file.encoding, file.size]
  await client.deleteFile('my-sandbox', 'tmp/hello.txt')
  const { written }: BatchFileWriteResponse = await client.writeFiles('my-sandbox', { '/app/index.js': "console.log('hi')" })
  console.log(said, content, encoding, size, written)
}

export async function snapshots(): Promise<void> {
  const take: TakeSnapshotOptions = { sandbox: 'a', name: 'b' }
  const meta: SnapshotMeta = await client.takeSnapshot(take)
  const all: SnapshotMeta[] = await client.listSnapshots()
  await client.getSnapshot(meta.name)
  const restored: SandboxInfo = await client.restoreSnapshot(meta.name, { as_name: 'c' })
  await client.restoreSnapshot(meta.name)
  await client.deleteSnapshot(meta.name)
  console.log(all.length, restored.name)
}

export async function durable(): Promise<void> {
  const created = await client.createOrchestration({ name: 'flow', input: { a: 1 } })
  const id = String(created.id)
  await client.listOrchestrations()
  await client.getOrchestration(id)
  await client.signalOrchestration(id, { name: 'approve', data: {} })
  await client.terminateOrchestration(id, { reason: 'done' })
  await client.upsertOrchestrationDefinition({ name: 'flow', steps: [] })
  await client.listOrchestrationDefinitions()
  await client.getOrchestrationDefinition('flow')
  await client.deleteOrchestrationDefinition('flow')
  const object = await client.createObject({ class: 'Counter', object_id: 'a' })
  await client.listObjects()
  await client.getObject(String(object.id))
  await client.patchObject(String(object.id), { status: 'active' })
  await client.deleteObject(String(object.id))
  await client.callObject('Counter', 'a', 'increment', { by: 1 })
  const schedule = await client.createSchedule({ name: 's', method: 'm', cron: '* * * * *' })
  await client.listSchedules()
  await client.getSchedule(String(schedule.id))
  await client.deleteSchedule(String(schedule.id))
  const store = await client.createStore({ name: 's', kind: 'sqlite' })
  await client.listStores()
  await client.getStore(String(store.id))
  await client.queryStore(String(store.id), { sql: 'select 1', params: [] })
  await client.executeStore(String(store.id), { sql: 'delete from t' })
  await client.commandStore(String(store.id), { command: ['GET', 'a'] })
  await client.deleteStore(String(store.id))
}

export async function sessions(): Promise<void> {
  await using box = await client.sandbox('my-session', { image: 'python:3.12-alpine' })
  const typed: SandboxSession = box
  await typed.run(['pip', 'install', 'numpy'], { workdir: '/app', sudo: true })
  const tests = await box.exec(['npm', 'test'])
  await box.writeFiles({ '/a': 'b' })
  const info: SandboxInfo = await box.info()
  await box.remove()
  console.log(tests.output, info.name)
  const other = await client.sandbox('other')
  await other[Symbol.asyncDispose]()
}

export async function browsing(): Promise<void> {
  await using browser: BrowserSession = await client.browser('web', { memory_mb: 2048 })
  const page: PageResult = await browser.goto('https://example.com')
  const links: PageLink[] = page.links
  const png: string = await browser.screenshot()
  const title = await browser.evaluate('document.title')
  const aria: AriaSnapshot = await browser.open('https://example.com', 'main')
  await browser.snapshot('main')
  await browser.click({ ref: aria.refs[0]!, page: 'main' })
  await browser.fill('text', { selector: '#q' })
  const names: string[] = await browser.listPages()
  await browser.closePage('main')
  await browser.remove()
  const event: BrowserEvent = { seq: 1, type: 'page.clicked', page: 'main', ts: '' }
  console.log(links, png.length, title, names, event, BROWSER_SETUP_CMD)
}

export function described(error: unknown): string {
  if (error instanceof AuthError || error instanceof NotFoundError || error instanceof ValidationError) return `${error.status}`
  if (error instanceof ServerError || error instanceof NetworkError || error instanceof StreamError) return error.message
  if (error instanceof AgentKernelError) return `${error.status}: ${error.message}`
  return 'unknown'
}

// What somebody's own tests make by hand.
export const made: SandboxInfo = { name: 'a', status: 'running', backend: 'docker' }
export const envelope: ApiResponse<SandboxInfo> = { success: true, data: made }
