import { expect, test } from 'bun:test'
import { memoryStore } from '../../src/store/sandboxes/memory.ts'
import { replyOf } from './store-kit.ts'
import { runStoreSuite } from './store-suite.ts'

runStoreSuite('in memory', () => ({ open: (clock) => memoryStore(clock.now), remove: () => undefined }))

test('the newest hundred thousand replies are kept in memory', () => {
  const store = memoryStore(() => new Date(0))
  for (let index = 0; index <= 100_000; index++) store.keepReply(`k${index}`, replyOf())
  expect(['k0', 'k1', 'k100000'].map((key) => store.reply(key) !== undefined)).toEqual([false, true, true])
})
