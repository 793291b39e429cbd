import { expect, test } from 'bun:test'
import { readFileSync } from 'node:fs'
import { isErrno } from './errno.ts'

function failure(action: () => unknown): unknown {
  try {
    action()
  } catch (error) {
    return error
  }
  throw new Error('the action succeeded')
}

test('a system error is told by its code', () => {
  const missing = failure(() => readFileSync('/there is no such file'))
  expect(isErrno(missing, 'ENOENT')).toBe(true)
  expect(isErrno(missing, 'EACCES', 'ENOENT')).toBe(true)
  expect(isErrno(missing, 'EACCES')).toBe(false)
  expect(isErrno(missing)).toBe(false)
})

test('what is no error with a code is none of them', () => {
  for (const value of [undefined, null, 'ENOENT', { code: 'ENOENT' }, new Error('ENOENT'), Object.assign(new Error('x'), { code: 2 })]) {
    expect(isErrno(value, 'ENOENT')).toBe(false)
  }
})
