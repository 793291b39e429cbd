import { expect, test } from 'bun:test'
import { ignore } from './ignore.ts'

test('ignoring a failure neither throws it on nor looks at it', () => {
  const touchy = new Proxy(new Error('x'), {
    get: () => {
      throw new Error('looked at')
    },
  })
  for (const value of [touchy, undefined, null, 'text']) expect(ignore(value, 'nothing depends on it')).toBeUndefined()
})
