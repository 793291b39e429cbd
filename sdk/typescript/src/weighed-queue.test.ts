import { describe, expect, test } from 'bun:test'
import { WeighedQueue } from './weighed-queue.ts'

describe('a queue of chunks', () => {
  test('gives what came in its order, then ends', async () => {
    const queue = new WeighedQueue<number>(() => undefined)
    for (let item = 0; item < 5000; item += 1) queue.push(item, 1)
    queue.end()
    expect(await Array.fromAsync(queue)).toEqual(Array.from({ length: 5000 }, (_, item) => item))
  })

  test('lets a reader wait for what is to come', async () => {
    const queue = new WeighedQueue<string>(() => undefined)
    const reader = Array.fromAsync(queue)
    queue.push('a', 1)
    await Promise.resolve()
    queue.push('b', 1)
    queue.end()
    expect(await reader).toEqual(['a', 'b'])
  })

  test('tells how much waits', async () => {
    const weights: number[] = []
    const queue = new WeighedQueue<string>((weight) => weights.push(weight))
    queue.push('a', 10)
    queue.push('b', 5)
    queue.end()
    await Array.fromAsync(queue)
    expect(weights).toEqual([10, 15, 5, 0])
  })

  test('throws its error once everything is taken, and takes nothing after its end', async () => {
    const queue = new WeighedQueue<string>(() => undefined)
    queue.push('a', 1)
    queue.end(new RangeError('broken'))
    queue.end()
    queue.push('late', 1)
    const seen: string[] = []
    const read = async (): Promise<void> => {
      for await (const item of queue) seen.push(item)
    }
    await expect(read()).rejects.toThrow('broken')
    expect(seen).toEqual(['a'])
  })

  test('goes on for a reader who left the loop and came back', async () => {
    const queue = new WeighedQueue<string>(() => undefined)
    for (const item of ['a', 'b', 'c']) queue.push(item, 1)
    queue.end()
    for await (const item of queue) if (item === 'a') break
    expect(await Array.fromAsync(queue)).toEqual(['b', 'c'])
  })
})
