import { describe, expect, test } from 'bun:test'
import fc from 'fast-check'
import { isAppError } from '../../contract/errors.ts'
import { canonicalRules, parseRule } from './parse-rule.ts'
import { printRule } from './rule.ts'

/** The canonical text, or what was said instead. */
function read(text: string): string {
  try {
    return printRule(parseRule(text))
  } catch (error) {
    if (isAppError(error)) return `${error.code}: ${error.message} ${error.fix}`
    throw error
  }
}

describe('a rule has one canonical text', () => {
  const table: readonly (readonly [string, string])[] = [
    ['public', 'public'],
    [' public ', 'public'],
    ['preset:python', 'preset:python'],
    ['example.com', 'example.com'],
    ['EXAMPLE.com.', 'example.com'],
    ['_dmarc.example.com', '_dmarc.example.com'],
    ['*.Example.com', '*.example.com'],
    ['bücher.example', 'xn--bcher-kva.example'],
    ['*.bücher.example:8443', '*.xn--bcher-kva.example:8443'],
    ['ｅｘａｍｐｌｅ.com', 'example.com'],
    ['example.com:443,80,443', 'example.com:80,443'],
    ['example.com:8000-8100,22', 'example.com:22,8000-8100'],
    ['example.com:*', 'example.com:*'],
    ['udp:example.com:53', 'udp:example.com:53'],
    ['10.0.0.1', '10.0.0.1'],
    ['10.0.0.1/32', '10.0.0.1'],
    ['10.0.0.0/8:5432', '10.0.0.0/8:5432'],
    ['0.0.0.0/0', '0.0.0.0/0'],
    ['[::1]:8080', '[::1]:8080'],
    ['[fd00::]/8:53', '[fd00::]/8:53'],
    ['udp:[fd00::]/8:53', 'udp:[fd00::]/8:53'],
    ['[::ffff:10.0.0.1]', '[::ffff:10.0.0.1]'],
    ['host.agentkernel.internal:8080', 'host.agentkernel.internal:8080'],
    ['GET https://api.example.com/v1/*', 'GET https://api.example.com/v1/*'],
    ['GET,HEAD,GET https://API.example.com:443/v1/%7euser', 'GET,HEAD https://api.example.com/v1/~user'],
    ['* http://*.example.com:8080/', '* http://*.example.com:8080/'],
    ['POST https://[::1]:8443/*', 'POST https://[::1]:8443/*'],
    ['POST http://10.0.0.1/a%2ab', 'POST http://10.0.0.1/a%2Ab'],
  ]
  for (const [text, canonical] of table) test(text, () => expect(read(text)).toBe(canonical))

  test('a list holds each rule once, in the order given', () => {
    expect(canonicalRules(['b.example', 'A.example', 'B.example.'])).toEqual(['b.example', 'a.example'])
  })
})

describe('what is no rule is refused with the rule, the cause and the fix', () => {
  const table: readonly (readonly [string, RegExp])[] = [
    ['', /^invalid_argument: network rule "": it is empty/],
    ['*', /every name.* Write public/],
    ['**.example.com', /only at the front/],
    ['a.*.example.com', /only at the front/],
    ['*example.com', /only at the front/],
    ['example..com', /empty/],
    ['.example.com', /empty/],
    ['-a.example', /character/],
    ['exa mple.com', /methods, a space/],
    ['a@example.com', /character/],
    ['a%2eexample.com', /character/],
    ['xn--a.example', /international/],
    [`${'a'.repeat(64)}.example`, /too long/],
    [`${'a.'.repeat(130)}example`, /too long/],
    ['2130706433', /looks like an address/],
    ['0x7f000001', /looks like an address/],
    ['0x7f.1', /looks like an address/],
    ['017700000001', /looks like an address/],
    ['010.0.0.1', /looks like an address/],
    ['10.1', /looks like an address/],
    ['1.2.3.4.5', /looks like an address/],
    ['256.0.0.1', /looks like an address/],
    ['127.0.0.1.', /looks like an address/],
    ['１２７.0.0.1', /looks like an address/],
    ['example.com:0', /"0" is no port/],
    ['example.com:65536', /is no port/],
    ['example.com:0443', /is no port/],
    ['example.com:90-80', /is no port/],
    ['example.com:', /"" is no port/],
    ['example.com:http', /is no port/],
    ['example.com:80,', /is no port/],
    [`example.com:${'1,'.repeat(99)}1`, /100 ports; the most is 64/],
    ['udp:example.com', /needs its ports.*udp:example\.com:53/],
    ['tcp:example.com:80', /more than one colon/],
    ['fd00::1', /in brackets.*Write \[fd00::1\]\./],
    ['fd00::/8', /in brackets.*Write \[fd00::\]\/8\./],
    ['[fd00::1', /bracket/],
    ['[fd00::1]x', /bracket/],
    ['[10.0.0.1]', /only IPv6.*Write 10\.0\.0\.1\./],
    ['[FD00::1]', /usual form.*Write \[fd00::1\]\./],
    ['[fd00:0:0::1]', /usual form/],
    ['[fe80::1%eth0]', /no address/],
    ['10.0.0.1/8', /bits behind.*Write 10\.0\.0\.0\/8, or 10\.0\.0\.1 for/],
    ['10.0.0.0/33', /no address/],
    ['10.0.0.0/08', /no address/],
    ['example.com/v1', /names methods.*GET https:\/\/example\.com\/v1/],
    ['https://example.com/', /no methods.*Write example\.com for/],
    ['GET ftp://example.com/', /neither http/],
    ['get https://example.com/', /no method/],
    ['TRACE https://example.com/', /TRACE never passes/],
    ['GET https://example.com', /no path/],
    ['GET https://example.com/?a=b', /query/],
    ['GET https://example.com/a/../b', /two ways/],
    ['GET https://example.com/%2e%2E/b', /two ways/],
    ['GET https://example.com/a%2fb', /two ways/],
    ['GET https://example.com//b', /two ways/],
    ['GET https://u:p@example.com/', /port|user|character/],
    ['GET https://example.com:80,443/', /one port/],
    ['GET https://example.com/ x', /neither a host/],
    ['preset:pyton', /did you mean python/],
    ['\u202eexample.com', /invalid_argument: network rule "\\u202e/],
    ['a'.repeat(2000), /2000 characters/],
  ]
  for (const [text, message] of table) {
    test(JSON.stringify(text.slice(0, 60)), () => expect(read(text)).toMatch(message))
  }
})

const label = fc.stringMatching(/^[a-z]([a-z0-9-]{0,8}[a-z0-9])?$/)
const name = fc.array(label, { minLength: 1, maxLength: 4 }).map((labels) => labels.join('.'))
const port = fc.integer({ min: 1, max: 65_535 })
const range = fc.tuple(port, port).map(([a, b]) => `${Math.min(a, b)}-${Math.max(a, b)}`)
const ports = fc.oneof(
  fc.constantFrom('', ':*'),
  fc.array(fc.oneof(port.map(String), range), { minLength: 1, maxLength: 4 }).map((list) => `:${list.join(',')}`),
)
const host = fc.oneof(
  name,
  name.map((text) => `*.${text}`),
  fc.ipV4(),
  fc.ipV6().map((text) => `[${text}]`),
  fc.tuple(fc.ipV4(), fc.integer({ min: 0, max: 40 })).map(([text, bits]) => `${text}/${bits}`),
)
const path = fc.stringMatching(/^\/[a-z0-9*._~%/-]{0,20}$/)
const ruleText = fc.oneof(
  fc.tuple(host, ports).map((parts) => parts.join('')),
  fc.tuple(host, ports).map((parts) => `udp:${parts.join('')}`),
  fc
    .tuple(fc.constantFrom('GET', 'GET,POST', '*'), fc.constantFrom('http', 'https'), host, path)
    .map(([m, s, h, p]) => `${m} ${s}://${h}${p}`),
  fc.constantFrom('public', 'preset:rust'),
)

test('reading the canonical text gives the same rule', () => {
  let read = 0
  fc.assert(
    fc.property(ruleText, (text) => {
      let rule
      try {
        rule = parseRule(text)
      } catch (error) {
        expect(isAppError(error, 'invalid_argument')).toBe(true)
        return
      }
      read++
      const canonical = printRule(rule)
      expect(parseRule(canonical)).toEqual(rule)
      expect(printRule(parseRule(canonical))).toBe(canonical)
    }),
    { numRuns: 2000 },
  )
  expect(read).toBeGreaterThan(500)
})

test('any text is a rule or an expected error, which can be printed', () => {
  const noise = fc.oneof(
    fc.string({ unit: 'binary' }),
    fc.string(),
    fc.tuple(ruleText, fc.string({ unit: 'grapheme' })).map((parts) => parts.join('')),
  )
  fc.assert(
    fc.property(noise, (text) => {
      // What `read` throws is no expected error.
      expect(read(text)).not.toMatch(/[\p{Cc}\p{Cf}]/u)
    }),
    { numRuns: 3000 },
  )
})
