import { describe, expect, test } from 'bun:test'
import fc from 'fast-check'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { inspect } from 'node:util'
import { type AppError, isAppError } from '../contract/errors.ts'
import type { SecretBinding } from '../contract/secrets.ts'
import { Secret } from '../lib/secret.ts'
import { checkConflicts, parseSecret, parseSecretRequest } from './binding.ts'
import { bindSecrets, secretFiles } from './bound.ts'
import { parseSecretsTable } from './config.ts'
import { hostMatches, parseHostPattern } from './host-pattern.ts'
import { forwardSecrets, storeValues } from './forward.ts'
import { type ResolveContext, resolveSecrets, type WantedSecret } from './resolve.ts'

const shown = (text: string) => {
  const { source, targets, exposed } = parseSecret(text)
  const from = source.kind === 'given' ? `given ${source.value.reveal()}` : source.kind === 'file' ? `file ${source.path}` : source.kind
  return [
    from,
    ...targets.map(({ hosts, header, basicUser }) => [hosts.join(), header ?? basicUser].filter(Boolean).join(' ')),
    exposed ? '!' : '',
  ]
    .filter((one) => one !== '')
    .join(' | ')
}
function refusal(work: () => unknown): AppError {
  try {
    work()
  } catch (error) {
    if (isAppError(error)) return error
    throw error
  }
  throw new Error('not refused')
}

describe('a binding', () => {
  test.each([
    ['OPENAI_API_KEY', 'named | api.openai.com'],
    ['ANTHROPIC_API_KEY', 'named | api.anthropic.com x-api-key'],
    ['ANTHROPIC_AUTH_TOKEN', 'named | api.anthropic.com'],
    ['GEMINI_API_KEY', 'named | generativelanguage.googleapis.com x-goog-api-key'],
    ['GH_TOKEN', 'named | api.github.com,uploads.github.com | github.com x-access-token'],
    ['ANTHROPIC_API_KEY:api.anthropic.com', 'named | api.anthropic.com x-api-key'],
    ['KEY:api.example.com', 'named | api.example.com'],
    ['KEY:API.Example.COM.', 'named | api.example.com'],
    ['KEY:*.example.com', 'named | *.example.com'],
    ['KEY:api.example.com:8443', 'named | api.example.com:8443'],
    ['KEY:api.example.com:443', 'named | api.example.com'],
    ['KEY:api.example.com:X-Api-Key', 'named | api.example.com x-api-key'],
    ['KEY:api.example.com:8443:X-Api-Key', 'named | api.example.com:8443 x-api-key'],
    ['KEY:a.example.com,b.example.com:8443:X-K', 'named | a.example.com,b.example.com:8443 x-k'],
    ['KEY:intranet:8443', 'named | intranet:8443'],
    ['KEY:192.0.2.7:8443', 'named | 192.0.2.7:8443'],
    ['KEY:bücher.example', 'named | xn--bcher-kva.example'],
    ['KEY=v:api.example.com', 'given v | api.example.com | !'],
    ['KEY=a:b=c:api.example.com', 'given a:b=c | api.example.com | !'],
    ['KEY=a:b:api.example.com:8443:X-Api-Key', 'given a:b | api.example.com:8443 x-api-key | !'],
    ['KEY=v:a.example.com,b.example.com', 'given v | a.example.com,b.example.com | !'],
    ['OPENAI_API_KEY=sk-1', 'given sk-1 | api.openai.com | !'],
    ['OPENAI_API_KEY=a:b', 'given a:b | api.openai.com | !'],
    ['KEY=@./key.txt:api.example.com', 'file ./key.txt | api.example.com'],
    ['OPENAI_API_KEY=@/a/key', 'file /a/key | api.openai.com'],
    ['KEY=-:api.example.com:X-K', 'stdin | api.example.com x-k'],
    ['OPENAI_API_KEY=-', 'stdin | api.openai.com'],
  ])('%s is understood', (text, expected) => {
    expect(shown(text)).toBe(expected)
  })

  test.each([
    'KEY', // nothing says where to
    'KEY:',
    'KEY:*',
    'KEY:*.com',
    'KEY:*.co.uk',
    'KEY:*.github.io',
    'KEY:*.amazonaws.com',
    'KEY:a.*.com',
    'KEY:https://api.example.com',
    'KEY:api.example.com/v1',
    'KEY:user@api.example.com',
    'KEY:api.example.com:0',
    'KEY:api.example.com:65536',
    'KEY:api..example.com',
    'KEY:0x7f.1',
    'KEY:2130706433',
    'KEY:[2001:db8::1]',
    'KEY:%61pi.example.com',
    'KEY:api.example.com:X Key',
    'KEY:api.example.com:X-Key\r\nEvil: 1',
    'KEY:api.example.com:Host',
    'KEY:api.example.com:content-length',
    'KEY:api.example.com:Transfer-Encoding',
    'KEY:api.example.com:Proxy-Authorization',
    'KEY\r\nX-Evil:api.example.com',
    'KEY=:api.example.com',
    'KEY=@:api.example.com',
    '=v:api.example.com',
    ':api.example.com',
    '',
    '1KEY:api.example.com',
    'KEY NAME:api.example.com',
    '__pro to__',
    '../KEY:api.example.com',
  ])('%j is refused', (text) => {
    expect(refusal(() => parseSecret(text)).code).toBe('invalid_argument')
  })

  test('without a known host says how to name one', () => {
    expect(refusal(() => parseSecret('MY_TOKEN')).fix).toContain('MY_TOKEN:api.example.com')
  })

  test('never says its value when it is refused', () => {
    fc.assert(
      fc.property(
        fc.string({ minLength: 8, maxLength: 40 }),
        fc.constantFrom('KEY=', 'KEY =', 'a b=', '=', 'KEY=x:*.com'),
        (value, before) => {
          const secret = `Vv${value}vV`
          try {
            const parsed = parseSecret(`${before}${secret}`)
            expect(JSON.stringify(parsed) + inspect(parsed, { depth: 9 })).not.toContain(secret)
          } catch (error) {
            if (!isAppError(error)) throw error
            expect(error.message + error.fix).not.toContain(secret)
          }
        },
      ),
    )
  })

  test('gives back any value that stands before a host', () => {
    const value = fc.string({ minLength: 1, maxLength: 60 }).filter((text) => text !== '-' && !text.startsWith('@'))
    fc.assert(
      fc.property(value, fc.constantFrom(undefined, 'X-Key'), (text, header) => {
        const { source, targets } = parseSecret(`KEY=${text}:api.example.com${header === undefined ? '' : `:${header}`}`)
        if (source.kind !== 'given') throw new Error(source.kind)
        expect(source.value.reveal()).toBe(text)
        expect(targets).toEqual([{ hosts: ['api.example.com'], ...(header === undefined ? {} : { header: 'x-key' }) }])
      }),
    )
  })

  test('of any text is understood or refused', () => {
    const pieces = fc.array(
      fc.oneof(fc.constantFrom('KEY', ':', '=', '@', '-', ',', '*.', 'a.example', '443', 'X-K'), fc.string({ maxLength: 4 })),
    )
    fc.assert(
      fc.property(pieces, (parts) => {
        try {
          for (const { hosts, header } of parseSecret(parts.join('')).targets) {
            expect(hosts.length).toBeGreaterThan(0)
            for (const host of hosts) expect(parseHostPattern(host)).not.toHaveProperty('problem')
            if (header !== undefined) expect(header).toMatch(/^[^\s:]+$/)
          }
        } catch (error) {
          if (!isAppError(error, 'invalid_argument')) throw error
        }
      }),
      { numRuns: 2_000 },
    )
  })

  test('from elsewhere reads neither files nor stdin', () => {
    for (const text of ['KEY=@/etc/hostname:api.example.com', 'KEY=-:api.example.com']) {
      expect(refusal(() => parseSecret(text, { local: false })).code).toBe('invalid_argument')
    }
  })

  test('as a table says the same, and more', () => {
    const { targets, source } = parseSecretRequest({
      name: 'KEY',
      value: 'v',
      host: ['API.example.com', '*.example.org'],
      header: 'X-Key',
      in: ['query', 'body'],
      methods: ['get', 'POST'],
      paths: ['/v1/*'],
    })
    expect(targets).toEqual([
      {
        hosts: ['api.example.com', '*.example.org'],
        header: 'x-key',
        swap: ['query', 'body'],
        methods: ['GET', 'POST'],
        paths: ['/v1/*'],
      },
    ])
    expect(source.kind).toBe('given')
    const base = { name: 'KEY', host: 'a.example' }
    for (const bad of [
      { methods: ['TRACE'] },
      { methods: ['G T'] },
      { paths: ['v1'] },
      { paths: ['/a?b'] },
      { paths: ['/a b'] },
      { value: '' },
    ]) {
      expect(refusal(() => parseSecretRequest({ ...base, ...bad })).code).toBe('invalid_argument')
    }
  })

  test('of one header of one host is one secret', () => {
    const binding = (name: string, more: Partial<SecretBinding> = {}): SecretBinding => ({
      name,
      vaultKey: name,
      hosts: ['a.example'],
      how: 'header',
      ...more,
    })
    expect(refusal(() => checkConflicts([binding('A'), binding('B')])).message).toContain('A and B')
    checkConflicts([binding('A'), binding('B', { header: 'x-b' }), binding('C', { paths: ['/c/*'] }), binding('D', { how: 'token' })])
  })
})

describe('a pattern', () => {
  test('stands for its name, and with a wildcard for those below, on its port', () => {
    const matches = (text: string, host: string, port = 443) => {
      const pattern = parseHostPattern(text)
      if ('problem' in pattern) throw new Error(pattern.problem)
      return hostMatches(pattern, host, port)
    }
    expect(matches('example.com', 'example.com')).toBe(true)
    for (const host of ['a.example.com', 'example.com.evil.test', 'notexample.com', 'xample.com']) {
      expect([host, matches('example.com', host)]).toEqual([host, false])
    }
    expect([matches('*.example.com', 'a.b.example.com'), matches('*.example.com', 'example.com')]).toEqual([true, true])
    expect([matches('*.example.com', 'aexample.com'), matches('example.com', 'example.com', 8443)]).toEqual([false, false])
    expect([matches('example.com:8443', 'example.com', 8443), matches('example.com:8443', 'example.com')]).toEqual([true, false])
  })
})

describe('[secrets] of a config file', () => {
  test('names hosts, tables and the backend', () => {
    const { backend, secrets } = parseSecretsTable({
      backend: 'keychain',
      OPENAI_API_KEY: '',
      KEY: 'api.example.com:X-Key',
      OTHER: { host: 'b.example', in: ['body'] },
    })
    expect(backend).toBe('keychain')
    expect(secrets.map(({ name, targets }) => [name, targets])).toEqual([
      ['OPENAI_API_KEY', [{ hosts: ['api.openai.com'] }]],
      ['KEY', [{ hosts: ['api.example.com'], header: 'x-key' }]],
      ['OTHER', [{ hosts: ['b.example'], swap: ['body'] }]],
    ])
  })

  test('holds no values, and what is wrong in it is named', () => {
    for (const table of [{ 'KEY=v': 'a.example' }, { KEY: '*.com' }, { backend: 'cloud' }, { 'A B': 'a.example' }]) {
      expect(refusal(() => parseSecretsTable(table)).code).toBe('config_invalid')
    }
  })
})

describe('resolving', () => {
  const vaultOf = (values: Record<string, string>) => ({
    get: async (name: string) => (Object.hasOwn(values, name) ? new Secret(values[name]!) : undefined),
    live: async () => ({ value: (name: string) => new Secret(values[name]!), close: () => undefined }),
  })
  const context = (more: Partial<ResolveContext> = {}): ResolveContext => ({
    vault: vaultOf({}),
    env: {},
    cwd: undefined,
    sandboxId: 'box1',
    ...more,
  })
  const wanted = (text: string, how: SecretBinding['how'] = 'header'): WantedSecret => ({
    ...parseSecret(text, { hostOptional: how === 'file' }),
    how,
  })

  test('finds values in the vault first, then in the environment', async () => {
    const { bindings, values } = await resolveSecrets([wanted('A:a.example'), wanted('B:b.example')], {
      ...context({ vault: vaultOf({ A: '1' }), env: { A: 'env', B: '2' } }),
    })
    expect(bindings.map(({ vaultKey }) => vaultKey)).toEqual(['A', 'sandbox/box1/B'])
    expect([...values].map(([key, value]) => [key, value.reveal()])).toEqual([['sandbox/box1/B', '2']])
  })

  test('reads files and stdin without their last line break', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'ak-bind-'))
    try {
      writeFileSync(join(folder, 'key'), 'from file\n')
      writeFileSync(join(folder, 'big'), 'x'.repeat(64 * 1024 + 5))
      writeFileSync(join(folder, 'bytes'), new Uint8Array([255, 254]))
      const { values } = await resolveSecrets(
        [wanted('A=@key:a.example'), wanted('B=-:b.example')],
        context({ cwd: folder, readStdin: async () => Buffer.from('from stdin\r\n') }),
      )
      expect([...values.values()].map((value) => value.reveal())).toEqual(['from file', 'from stdin'])
      for (const [file, code] of [
        ['none', 'not_found'],
        ['big', 'invalid_argument'],
        ['bytes', 'invalid_argument'],
        ['.', 'invalid_argument'],
      ] as const) {
        const error = await resolveSecrets([wanted(`A=@${file}:a.example`)], context({ cwd: folder })).catch((thrown: unknown) => thrown)
        expect([file, isAppError(error) ? error.code : error]).toEqual([file, code])
      }
    } finally {
      rmSync(folder, { recursive: true })
    }
  })

  test('says what to do about a secret that is nowhere', async () => {
    const error = await resolveSecrets([wanted('A:a.example')], context()).catch((thrown: unknown) => thrown)
    expect(error).toMatchObject({ code: 'not_found', fix: expect.stringContaining('secret set A') })
    const twice = [wanted('A=-:a.example'), wanted('B=-:b.example')]
    expect(await resolveSecrets(twice, context()).catch((thrown: unknown) => thrown)).toMatchObject({ code: 'invalid_argument' })
  })

  test('lets the later of two with one name hold, and keeps a file beside it', async () => {
    const { bindings } = await resolveSecrets(
      [wanted('A:a.example'), wanted('A:b.example'), wanted('A', 'file')],
      context({ vault: vaultOf({ A: '1' }) }),
    )
    expect(bindings).toEqual([
      { name: 'A', vaultKey: 'A', how: 'header', hosts: ['b.example'] },
      { name: 'A', vaultKey: 'A', how: 'file', hosts: [] },
    ])
  })

  test('for the daemon sends what only the caller has, and the other side understands the same', async () => {
    const texts = ['GH_TOKEN', 'A:a.example:X-Key', 'B=v:*.b.example:8443,c.example', 'ANTHROPIC_API_KEY', 'C=-:c.example']
    const parsed = [
      ...texts.map((text) => parseSecret(text)),
      parseSecretRequest({ name: 'D', value: 'd', host: 'd.example', in: ['body'], methods: ['GET'], paths: ['/d'] }),
    ]
    const requests = await forwardSecrets(
      parsed,
      context({ vault: vaultOf({ A: '1', GH_TOKEN: '2' }), env: { ANTHROPIC_API_KEY: 'env' }, readStdin: async () => Buffer.from('in\n') }),
    )
    expect(requests.map(({ name, value }) => [name, value])).toEqual([
      ['GH_TOKEN', undefined],
      ['A', undefined],
      ['B', 'v'],
      ['ANTHROPIC_API_KEY', 'env'],
      ['C', 'in'],
      ['D', 'd'],
    ])
    expect(requests.map((request) => parseSecretRequest(request, { local: false }).targets)).toEqual(parsed.map(({ targets }) => targets))
    const stored: string[] = []
    await storeValues(new Map([['sandbox/a/B', new Secret('v')]]), {
      set: async (name, value) => void stored.push(`${name} ${value.reveal()}`),
    })
    expect(stored).toEqual(['sandbox/a/B v'])
  })

  test('gives the sandbox placeholders only; values are in memory and nowhere in what is written', async () => {
    const given = 'sk-a-value-that-nobody-sees'
    const resolved = await resolveSecrets(
      [wanted(`A=${given}:a.example`), wanted(`GH_TOKEN=${given}`, 'token'), wanted(`F=${given}`, 'file')],
      context(),
    )
    const bound = await bindSecrets(resolved.bindings, vaultOf({}), resolved.values)
    const token = bound.variables['GH_TOKEN']!
    expect(token).toMatch(/^AGENTKERNEL_PLACEHOLDER_[0-9a-f]{32}$/)
    expect(bound.variables).toEqual({ A: 'ak-proxy-managed', GH_TOKEN: token })
    expect(new Set(bound.secrets.filter(({ binding }) => binding.name === 'GH_TOKEN').map(({ placeholder }) => placeholder))).toEqual(
      new Set([token]),
    )
    expect([...secretFiles(bound.secrets)].map(([name, content]) => [name, String(content())])).toEqual([['F', '[secret]']])
    expect(bound.secrets[0]!.value()?.reveal()).toBe(given)
    const everything = { resolved, bound, values: [...resolved.values], now: bound.secrets.map(({ value }) => value()) }
    expect(JSON.stringify(everything) + inspect(everything, { depth: 9 })).not.toContain(given)
    bound.close()
    expect(JSON.stringify(bound)).not.toContain(given)
  })
})
