import { expect, test } from 'bun:test'
import { OomWatch } from './oom-watch.ts'

test('a kill counts as one for memory only when the count grew since, and each growth once', () => {
  const watch = new OomWatch()
  let count = 3
  watch.begin('box', () => count)
  expect(watch.wasForMemory('box', () => count)).toBe(false)
  count = 4
  watch.begin('box', () => 99)
  expect(watch.wasForMemory('box', () => count)).toBe(true)
  expect(watch.wasForMemory('box', () => count)).toBe(false)
})

test('nothing is said of a machine that does not count, or of a sandbox that is gone', () => {
  const watch = new OomWatch()
  watch.begin('box', () => undefined)
  expect(watch.wasForMemory('box', () => undefined)).toBe(false)
  watch.forget('box')
  expect(watch.wasForMemory('box', () => 5)).toBe(false)
})
