import { describe, expect, test } from 'bun:test'
import { Traffic } from './traffic.ts'

describe('traffic', () => {
  test('is limited, and leaving makes room', () => {
    const traffic = new Traffic(2)
    const leave = traffic.enter()
    traffic.enter()
    expect(() => traffic.enter()).toThrow(/2 requests/)
    leave()
    leave()
    expect(traffic.count).toBe(1)
    traffic.enter()
    expect(() => traffic.enter()).toThrow(/2 requests/)
  })

  test('drains at once when there is none, and lets nobody in afterwards', async () => {
    const traffic = new Traffic(2)
    await traffic.drain(60_000)
    expect(traffic.forced.aborted).toBe(true)
    expect(() => traffic.enter()).toThrow(/shutting down/)
  })

  test('waits for what is under way, which is told at once that it is to close', async () => {
    const traffic = new Traffic(2)
    const leave = traffic.enter()
    const drained = traffic.drain(60_000)
    expect([traffic.closing.aborted, traffic.forced.aborted]).toEqual([true, false])
    const again = traffic.drain(60_000)
    leave()
    await Promise.all([drained, again])
    expect(traffic.forced.aborted).toBe(true)
  })

  test('is forced when its time is over', async () => {
    const traffic = new Traffic(2)
    traffic.enter()
    await traffic.drain(1)
    expect(traffic.forced.aborted).toBe(true)
  })
})
