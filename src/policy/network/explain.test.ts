import { describe, expect, test } from 'bun:test'
import fc from 'fast-check'
import { isAppError } from '../../contract/errors.ts'
import { compilePolicy } from './compile.ts'
import { explainTarget } from './explain.ts'

const policy = compilePolicy(
  { allow: ['example.com', 'GET https://api.example/v1/*', '[::1]:80'], block: ['bad.example'] },
  { ownAddresses: [] },
)
const explain = (target: string, method = 'GET') => explainTarget(policy, target, method, 'flag --allow')

describe('what the rules say to a target', () => {
  test.each([
    ['example.com', 'example.com:443', true],
    ['EXAMPLE.com.:80', 'example.com:80', true],
    ['example.com:22', 'example.com:22', false],
    ['udp:example.com:53', 'udp:example.com:53', false],
    ['[::1]:80', '[::1]:80', true],
    ['::1', '[::1]:443', false],
    ['10.0.0.5:5432', '10.0.0.5:5432', false],
    ['https://api.example/v1/x?y', 'GET https://api.example/v1/x?y', true],
    ['https://api.example', 'GET https://api.example/', false],
    ['http://[::1]/x', 'GET http://[::1]/x', true],
    ['bad.example', 'bad.example:443', false],
  ])('%s', (target, understood, allowed) => {
    expect(explain(target)).toMatchObject({ target: understood, allowed, source: 'flag --allow', rules: policy.rules })
  })

  test('the answer holds rule, reason, hint and what comes later', () => {
    expect(explain('bad.example')).toMatchObject({ rule: 'bad.example', reason: 'bad.example is blocked' })
    expect(explain('example.com:22')).toMatchObject({ hint: '--allow example.com:22', notes: [] })
    expect(explain('api.example').notes).toHaveLength(2)
    expect(explain('https://api.example/v1/x', 'POST')).toMatchObject({ allowed: false, hint: "--allow 'POST https://api.example/v1/x'" })
  })

  test('what is no host is refused, and nothing else is thrown', () => {
    for (const target of ['', 'a b', 'ftp://example.com', 'example.com:0', 'example.com:99999', '0x7f.1', 'https://', 'a:b:c']) {
      expect(() => explain(target)).toThrow(/no host that could be reached/)
    }
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.webUrl(), fc.domain()), fc.string(), (target, method) => {
        try {
          expect(explain(target, method).reason ?? '').not.toMatch(/[\p{Cc}\p{Cf}]/u)
        } catch (error) {
          if (!isAppError(error, 'invalid_argument')) throw error
        }
      }),
    )
  })
})
