import { expect, test } from 'bun:test'
import { SANDBOX_STATES } from '../../contract/sandboxes.ts'
import { requireLegal, TRANSITIONS } from './transitions.ts'

test('removal is legal from every state', () => {
  expect([...TRANSITIONS.remove.from].toSorted()).toEqual([...SANDBOX_STATES].toSorted())
})

test('every transition leads to a state that another one leads out of', () => {
  for (const { to } of Object.values(TRANSITIONS)) {
    if (to === undefined) continue
    expect(Object.values(TRANSITIONS).some(({ from }) => (from as readonly string[]).includes(to))).toBe(true)
  }
})

test('an archived sandbox is not started, and the error says what to do', () => {
  expect(() => requireLegal('start', 'box', 'archived')).toThrow('archived')
  expect(() => requireLegal('recover', 'box', 'archived')).not.toThrow()
})

test('nothing but another removal is legal while a sandbox is removed', () => {
  for (const transition of ['start', 'stop', 'archive', 'recover'] as const)
    expect(() => requireLegal(transition, 'box', 'removing')).toThrow()
  expect(() => requireLegal('remove', 'box', 'removing')).not.toThrow()
})
