import { afterAll, beforeAll, expect, test } from 'bun:test'
import type { SandboxOperations } from '../../src/contract/sandbox-operations.ts'
import type { LifecycleEvent } from '../../src/contract/sandboxes.ts'
import { startServices } from '../support/services.ts'

/** The states of sandboxes and what is told of them, with the engine in this process and real sandboxes. */
let engine: Awaited<ReturnType<typeof startServices>>
let operations: SandboxOperations
const told: LifecycleEvent[] = []
const listening = new AbortController()
beforeAll(async () => {
  engine = await startServices()
  ;({ operations } = engine)
  void (async () => {
    for await (const event of operations.events({}, listening.signal)) told.push(event)
  })()
  await Bun.sleep(0)
})
afterAll(async () => {
  listening.abort()
  await engine.dispose()
})

const CALLER = { caller: { door: 'socket', authenticated: true } } as const
const never = new AbortController().signal
const create = (name: string, more: object = {}) => operations.create({ name, ...more }, CALLER, never)
const exec = (name: string, ...command: string[]) => operations.exec(name, { command }, CALLER, never)
const eventsOf = (name: string) =>
  told.filter(({ sandbox, event }) => sandbox === name && !event.includes('exec')).map(({ event }) => event)
const audited = async (name: string) =>
  (await operations.logs(name)).records.map(({ type }) => type).filter((type) => type !== 'command_executed')

test('each change is told once, in events and in the audit log', async () => {
  await create('told')
  await Promise.all([operations.start('told', never), operations.start('told', never)])
  await Promise.all([operations.stop('told', never), operations.stop('told', never)])
  await operations.start('told', never)
  expect(await audited('told')).toEqual(['sandbox_created', 'sandbox_started', 'sandbox_stopped', 'sandbox_started'])
  await operations.remove('told', never)
  await Bun.sleep(10)
  const lives = ['sandbox.created', 'sandbox.started', 'sandbox.stopped', 'sandbox.started', 'sandbox.deleted']
  expect(eventsOf('told')).toEqual(lives as ReturnType<typeof eventsOf>)
})

test('recovering one that runs leaves it running', async () => {
  await create('runs')
  expect((await operations.recover('runs')).status).toBe('running')
  expect((await exec('runs', 'echo', 'still')).output).toBe('still\n')
  await operations.remove('runs', never)
})

test('one that was put away is not brought back by stopping it', async () => {
  await create('away', { lifecycle: { auto_archive_after_seconds: 0 } })
  await operations.reconcile({ dry_run: false }, never)
  expect((await operations.get('away')).status).toBe('archived')
  expect((await operations.stop('away', never)).status).toBe('archived')
  await expect(operations.start('away', never)).rejects.toMatchObject({ code: 'sandbox_archived' })
  await operations.remove('away', never)
})

test('a command that runs keeps its sandbox from being stopped for idleness, attended or not', async () => {
  await create('busy', { lifecycle: { auto_stop_after_seconds: 1 } })
  const waited = exec('busy', 'sh', '-c', 'sleep 2.5; echo done')
  expect((await waited).output).toBe('done\n')
  await operations.execDetach('busy', { command: ['sleep', '2.5'] }, CALLER, never)
  await Bun.sleep(2_000)
  expect((await operations.get('busy')).status).toBe('running')
  await operations.remove('busy', never)
}, 20_000)

test('a command that never starts is in the audit log too', async () => {
  await create('refused')
  await expect(exec('refused', 'no-such-program')).rejects.toMatchObject({ code: 'command_not_found' })
  await Bun.sleep(20)
  const records = (await operations.logs('refused')).records.filter(({ type }) => type === 'command_executed')
  expect(records).toMatchObject([{ command: ['no-such-program'], exit_code: null }])
  await operations.remove('refused', never)
})

test('a request that is withdrawn before it begins leaves nothing, not even its name', async () => {
  const leaving = new AbortController()
  leaving.abort()
  await expect(operations.create({ name: 'withdrawn' }, CALLER, leaving.signal)).rejects.toMatchObject({ code: 'canceled' })
  await expect(operations.get('withdrawn')).rejects.toMatchObject({ code: 'sandbox_not_found' })
  expect(eventsOf('withdrawn')).toEqual([])
})

test('a command that was killed has ended when the answer comes', async () => {
  await create('killed')
  const { id } = await operations.execDetach('killed', { command: ['sleep', '100'] }, CALLER, never)
  await operations.execKill('killed', id)
  expect((await operations.execGet('killed', id)).status).toBe('failed')
  await operations.remove('killed', never)
})
