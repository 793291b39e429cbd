import { expect, test } from 'bun:test'
import { memoryStore } from '../../store/sandboxes/memory.ts'
import { EventBus } from './events.ts'

const box = { name: 'box', labels: { team: 'a' }, backend: 'namespace' }
const setUp = () => {
  const store = memoryStore(() => new Date(0))
  return { store, bus: new EventBus(store, () => new Date(0)) }
}

test('who listens hears what happens from then on, with the backend and in order', async () => {
  const { bus } = setUp()
  bus.emit('sandbox.created', box)
  const stop = new AbortController()
  const heard: string[] = []
  const listening = (async () => {
    for await (const { event, sandbox, labels, metadata } of bus.listen({}, stop.signal)) {
      expect({ sandbox, labels, metadata }).toEqual({
        sandbox: 'box',
        labels: { team: 'a' },
        metadata: { backend: 'namespace', n: heard.length },
      })
      heard.push(event)
      if (heard.length === 2) stop.abort()
    }
  })()
  await Bun.sleep(0)
  bus.emit('sandbox.started', box, { n: 0 })
  bus.emit('sandbox.stopped', box, { n: 1 })
  await listening
  expect(heard).toEqual(['sandbox.started', 'sandbox.stopped'])
})

test('a listener that comes back goes on where it was, and hears of one sandbox when it asks for one', async () => {
  const { bus, store } = setUp()
  for (let i = 0; i < 500; i++) bus.emit('sandbox.updated', { ...box, name: i % 2 === 0 ? 'even' : 'odd' }, { i })
  const stop = new AbortController()
  const seen: unknown[] = []
  for await (const { metadata } of bus.listen({ after: 100, sandbox: 'odd' }, stop.signal)) {
    seen.push(metadata['i'])
    if (seen.length === 200) stop.abort()
  }
  expect(seen).toEqual(Array.from({ length: 200 }, (_, n) => 101 + 2 * n))
  expect(store.lastEventSeq()).toBe(500)
})

test('a number that was never given hears what comes next', async () => {
  const { bus } = setUp()
  const stop = new AbortController()
  const first = bus.listen({ after: 1_000_000 }, stop.signal).next()
  await Bun.sleep(0)
  bus.emit('sandbox.created', box)
  expect(await first).toMatchObject({ value: { event: 'sandbox.created' } })
})

test('a listener that is stopped while nothing happens ends', async () => {
  const { bus } = setUp()
  const stop = new AbortController()
  const ended = bus.listen({}, stop.signal).next()
  await Bun.sleep(0)
  stop.abort()
  expect((await ended).done).toBe(true)
})
