import { describe, expect, test } from 'bun:test'
import { cannotStart, startFailure } from './start-failure.ts'

describe('a failed start', () => {
  test('for want of space, or of quota, is a full disk', () => {
    for (const errno of [28, 122]) {
      expect(startFailure({ error: 'keep', step: 'copy /p', errno, detail: 'no space left on device' })).toMatchObject({
        code: 'disk_full',
      })
    }
  })

  test('names the step and the reason', () => {
    const { code, message } = startFailure({ error: 'launch', step: 'bind etc', errno: 13, detail: 'permission denied' })
    expect({ code, message }).toEqual({ code: 'sandbox_start_failed', message: 'cannot prepare the sandbox: bind etc: permission denied' })
  })

  test('without user namespaces says how to get them', () => {
    expect(startFailure({ step: 'user namespace', errno: 28, detail: 'no space left on device' }).fix).toContain('user.max_user_namespaces')
  })

  test('of a helper that is not there says to build it', () => {
    expect(cannotStart('/nowhere/helper', new Error('ENOENT'))).toMatchObject({ code: 'backend_unavailable' })
  })
})
