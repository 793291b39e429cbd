import { describe, expect, test } from 'bun:test'
import { AppError } from '../../contract/errors.ts'
import { failingStore } from './failing.ts'
import { memoryStore } from './memory.ts'
import type { SandboxStore } from './store.ts'

const EVENT = { event: 'e', timestamp: 't', sandbox: 's', labels: {}, metadata: {} }

/** For each of five calls: its number, or the code of its failure. */
function outcomes(store: SandboxStore): (number | string)[] {
  return Array.from({ length: 5 }, () => {
    try {
      return store.appendEvent(EVENT).seq
    } catch (error) {
      return error instanceof AppError ? error.code : 'another error'
    }
  })
}

describe('a store that is told to fail', () => {
  const inner = (): SandboxStore => memoryStore(() => new Date())

  test('fails once, without having done anything', () => {
    expect(outcomes(failingStore(inner(), { on: 'appendEvent' }))).toEqual(['store_failed', 1, 2, 3, 4])
  })

  test('fails as often and as late as it was told', () => {
    expect(outcomes(failingStore(inner(), { on: 'appendEvent', after: 2, times: 2 }))).toEqual([1, 2, 'store_failed', 'store_failed', 3])
    expect(outcomes(failingStore(inner(), { on: 'appendEvent', times: Number.POSITIVE_INFINITY, after: 4 })).at(-1)).toBe('store_failed')
  })

  test('fails with the error it was told', () => {
    const error = new AppError('disk_full', 'full')
    expect(outcomes(failingStore(inner(), { on: 'appendEvent', error }))[0]).toBe('disk_full')
  })

  test('does everything else', () => {
    const store = failingStore(inner(), { on: 'appendEvent' })
    expect(store.list()).toEqual([])
    expect(store.lastEventSeq()).toBe(0)
    store.close()
  })
})
