import { expect, test } from 'bun:test'
import { SandboxLocks } from './locks.ts'

const never = new AbortController().signal

test('work on one sandbox follows one another, work on two does not wait', async () => {
  const locks = new SandboxLocks()
  const order: string[] = []
  let finish = (): void => undefined
  const first = locks.hold('a', never, async () => {
    order.push('a1 begins')
    await new Promise<void>((resolve) => (finish = resolve))
    order.push('a1 ends')
  })
  const second = locks.hold('a', never, async () => void order.push('a2'))
  await locks.hold('b', never, async () => void order.push('b'))
  expect(order).toEqual(['a1 begins', 'b'])
  finish()
  await Promise.all([first, second])
  expect(order).toEqual(['a1 begins', 'b', 'a1 ends', 'a2'])
})

test('who waits can leave, and those behind still get their turn', async () => {
  const locks = new SandboxLocks()
  let finish = (): void => undefined
  const first = locks.hold('a', never, () => new Promise<void>((resolve) => (finish = resolve)))
  const leaving = new AbortController()
  const left = locks.hold('a', leaving.signal, async () => 'never')
  const third = locks.hold('a', never, async () => 'third')
  leaving.abort()
  await expect(left).rejects.toMatchObject({ code: 'canceled' })
  finish()
  await first
  expect(await third).toBe('third')
})

test('a failure of one does not keep the next', async () => {
  const locks = new SandboxLocks()
  const failing = locks.hold('a', never, async () => {
    throw new RangeError('broken')
  })
  const next = locks.hold('a', never, async () => 'next')
  await expect(failing).rejects.toThrow('broken')
  expect(await next).toBe('next')
})

test('an interruption reaches whoever holds the lock', async () => {
  const locks = new SandboxLocks()
  const held = locks.hold(
    'a',
    never,
    (signal) => new Promise<unknown>((resolve) => signal.addEventListener('abort', () => resolve(signal.reason))),
  )
  await Promise.resolve()
  await Promise.resolve()
  await Bun.sleep(0)
  locks.interrupt('a')
  expect(await held).toMatchObject({ code: 'canceled' })
})
