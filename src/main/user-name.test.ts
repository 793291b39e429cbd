import { expect, test } from 'bun:test'
import { join } from 'node:path'
import { userName } from './user-name.ts'

test('the environment names the user', () => {
  expect(userName({ USER: 'ann', LOGNAME: 'bob' })).toBe('ann')
  expect(userName({ LOGNAME: 'bob' })).toBe('bob')
})

test('a user that the password file does not know is a number, also without a home', () => {
  if (process.getuid?.() !== 0) return expect(userName({})).not.toBe('')
  const program = `import { userName } from ${JSON.stringify(join(import.meta.dir, 'user-name.ts'))}; process.stdout.write(userName({}))`
  const child = Bun.spawnSync(['setpriv', '--reuid', '54321', '--regid', '54321', '--clear-groups', process.execPath, '-e', program], {
    env: {},
    cwd: '/',
    stderr: 'inherit',
  })
  expect(child.stdout.toString()).toBe('uid 54321')
})
