import { describe, expect, test } from 'bun:test'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { AppError, type ErrorCode, ERRORS, exitCodeOf, isAppError } from './errors.ts'

const CODES = Object.keys(ERRORS) as ErrorCode[]

describe('every error', () => {
  test.each(CODES)('%s has a name for programs, a status for HTTP and a fix for people', (code) => {
    const row = ERRORS[code]
    expect(code).toMatch(/^[a-z]+(_[a-z]+)*$/)
    expect(row.http).toBeGreaterThanOrEqual(400)
    expect(row.http).toBeLessThan(600)
    expect(row.fix).toMatch(/^[A-Z].*\.$/)
    expect(row.fix.length).toBeGreaterThan(10)
  })

  test.each(CODES)('%s leaves a command that stands for another its statuses below 124, but for wrong use', (code) => {
    const status = exitCodeOf(code, 'proxy')
    expect([2, 124, 125, 126, 127]).toContain(status)
    expect(status === 2).toBe(exitCodeOf(code, 'plain') === 2)
  })

  test('that is a fault of ours is a status of 500 and more, one of the caller less', () => {
    for (const code of ['internal', 'sandbox_start_failed', 'backend_unavailable', 'disk_full'] as const) {
      expect(ERRORS[code].http).toBeGreaterThanOrEqual(500)
    }
    for (const code of ['usage', 'policy_denied', 'not_found', 'config_invalid'] as const) expect(ERRORS[code].http).toBeLessThan(500)
  })
})

test.each([
  ['usage', 2, 2],
  ['backend_unknown', 2, 2],
  ['not_available_yet', 2, 2],
  ['timed_out', 1, 124],
  ['policy_denied', 1, 125],
  ['sandbox_start_failed', 1, 125],
  ['command_not_executable', 1, 126],
  ['command_not_found', 1, 127],
  ['internal', 70, 125],
] as const)('%s ends an ordinary command with %d and one that stands for another with %d', (code, plain, proxy) => {
  expect([exitCodeOf(code, 'plain'), exitCodeOf(code, 'proxy')]).toEqual([plain, proxy])
})

describe('an error', () => {
  test('has the fix of the table, unless it knows a better one', () => {
    expect(new AppError('not_found', 'no such thing').fix).toBe(ERRORS.not_found.fix)
    expect(new AppError('not_found', 'no such thing', { fix: 'Look behind the sofa.' }).fix).toBe('Look behind the sofa.')
  })

  test('keeps its cause, and has none when there was none', () => {
    const cause = new Error('below')
    expect(new AppError('internal', 'above', { cause }).cause).toBe(cause)
    expect('cause' in new AppError('internal', 'above')).toBe(false)
  })

  test('is told from others, by code too', () => {
    const error: unknown = new AppError('timed_out', 'after 1 s')
    expect(isAppError(error)).toBe(true)
    expect(isAppError(error, 'timed_out')).toBe(true)
    expect(isAppError(error, 'canceled')).toBe(false)
  })

  test('of another copy of this module is one too', async () => {
    const path = join(import.meta.dir, 'errors.ts')
    const other = (await import(`${path}?copy`)) as { readonly AppError: typeof AppError }
    const error = new other.AppError('disk_full', 'no space')
    expect(error).not.toBeInstanceOf(AppError)
    expect(isAppError(error)).toBe(true)
    expect(isAppError(error, 'disk_full')).toBe(true)
  })

  test('is not what only looks like one, nor one with a code that this table does not have', () => {
    const named = (code: unknown) => Object.assign(new Error('x'), { name: 'AppError', code, fix: 'Do.' })
    expect(isAppError(named('disk_full'))).toBe(true)
    for (const code of ['from_a_later_release', 'toString', 7, undefined]) expect(isAppError(named(code))).toBe(false)
    for (const value of [undefined, null, 'disk_full', { name: 'AppError', code: 'disk_full' }, new Error('x')]) {
      expect(isAppError(value)).toBe(false)
    }
    expect(isAppError(Object.assign(new Error('x'), { code: 'disk_full' }))).toBe(false)
  })
})

test('docs/errors.md lists every code with its statuses, whether to retry, and its fix', () => {
  const page = readFileSync(join(import.meta.dir, '../../docs/errors.md'), 'utf8')
  const documented = page
    .slice(page.indexOf('\n## Codes'))
    .split('\n')
    .filter((line) => line.startsWith('| `'))
  const rows = CODES.map((code) => {
    const { http, retry, fix } = ERRORS[code]
    return `| \`${code}\` | ${http} | ${exitCodeOf(code, 'plain')} | ${exitCodeOf(code, 'proxy')} | ${retry ? 'yes' : 'no'} | ${fix} |`
  })
  expect(documented).toEqual(rows)
})
