import { afterEach, expect, test } from 'bun:test'
import { createHmac } from 'node:crypto'
import { memoryStore } from '../../store/sandboxes/memory.ts'
import { Background } from '../background.ts'
import { EventBus } from './events.ts'
import { type Webhook, Webhooks } from './webhooks.ts'

const box = { name: 'box', labels: {}, backend: 'namespace' }
const cleanUp: (() => Promise<unknown>)[] = []
afterEach(async () => {
  for (const work of cleanUp.splice(0)) await work()
})

function receiver(answer: (request: Request, body: string) => Response) {
  const got: { body: string; headers: Headers }[] = []
  const server = Bun.serve({
    port: 0,
    hostname: '127.0.0.1',
    fetch: async (request) => {
      const body = await request.text()
      got.push({ body, headers: request.headers })
      return answer(request, body)
    },
  })
  cleanUp.push(() => server.stop(true))
  return { url: `http://127.0.0.1:${server.port}/hook?key=private`, got }
}

function sender(hooks: readonly Webhook[]) {
  const store = memoryStore(() => new Date(1_000_000))
  const events = new EventBus(store, () => new Date(1_000_000))
  const log: string[] = []
  const background = new Background((text) => void log.push(text))
  const webhooks = new Webhooks({
    background,
    hooks,
    events,
    store,
    now: () => new Date(1_000_000),
    log: (text) => void log.push(text),
    pause: async () => undefined,
  })
  webhooks.begin()
  cleanUp.push(() => background.end(5_000))
  return { store, events, webhooks, log, background }
}

async function until(condition: () => boolean): Promise<void> {
  for (const deadline = performance.now() + 5_000; !condition() && performance.now() < deadline;) await Bun.sleep(5)
  expect(condition()).toBe(true)
}

test('an event arrives as JSON, signed with the secret and the time', async () => {
  const { url, got } = receiver(() => new Response('ok'))
  const { events, webhooks } = sender([{ url, secret: 'hush' }])
  await Bun.sleep(0)
  events.emit('sandbox.created', box, { image: 'host' })
  await until(() => webhooks.list()[0]?.delivered === 1)
  const { body, headers } = got[0]!
  expect(JSON.parse(body)).toMatchObject({ event: 'sandbox.created', sandbox: 'box', metadata: { image: 'host' } })
  const signature = createHmac('sha256', 'hush').update(`1000.${body}`).digest('hex')
  expect(headers.get('x-agentkernel-signature')).toBe(`t=1000,v1=${signature}`)
  expect(headers.get('x-agentkernel-event')).toBe('sandbox.created')
})

test('a receiver that recovers gets the event, and one that does not leaves a dead letter without the address', async () => {
  let calls = 0
  const flaky = receiver(() => new Response('', { status: ++calls < 3 ? 500 : 204 }))
  const dead = receiver(() => new Response('', { status: 404 }))
  const { events, webhooks, log } = sender([{ url: flaky.url }, { url: dead.url }])
  await Bun.sleep(0)
  events.emit('sandbox.deleted', box)
  await until(() => webhooks.list()[0]?.delivered === 1 && webhooks.list()[1]?.failed === 1)
  expect(flaky.got.length).toBe(3)
  expect(dead.got.length).toBe(5)
  const [letter] = webhooks.deadLetters(10)
  expect(letter).toMatchObject({ attempts: 5, error: expect.stringContaining('404'), event: { event: 'sandbox.deleted' } })
  expect(JSON.stringify([letter, webhooks.list(), log])).not.toContain('private')
})

test('a redirect is not followed: it could lead the event to somebody else', async () => {
  const other = receiver(() => new Response('ok'))
  const { url } = receiver(() => new Response('', { status: 302, headers: { location: other.url } }))
  const { events, webhooks } = sender([{ url }])
  await Bun.sleep(0)
  events.emit('sandbox.created', box)
  await until(() => webhooks.list()[0]?.failed === 1)
  expect(other.got).toEqual([])
})

test('a receiver that hangs does not keep the sender from ending', async () => {
  const { url } = receiver(() => new Response(new ReadableStream({ pull: () => new Promise(() => undefined) })))
  const server = Bun.listen({ hostname: '127.0.0.1', port: 0, socket: { data: () => undefined } })
  cleanUp.push(async () => server.stop(true))
  const { events, webhooks, store, background } = sender([{ url: `http://127.0.0.1:${server.port}/` }, { url }])
  await Bun.sleep(0)
  events.emit('sandbox.created', box)
  await until(() => webhooks.list()[0]?.pending === 1)
  await background.end(5_000)
  expect(store.deadLetters(10).length).toBeGreaterThanOrEqual(1)
})
