import { describe, expect, test } from 'bun:test'
import { memoryStore } from '../../store/sandboxes/memory.ts'
import { Idempotency } from './idempotency.ts'

const setUp = () => {
  const store = memoryStore(() => new Date(0))
  return { store, once: new Idempotency(store, () => new Date(0)) }
}

describe('a request with a key', () => {
  test('happens once, and the same request gets the same reply, also later and while it is under way', async () => {
    const { once } = setUp()
    let runs = 0
    const work = async (): Promise<number> => {
      await Bun.sleep(1)
      return ++runs
    }
    const both = await Promise.all([once.once('k', { a: 1 }, work), once.once('k', { a: 1 }, work)])
    expect(both).toEqual([1, 1])
    expect(await once.once('k', { a: 1 }, work)).toBe(1)
    expect(runs).toBe(1)
  })

  test('is refused when the key was used for another request', async () => {
    const { once } = setUp()
    await once.once('k', { a: 1 }, async () => 1)
    await expect(once.once('k', { a: 2 }, async () => 2)).rejects.toMatchObject({ code: 'idempotency_mismatch' })
  })

  test('may be tried again after it failed', async () => {
    const { once } = setUp()
    const failing = once.once('k', {}, async () => {
      throw new RangeError('no')
    })
    await expect(failing).rejects.toThrow('no')
    expect(await once.once('k', {}, async () => 'second')).toBe('second')
  })

  test('that a crash cut short is free again once the store has been put right', async () => {
    const { store, once } = setUp()
    store.keepReply('k', { requestHash: 'x', status: 0, body: null, createdAt: new Date(0).toISOString() })
    store.dropUnfinishedReplies()
    expect(await once.once('k', {}, async () => 'again')).toBe('again')
  })

  test.each(['', ' ', 'ü', 'a b', 'x'.repeat(256)])('has a key of visible characters, not %j', async (key) => {
    await expect(setUp().once.once(key, {}, async () => 1)).rejects.toMatchObject({ code: 'invalid_argument' })
  })
})

test('without a key every request happens', async () => {
  const { once } = setUp()
  let runs = 0
  await once.once(undefined, {}, async () => ++runs)
  expect(await once.once(undefined, {}, async () => ++runs)).toBe(2)
})
