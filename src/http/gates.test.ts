import { describe, expect, test } from 'bun:test'
import { isAppError } from '../contract/errors.ts'
import { LATER_FIELDS } from '../contract/later.ts'
import type { Caller } from '../contract/sandbox-operations.ts'
import { refuseLaterFields, requireKeyFor, requireSudoAllowed } from './gates.ts'

const stranger: Caller = { door: 'http', authenticated: false }
const keyed: Caller = { door: 'http', authenticated: true }
const local: Caller = { door: 'socket', authenticated: true }

function codeOf(check: () => void): string | undefined {
  try {
    check()
    return undefined
  } catch (error) {
    if (!isAppError(error)) throw error
    return error.code
  }
}

describe('without a key', () => {
  test.each([
    { dir: '/home' },
    { cwd: '/home' },
    { config_path: '/x.toml' },
    { caller_path: '/x' },
    { allow: ['host.agentkernel.internal:22'] },
    { secrets: ['A'] },
    { secret_files: ['A'] },
    { secret_mappings: { A: 'b' } },
    { hooks: [{}] },
    { profile: 'permissive' },
  ])('%j is refused', (members) => {
    expect(codeOf(() => requireKeyFor(members, stranger))).toBe('api_key_required')
    for (const caller of [keyed, local]) expect(codeOf(() => requireKeyFor(members, caller))).toBeUndefined()
  })

  test.each([{}, { profile: 'restrictive' }, { dir: null }, { secrets: [] }, { hooks: null }, { workdir: '/x' }])(
    '%j is not',
    (members) => {
      expect(codeOf(() => requireKeyFor(members, stranger))).toBeUndefined()
    },
  )
})

describe('what comes later', () => {
  test.each(Object.keys(LATER_FIELDS))('`%s` is refused by name when it asks for something', (name) => {
    for (const value of ['x', ['x'], { a: 'x' }, true, 1]) {
      expect(() => refuseLaterFields({ [name]: value })).toThrow(`\`${name}\` is not available yet`)
    }
    for (const value of ['', [], {}, false, null, undefined]) expect(codeOf(() => refuseLaterFields({ [name]: value }))).toBeUndefined()
  })
})

test('sudo over TCP needs the configuration to allow it', () => {
  expect(codeOf(() => requireSudoAllowed({ sudo: true }, keyed, false))).toBe('policy_denied')
  expect(codeOf(() => requireSudoAllowed({ sudo: true }, keyed, true))).toBeUndefined()
  expect(codeOf(() => requireSudoAllowed({ sudo: true }, local, false))).toBeUndefined()
  expect(codeOf(() => requireSudoAllowed({ sudo: false }, stranger, false))).toBeUndefined()
})
