import { expect, test } from 'bun:test'
import { inspect } from 'node:util'
import { Secret } from './secret.ts'

test('a secret prints as nothing, in every way there is to print', () => {
  const secret = new Secret('hunter2')
  const printed = [
    `${secret.toString()}`,
    String(secret),
    JSON.stringify({ secret }),
    inspect({ secret }),
    inspect(secret, { depth: 9 }),
    Object.values(secret).join(),
  ]
  for (const text of printed) expect(text).not.toContain('hunter2')
  expect(secret.reveal()).toBe('hunter2')
})
