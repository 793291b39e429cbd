import { expect, test } from 'bun:test'
import { Handover } from './handover.ts'

test('whoever adds waits until the item is taken', async () => {
  const queue = new Handover<number>()
  let added = false
  const adding = queue.add(1).then(() => (added = true))
  await Bun.sleep(0)
  expect(added).toBe(false)
  const reader = queue[Symbol.asyncIterator]()
  expect(await reader.next()).toEqual({ value: 1, done: false })
  await adding
  queue.end()
  expect((await reader.next()).done).toBe(true)
})

test('a reader that leaves lets writers go on', async () => {
  const queue = new Handover<number>()
  const first = queue.add(1)
  for await (const item of queue) {
    expect(item).toBe(1)
    break
  }
  await first
  await queue.add(2)
})

test('every item of several writers arrives', async () => {
  const queue = new Handover<string>()
  const write = async (name: string): Promise<void> => {
    for (let i = 0; i < 100; i++) await queue.add(`${name}${i}`)
  }
  void Promise.all([write('a'), write('b')]).then(() => queue.end())
  const seen: string[] = []
  for await (const item of queue) seen.push(item)
  expect(seen.length).toBe(200)
  expect(seen.filter((item) => item.startsWith('a'))).toEqual(Array.from({ length: 100 }, (_, i) => `a${i}`))
})
