import { describe, expect, test } from 'bun:test'
import { brotliCompressSync, deflateRawSync, deflateSync, gzipSync } from 'node:zlib'
import { inspect } from 'node:util'
import type { BoundSecret, SecretBinding } from '../../contract/secrets.ts'
import { Secret } from '../../lib/secret.ts'
import type { BodyFilter, RequestHead } from '../types.ts'
import { createInjector } from './injector.ts'

const VALUE = 'sk-Va1ue/of+the key'
const SIMPLE = 'sk-simple-0123456789'
const TOKEN = `AGENTKERNEL_PLACEHOLDER_${'0123456789abcdef'.repeat(2)}`
const OTHER = `AGENTKERNEL_PLACEHOLDER_${'f'.repeat(32)}`
const MANAGED = 'ak-proxy-managed'

function bound(binding: Partial<SecretBinding>, value: string | undefined = SIMPLE): BoundSecret {
  const whole: SecretBinding = { name: 'KEY', vaultKey: 'KEY', hosts: ['api.example.com'], how: 'header', ...binding }
  return {
    binding: whole,
    value: () => (value === undefined ? undefined : new Secret(value)),
    placeholder: whole.how === 'token' ? (whole.placeholder ?? TOKEN) : MANAGED,
  }
}
const token = (binding: Partial<SecretBinding> = {}, value = VALUE) => bound({ how: 'token', placeholder: TOKEN, ...binding }, value)

const HTTPS = { host: 'api.example.com', port: 443, scheme: 'https' } as const
interface Sent {
  readonly method?: string
  readonly target?: string
  readonly headers?: RequestHead['headers']
  readonly to?: Partial<{ host: string; port: number; scheme: 'http' | 'https' }>
}
function ask(secrets: readonly BoundSecret[], { method = 'GET', target = '/', headers = [], to = {} }: Sent = {}) {
  return createInjector(secrets).request({ ...HTTPS, ...to }, { method, target, headers })
}
function pass(secrets: readonly BoundSecret[], sent: Sent = {}) {
  const decision = ask(secrets, sent)
  if (decision.kind !== 'pass') throw new Error(decision.reason)
  return decision
}
function reason(secrets: readonly BoundSecret[], sent: Sent = {}): string {
  const decision = ask(secrets, sent)
  if (decision.kind !== 'blocked') throw new Error('it passed')
  expect(decision.reason).not.toContain(SIMPLE)
  expect(decision.reason).not.toContain(VALUE)
  return decision.reason
}
const header = (headers: RequestHead['headers'], name: string) =>
  headers.filter(([one]) => one.toLowerCase() === name).map(([, value]) => value)
const basic = (text: string) => `Basic ${Buffer.from(text).toString('base64')}`
function filtered(body: BodyFilter | undefined, ...chunks: string[]): string {
  if (body === undefined) return chunks.join('')
  return Buffer.concat([...chunks.map((chunk) => body.push(Buffer.from(chunk))), body.end()]).toString()
}

describe('a secret of a header', () => {
  test('is set as Bearer for its host, whatever the program sent there', () => {
    const headers = [
      ['Host', 'api.example.com'],
      ['authorization', 'Bearer mine'],
      ['AUTHORIZATION', 'Bearer another'],
    ] as const
    const { head, secrets } = pass([bound({})], { headers })
    expect(head.headers).toEqual([
      ['Host', 'api.example.com'],
      ['authorization', `Bearer ${SIMPLE}`],
      ['accept-encoding', 'identity'],
    ])
    expect(secrets).toEqual(['KEY'])
  })

  test('is set bare in a header that is named, and asked for readable answers', () => {
    const { head } = pass([bound({ header: 'x-api-key' })], {
      headers: [
        ['X-Api-Key', MANAGED],
        ['Accept-Encoding', 'gzip, br'],
      ],
    })
    expect(head.headers).toEqual([
      ['X-Api-Key', SIMPLE],
      ['Accept-Encoding', 'identity'],
    ])
  })

  test('is Basic where git wants it, and within the Basic that a program made itself', () => {
    expect(header(pass([bound({ basicUser: 'x-access-token' })]).head.headers, 'authorization')).toEqual([
      basic(`x-access-token:${SIMPLE}`),
    ])
    const own = pass([bound({})], { headers: [['Authorization', basic(`me:${MANAGED}`)]] })
    expect(header(own.head.headers, 'authorization')).toEqual([basic(`me:${SIMPLE}`)])
    const foreign = pass([bound({})], { headers: [['Authorization', basic('me:mine')]] })
    expect(header(foreign.head.headers, 'authorization')).toEqual([`Bearer ${SIMPLE}`])
  })

  test('goes to no other host, no other port and never over http', () => {
    for (const to of [
      { host: 'example.com' },
      { host: 'x.api.example.com' },
      { host: 'api.example.com.evil.test' },
      { port: 8443 },
      { scheme: 'http' as const },
    ]) {
      const { head, secrets } = pass([bound({})], { to })
      expect([to, JSON.stringify(head).includes(SIMPLE), secrets]).toEqual([to, false, []])
      expect(reason([bound({})], { to, headers: [['Authorization', `Bearer ${MANAGED}`]] })).not.toBe('')
      expect(reason([bound({})], { to, headers: [['Cookie', `a=${MANAGED}`]] })).not.toBe('')
      expect(reason([bound({})], { to, headers: [['Authorization', basic(`me:${MANAGED}`)]] })).not.toBe('')
    }
    expect(reason([bound({})], { to: { scheme: 'http' }, headers: [['A', MANAGED]] })).toBe('KEY goes over https only')
  })

  test('holds for wildcards and ports as they are written', () => {
    const wild = [bound({ hosts: ['*.example.com:8443'] })]
    expect(pass(wild, { to: { host: 'a.b.example.com', port: 8443 } }).secrets).toEqual(['KEY'])
    expect(pass(wild, { to: { host: 'a.example.com' } }).secrets).toEqual([])
  })

  test('bound to methods and paths goes with those only, however the path is written', () => {
    const limited = [bound({ methods: ['POST'], paths: ['/repos/me/*'] })]
    expect(pass(limited, { method: 'POST', target: '/repos/me/x/pulls?a=1' }).secrets).toEqual(['KEY'])
    expect(pass(limited, { method: 'POST', target: '/repos/%6de/x' }).secrets).toEqual(['KEY'])
    for (const target of [
      '/repos/you/x',
      '/repos/me/../you/x',
      '/repos/me/%2e%2e/you',
      '/repos/me/..%2fyou',
      '/repos//me/x',
      'https://api.example.com/repos/me/x',
      '/repos/me\\..\\you',
    ]) {
      expect([target, pass(limited, { method: 'POST', target }).secrets]).toEqual([target, []])
      expect(reason(limited, { method: 'POST', target, headers: [['Authorization', `Bearer ${MANAGED}`]] })).toContain('paths')
    }
    expect(reason(limited, { target: '/repos/me/x', headers: [['Authorization', `Bearer ${MANAGED}`]] })).toBe(
      'KEY is bound to POST requests',
    )
  })

  test('also stands in other headers where the program put its placeholder, if there is one secret only', () => {
    const two = [bound({ header: 'x-one' }), bound({ name: 'TWO', header: 'x-two' }, 'second-value')]
    expect(header(pass([bound({})], { headers: [['X-Other', `key ${MANAGED}`]] }).head.headers, 'x-other')).toEqual([`key ${SIMPLE}`])
    expect(reason(two, { headers: [['X-Other', MANAGED]] })).toContain('KEY or TWO')
    const both = pass(two).head.headers
    expect([header(both, 'x-one'), header(both, 'x-two')]).toEqual([[SIMPLE], ['second-value']])
  })

  test('prefers the binding of the very name to one of a wildcard', () => {
    const secrets = [bound({ name: 'WIDE', hosts: ['*.example.com'] }, 'wide-value'), bound({})]
    expect(header(pass(secrets).head.headers, 'authorization')).toEqual([`Bearer ${SIMPLE}`])
    expect(header(pass(secrets, { to: { host: 'b.example.com' } }).head.headers, 'authorization')).toEqual(['Bearer wide-value'])
  })

  test('with a line break in it is not sent', () => {
    for (const value of ['a\r\nX-Evil: 1', 'a\nb', 'a\0b', 'a\x7fb']) expect(reason([bound({}, value)])).toContain('line break')
  })

  test('that is not ASCII is sent as the bytes of UTF-8', () => {
    const [value] = header(pass([bound({ header: 'x-key' }, 'schlüssel')]).head.headers, 'x-key')
    expect(Buffer.from(value!, 'latin1').toString()).toBe('schlüssel')
  })

  test('that is no longer in the vault is not replaced by anything', () => {
    const gone = { ...bound({}), value: () => undefined }
    expect(reason([gone])).toBe('the vault has no KEY now')
  })

  test('is read at each use', () => {
    let now = 'first-value'
    const injector = createInjector([{ ...bound({}), value: () => new Secret(now) }])
    const sent = () => {
      const decision = injector.request(HTTPS, { method: 'GET', target: '/', headers: [] })
      return decision.kind === 'pass' ? header(decision.head.headers, 'authorization') : decision.reason
    }
    expect(sent()).toEqual(['Bearer first-value'])
    const echo = () => filtered(injector.response(HTTPS, { status: 200, headers: [] })?.body, 'first-value second-value')
    expect(echo()).toBe(`${MANAGED} second-value`)
    now = 'second-value'
    expect(sent()).toEqual(['Bearer second-value'])
    expect(echo()).toBe(`first-value ${MANAGED}`)
  })

  test('may be in the query where that is bound, and is refused there otherwise', () => {
    expect(pass([bound({ swap: ['query'] }, VALUE)], { target: `/v1?key=${MANAGED}&a=b` }).head.target).toBe(
      `/v1?key=${encodeURIComponent(VALUE)}&a=b`,
    )
    expect(reason([bound({})], { target: `/v1?key=${MANAGED}` })).toContain('query')
    expect(reason([bound({})], { target: `/v1?key=${MANAGED}`, to: { host: 'other.example' } })).toContain('no secret is bound')
    // The word itself may be searched for.
    expect(pass([bound({})], { target: `/search?q=what+is+${MANAGED}` }).head.target).toBe(`/search?q=what+is+${MANAGED}`)
  })

  test('leaves the word in bodies alone: it is in every talk about variables', () => {
    const { body } = pass([bound({})], { method: 'POST', headers: [['Content-Length', '30']] })
    expect(filtered(body, `KEY=${MANAGED}`)).toBe(`KEY=${MANAGED}`)
  })
})

describe('a token', () => {
  test('is swapped in any header, and inside Basic', () => {
    const { head, secrets } = pass([token()], {
      headers: [
        ['Authorization', `token ${TOKEN}`],
        ['X-Both', `${TOKEN} ${TOKEN}`],
        ['Proxy-Thing', basic(`${TOKEN}:x`)],
      ],
    })
    expect(header(head.headers, 'authorization')).toEqual([`token ${VALUE}`])
    expect(header(head.headers, 'x-both')).toEqual([`${VALUE} ${VALUE}`])
    expect(header(head.headers, 'proxy-thing')).toEqual([basic(`${VALUE}:x`)])
    expect(secrets).toEqual(['KEY'])
  })

  test('is swapped in query and body only where that is bound', () => {
    const sent = { target: `/?k=${TOKEN}&x=1` }
    expect(pass([token({ swap: ['query'] })], sent).head.target).toBe(`/?k=${encodeURIComponent(VALUE)}&x=1`)
    expect(reason([token()], sent)).toContain('query')
    expect(reason([token({ swap: ['query'] })], { target: `/a/${TOKEN}/b` })).toContain('path')
    expect(reason([token({ swap: ['query'] })], { target: `/?k=%41${TOKEN.slice(1)}` })).toContain('escaped')
    const { body } = pass([token()], { method: 'POST' })
    expect(filtered(body, `{"k":"${TOKEN}"}`)).toBe(`{"k":"${TOKEN}"}`)
  })

  test.each([
    ['application/json; charset=utf-8', 'a"b\\c\nd', 'a\\"b\\\\c\\nd'],
    ['application/vnd.api+json', 'a"b', 'a\\"b'],
    ['application/x-www-form-urlencoded', 'a&b=c d', 'a%26b%3Dc%20d'],
    ['text/plain', 'a"b', 'a"b'],
  ])('in a body of %s is written so that it means itself, across any cut', (type, value, written) => {
    const secret = token({ swap: ['body'] }, value)
    const text = `before ${TOKEN} between ${TOKEN}after`
    for (const cut of [0, 1, 8, 20, 40, 63, 64, 70, 90]) {
      const decision = pass([secret], {
        method: 'POST',
        headers: [
          ['Content-Type', type],
          ['Content-Length', `${text.length}`],
        ],
      })
      expect(decision.body?.changesLength).toBe(true)
      expect(filtered(decision.body, text.slice(0, cut), text.slice(cut, cut + 5), text.slice(cut + 5))).toBe(
        `before ${written} between ${written}after`,
      )
      expect(decision.secrets).toEqual(['KEY'])
    }
  })

  test('on its way to another host is blocked and named', () => {
    const to = { host: 'evil.test' }
    const expected = 'it holds the placeholder of KEY, which is bound to api.example.com and not to evil.test'
    expect(reason([token()], { to, headers: [['X-A', TOKEN]] })).toBe(expected)
    expect(reason([token()], { to, headers: [['Authorization', basic(`x:${TOKEN}`)]] })).toBe(expected)
    expect(reason([token({ swap: ['query'] })], { to, target: `/?a=${TOKEN}` })).toBe(expected)
    expect(reason([token()], { to, headers: [[`X-${TOKEN.toLowerCase()}`, '1']] })).toContain('name of a header')
    const blocked = ask([token()], { to, headers: [['X-A', basic(`x:${TOKEN}`)]] })
    expect(blocked.secrets).toEqual(['KEY'])
  })

  test('in a body on its way to another host ends the exchange, across any cut', () => {
    const text = `hello ${TOKEN} world`
    for (let cut = 0; cut < text.length; cut += 7) {
      const { body } = pass([token({ swap: ['body'] })], { method: 'POST', to: { host: 'evil.test' } })
      expect(body?.changesLength).toBe(false)
      const out = filtered(body, text.slice(0, cut), text.slice(cut))
      expect(body?.blocked).toContain('not to evil.test')
      expect(text.startsWith(out) && out.length <= 6).toBe(true)
    }
  })

  test('of another sandbox, or of none, is blocked', () => {
    expect(reason([token()], { headers: [['X-A', OTHER]] })).toContain('no secret of this sandbox')
  })

  test('of two secrets are told apart', () => {
    const secrets = [token(), token({ name: 'TWO', hosts: ['two.example.com'], placeholder: OTHER }, 'second-value')]
    expect(header(pass(secrets, { headers: [['A', TOKEN]] }).head.headers, 'a')).toEqual([VALUE])
    expect(reason(secrets, { headers: [['A', OTHER]] })).toContain('TWO')
    expect(header(pass(secrets, { headers: [['A', OTHER]], to: { host: 'two.example.com' } }).head.headers, 'a')).toEqual(['second-value'])
  })

  test('in bytes that nobody opens is seen, also across chunks', () => {
    const injector = createInjector([token()])
    expect([injector.leaks(Buffer.from(`AUTH ${TOKEN}\r\n`)), injector.leaks(Buffer.from(`AUTH ${MANAGED}`))]).toEqual([true, true])
    expect([injector.leaks(Buffer.from('AGENTKERNEL_PLACEHOLDER_ and no token')), createInjector([]).leaks(Buffer.from(TOKEN))]).toEqual([
      false,
      false,
    ])
    const watch = injector.watch()
    expect([...TOKEN].map((one) => watch(Buffer.from(one))).indexOf(true)).toBe(TOKEN.length - 1)
  })
})

describe('an answer', () => {
  const injector = createInjector([bound({}, VALUE)])
  const answer = (headers: RequestHead['headers'] = [], to: { host: string; port: number } = HTTPS) =>
    injector.response(to, { status: 200, headers })

  test('shows the placeholder where the server sends the value back, in whatever form', () => {
    const forms = [
      VALUE,
      JSON.stringify(VALUE),
      JSON.stringify(VALUE).replaceAll('/', '\\/'),
      encodeURIComponent(VALUE),
      encodeURIComponent(VALUE).toLowerCase().replace('sk-va1ue', 'sk-Va1ue'),
      new URLSearchParams({ k: VALUE }).toString(),
      Buffer.from(VALUE).toString('base64'),
      Buffer.from(VALUE).toString('base64url'),
      Buffer.from(`a:${VALUE}`).toString('base64'),
      Buffer.from(`ab:${VALUE}:tail`).toString('base64'),
      Buffer.from(`abc:${VALUE}`).toString('base64url'),
    ]
    for (const form of forms) {
      const text = `you sent <${form}>.`
      for (const cut of [0, 12, 18, 25, text.length]) {
        const shown = filtered(answer()?.body, text.slice(0, cut), text.slice(cut))
        expect([form, shown.includes(MANAGED), shown.includes(form)]).toEqual([form, true, false])
        // No part of it that is worth having is left either.
        for (let at = 0; at + 10 <= form.length; at++) expect(shown).not.toContain(form.slice(at, at + 10))
      }
    }
  })

  test('is clean in its headers', () => {
    const head = answer([
      ['X-Echo', `Bearer ${VALUE}`],
      ['Location', `/?k=${encodeURIComponent(VALUE)}`],
      ['Set-Cookie', 'a=b'],
    ])?.head
    expect(head?.headers).toEqual([
      ['X-Echo', `Bearer ${MANAGED}`],
      ['Location', `/?k=${MANAGED}`],
      ['Set-Cookie', 'a=b'],
    ])
  })

  test.each([
    ['gzip', gzipSync],
    ['x-gzip', gzipSync],
    ['br', brotliCompressSync],
    ['deflate', deflateSync],
    ['deflate', deflateRawSync],
  ] as const)('that is compressed with %s all the same is unpacked first', (encoding, pack) => {
    const made = answer([['Content-Encoding', encoding]])
    expect(made?.head.headers).toEqual([])
    expect(made?.body?.changesLength).toBe(true)
    const packed = pack(Buffer.from(`you sent ${VALUE}`))
    const out = Buffer.concat([made!.body!.push(packed.subarray(0, 5)), made!.body!.push(packed.subarray(5)), made!.body!.end()])
    expect(out.toString()).toBe(`you sent ${MANAGED}`)
  })

  test('that cannot be unpacked does not pass', () => {
    const bomb = gzipSync(Buffer.alloc(65 * 1024 ** 2))
    for (const [encoding, bytes] of [
      ['gzip', Buffer.from('no gzip')],
      ['gzip', bomb],
      ['compress', Buffer.from('x')],
      ['gzip, secret', Buffer.from('x')],
    ] as const) {
      const body = answer([['content-encoding', encoding]])!.body!
      expect([body.push(bytes).length, body.end().length]).toEqual([0, 0])
      expect(body.blocked).toContain('compressed')
    }
  })

  test('of another host is left alone, and a value that is short is too', () => {
    expect(answer([], { ...HTTPS, host: 'other.example' })).toBeUndefined()
    expect(createInjector([bound({}, 'abc')]).response(HTTPS, { status: 200, headers: [] })).toBeUndefined()
  })
})

test('an injector opens the hosts of its secrets, but not of files, and shows no value', () => {
  const injector = createInjector([bound({ hosts: ['*.example.com'] }), bound({ how: 'file', hosts: ['file.example.org'] })])
  expect(injector.opens('a.example.com', 443)).toBe(true)
  expect([injector.opens('a.example.com', 80), injector.opens('file.example.org', 443), injector.opens('other.test', 443)]).toEqual([
    false,
    false,
    false,
  ])
  pass([bound({})])
  expect(inspect(injector, { depth: 9 }) + JSON.stringify(injector)).not.toContain(SIMPLE)
})

test('searching for secrets that are not there takes less than a second for 500 MB', () => {
  const secrets = Array.from({ length: 10 }, (_, index) => bound({ name: `K${index}`, header: `x-${index}` }, `sk-${crypto.randomUUID()}`))
  const body = createInjector(secrets).response(HTTPS, { status: 200, headers: [] })!.body!
  const chunk = Buffer.alloc(65_536, '{"id":"chatcmpl-1","choices":[{"delta":{"content":"sk-hello"}}]}\n')
  const rounds = 1_600
  const start = performance.now()
  for (let i = 0; i < rounds; i++) body.push(chunk)
  const rate = (rounds * chunk.length) / 1e6 / ((performance.now() - start) / 1_000)
  expect(rate).toBeGreaterThan(500)
})
