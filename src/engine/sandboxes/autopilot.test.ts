import { describe, expect, test } from 'bun:test'
import type { SandboxRecord } from '../../store/sandboxes/store.ts'
import { nextAction } from './autopilot.ts'

const record = (parts: Partial<SandboxRecord>): SandboxRecord => ({
  id: '1',
  name: 'box',
  state: 'running',
  failure: null,
  backend: 'namespace',
  spec: '{}',
  handle: null,
  step: null,
  labels: {},
  description: null,
  agent: null,
  project: null,
  ports: [],
  environment: {},
  lifecycle: null,
  createdAt: '2026-01-01T00:00:00.000Z',
  expiresAt: null,
  lastActivityAt: '2026-01-01T00:00:00.000Z',
  startedAt: null,
  archivedAt: null,
  archivedReason: null,
  ...parts,
})
const START = Date.parse('2026-01-01T00:00:00.000Z')

describe('what time does to a sandbox', () => {
  test('nothing, without a policy and a time to live', () => {
    expect(nextAction(record({}))).toBeUndefined()
  })

  test('a running one is stopped first, then archived, whatever order the policy names', () => {
    const lifecycle = { auto_archive_after_seconds: 100, auto_stop_after_seconds: 10 }
    expect(nextAction(record({ lifecycle }))).toMatchObject({ action: 'stop', at: START + 10_000 })
    expect(nextAction(record({ lifecycle, state: 'stopped' }))).toMatchObject({ action: 'archive', at: START + 100_000 })
  })

  test('an archived one is removed so long after it was archived', () => {
    const lifecycle = { auto_delete_after_seconds: 60, auto_stop_after_seconds: 1 }
    const archived = record({ state: 'archived', lifecycle, archivedAt: '2026-01-02T00:00:00.000Z' })
    expect(nextAction(archived)).toMatchObject({ action: 'remove', at: Date.parse('2026-01-02T00:01:00.000Z') })
  })

  test('the end of its time to live removes it in any state, if it comes first', () => {
    const expiresAt = '2026-01-01T00:00:05.000Z'
    expect(nextAction(record({ expiresAt, lifecycle: { auto_stop_after_seconds: 10 } }))).toMatchObject({
      action: 'remove',
      at: START + 5_000,
    })
    expect(nextAction(record({ expiresAt, state: 'archived' }))).toMatchObject({ action: 'remove' })
  })

  test('one that is being made or removed is left to whoever does that', () => {
    const lifecycle = { auto_stop_after_seconds: 0 }
    expect(nextAction(record({ lifecycle, state: 'removing' }))).toBeUndefined()
    expect(nextAction(record({ lifecycle, state: 'creating' }))).toBeUndefined()
  })
})
