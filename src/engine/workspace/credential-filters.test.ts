import { describe, expect, test } from 'bun:test'
import { spawnSync } from 'node:child_process'
import fc from 'fast-check'
import { holdsSecret } from './content-checks.ts'
import { filterCredentials } from './credential-filters.ts'
import type { ContentFilter } from './secret-files.ts'
import { stripUrlCredentials } from './url-credentials.ts'

const SECRET = 's3cr3tValue'
const without = (filter: ContentFilter, text: string): string => {
  const clean = filterCredentials(filter, text)
  expect(clean ?? '').not.toContain(SECRET)
  return clean ?? 'HIDDEN'
}

describe('URLs', () => {
  test.each([
    [`https://user:${SECRET}@host/x`, 'https://host/x'],
    [`https://${SECRET}@host/x`, 'https://host/x'],
    [`http://a@b:${SECRET}@proxy:8080`, 'http://proxy:8080'],
    [`ssh://git:${SECRET}@host/x`, 'ssh://git@host/x'],
    ['ssh://git@host/x', 'ssh://git@host/x'],
    ['git@host:x/y.git', 'git@host:x/y.git'],
    ['https://host/a@b', 'https://host/a@b'],
    [`https://host/x?private_token=${SECRET}&page=2`, 'https://host/x?private_token=&page=2'],
  ])('%s becomes %s', (from, to) => {
    expect(stripUrlCredentials(from)).toBe(to)
  })

  test('take time in proportion to the text, whatever it is', () => {
    for (const part of ['a', 'a://', '://', 'http://x', '?token=', '@'])
      expect(stripUrlCredentials(part.repeat(100_000)).length).toBeGreaterThan(0)
  })
})

describe('a git configuration', () => {
  const config = [
    '[core]',
    '\trepositoryformatversion = 0',
    '\tbare = false ; not "bare"',
    '[remote "origin"]',
    `\turl = https://ann:${SECRET}@host/x.git`,
    '\tfetch = +refs/heads/*:refs/remotes/origin/*',
    `[url "https://${SECRET}@host/"]`,
    '\tinsteadOf = https://host/',
    '[credential]',
    `\thelper = "!f() { echo password=${SECRET}; }; f"`,
    '\thelper = store',
    `[http "https://host"] extraheader = AUTHORIZATION: basic ${SECRET}`,
    `[sendemail]`,
    `\tsmtpPass = ${SECRET}`,
    '\tsmtpUser = ann',
    '[alias]',
    '\tst = status',
    '',
  ].join('\n')

  test('loses logins and keeps the rest byte for byte', () => {
    expect(without('git-config', config).split('\n')).toEqual([
      '[core]',
      '\trepositoryformatversion = 0',
      '\tbare = false ; not "bare"',
      '[remote "origin"]',
      '\turl = https://host/x.git',
      '\tfetch = +refs/heads/*:refs/remotes/origin/*',
      '[url "https://host/"]',
      '\tinsteadOf = https://host/',
      '[credential]',
      '\t\t[http "https://host"] [sendemail]',
      '\t\tsmtpUser = ann',
      '[alias]',
      '\tst = status',
      '',
    ])
  })

  test('is still one that git reads', () => {
    const run = spawnSync('git', ['config', '--file', '-', '--list'], { input: without('git-config', config), encoding: 'utf8' })
    expect(run.stderr).toBe('')
    expect(run.stdout).toContain('remote.origin.url=https://host/x.git')
    expect(run.stdout).toContain('sendemail.smtpuser=ann')
  })

  test('without logins stays as it is', () => {
    const plain = '[core]\r\n\tbare = false\r\n[remote "o"]\n\turl = git@host:x/y.git\n\tpushurl = https://host/x.git\n# a comment \\\n[a]b'
    expect(filterCredentials('git-config', plain)).toBe(plain)
  })

  test.each([
    ['a value over two lines', `[remote "o"]\nurl = https://ann:s3cr3t\\\nValue@host/x\n`],
    ['a value in pieces of quotes', `[remote "o"]\nurl = htt"ps://ann:s3cr3t"Value@host/x\n`],
    ['an escaped character', `[remote "o"]\nurl = "https://ann:\\"${SECRET}@host/x"\n`],
    ['a header and value in one line', `[credential "https://host"]helper="!echo ${SECRET}"\n`],
    ['upper case', `[HTTP]\nEXTRAHEADER = X: ${SECRET}\n`],
    ['a byte order mark', `\ufeff[credential]\nusername = ${SECRET}\n`],
    ['the old form of subsections', `[credential.host]\nusername = ${SECRET}\n`],
    ['carriage returns', `[credential]\r\nusername = ${SECRET}\r\n`],
    ['no line break at the end', `[x]token = ${SECRET}`],
    ['a comment', `[x]\n# url = https://ann:${SECRET}@host\n`],
    ['a command with a password', `[core]\nsshCommand = sshpass -p ${SECRET} ssh\n`],
    ['a continued secret', `[x]\ntoken = a\\\n${SECRET}\nkeep = 1\n`],
  ])('loses a login in spite of %s', (_, text) => {
    expect(without('git-config', text)).not.toContain('Value')
  })

  test('of any bytes at all is handled, and clean text does not change when filtered again', () => {
    const fragment = fc.constantFrom(
      '[',
      ']',
      '"',
      '\\',
      '\n',
      '=',
      '#',
      ';',
      ' ',
      '[credential]',
      'token',
      'url = https://u:p@h/',
      'a',
      '://',
      '@',
    )
    fc.assert(
      fc.property(fc.array(fc.oneof(fragment, fc.string({ maxLength: 5 })), { maxLength: 40 }), (parts) => {
        const once = filterCredentials('git-config', parts.join(''))
        if (once !== undefined) expect(filterCredentials('git-config', once)).toBe(once)
      }),
    )
  })
})

describe('settings of package managers', () => {
  test('lose the lines with secrets', () => {
    const npmrc = [
      'registry=https://registry.example/',
      `//registry.example/:_authToken=${SECRET}`,
      `//registry.example/:_password = "${SECRET}"`,
      `_auth=${SECRET}==`,
      'always-auth=true',
      'email=ann@example.org',
      `proxy=http://ann:${SECRET}@proxy:80/`,
      `; old: _authToken=${SECRET}`,
      'save-exact=true',
    ].join('\n')
    expect(without('settings', npmrc).split('\n')).toEqual([
      'registry=https://registry.example/',
      'always-auth=true',
      'email=ann@example.org',
      'proxy=http://proxy:80/',
      'save-exact=true',
    ])
  })

  test('stay as they are when a secret is only named', () => {
    const npmrc = '//registry.example/:_authToken=${NPM_TOKEN}\nregistry=https://registry.example/\n'
    expect(filterCredentials('settings', npmrc)).toBe(npmrc)
  })

  test.each([
    ['Yarn 1', `registry "https://registry.example/"\n"//registry.example/:_authToken" "${SECRET}=="\n`],
    ['pip', `[global]\nindex-url = https://ann:${SECRET}@host/simple\nextra-index-url =\n    https://a:${SECRET}@host/\n`],
    ['Mercurial', `[auth]\nx.username = ann\nx.password = ${SECRET}\n`],
    ['Gradle', `mavenPassword=${SECRET}\nrepoToken: ${SECRET}\nsigning.keyPassword ${SECRET}\ntoken=a\\\n${SECRET}\n`],
    ['a key in the file', `key="-----BEGIN PRIVATE KEY-----\\n${SECRET}\\n-----END PRIVATE KEY-----"\n`],
  ])('lose secrets in the form of %s', (_, text) => {
    expect(without('settings', text)).not.toContain(SECRET)
  })

  test('are hidden when a key stands in several lines', () => {
    expect(filterCredentials('settings', `x=1\n-----BEGIN PRIVATE KEY-----\n${SECRET}\n-----END PRIVATE KEY-----`)).toBeUndefined()
  })
})

describe('settings of Yarn 2 and later', () => {
  test('lose tokens at every depth, block values too', () => {
    const yaml = [
      'nodeLinker: node-modules',
      `npmAuthToken: ${SECRET}`,
      'npmScopes:',
      '  company:',
      '    npmRegistryServer: "https://registry.example"',
      `    npmAuthToken: "${SECRET}"`,
      '    "npmAuthIdent": |',
      `      ${SECRET}`,
      '',
      `      ${SECRET}`,
      'enableTelemetry: false',
    ].join('\n')
    expect(without('yaml-settings', yaml).split('\n')).toEqual([
      'nodeLinker: node-modules',
      'npmScopes:',
      '  company:',
      '    npmRegistryServer: "https://registry.example"',
      'enableTelemetry: false',
    ])
  })

  test('are hidden as a whole when a token stands in a form we do not take apart', () => {
    expect(filterCredentials('yaml-settings', `npmScopes: { company: { npmAuthToken: "${SECRET}" } }\n`)).toBeUndefined()
  })

  test('stay as they are when the token comes from the environment', () => {
    const yaml = 'npmAuthToken: "${NPM_TOKEN}"\nnodeLinker: pnp\n'
    expect(filterCredentials('yaml-settings', yaml)).toBe(yaml)
  })
})

describe('content checks', () => {
  test.each([
    ['private-key', '-----BEGIN RSA PRIVATE KEY-----', true],
    ['private-key', '-----BEGIN PGP PRIVATE KEY BLOCK-----', true],
    ['private-key', '-----BEGIN CERTIFICATE-----', false],
    ['docker-login', '{"auths":{"h":{"auth":"YQ=="}}}', true],
    ['docker-login', '{"auths":{"h":{}},"credsStore":"desktop"}', false],
    ['service-account', '{"type":"service_account","private_key":"-----BEGIN"}', true],
    ['service-account', '{"secrets":[]}', false],
    ['password-setting', '[client]\nuser=a\npassword = x', true],
    ['password-setting', '<password>x</password>', true],
    ['password-setting', '<add key="ClearTextPassword" value="x" />', true],
    ['password-setting', '{"github-oauth":{"github.com":"x"}}', true],
    ['password-setting', '---\nBUNDLE_GEMS__EXAMPLE__COM: "a:b"', true],
    ['password-setting', '[client]\nport=3306\n', false],
    ['password-setting', '---\nBUNDLE_PATH: "vendor"', false],
    ['secret-variable', 'export API_KEY=x', true],
    ['secret-variable', 'DATABASE_URL=postgres://u:p@h/d', true],
    ['secret-variable', 'PORT=80\nAPI_KEY=\n', false],
  ] as const)('%s of %p is %p', (check, text, expected) => {
    expect(holdsSecret(check, text)).toBe(expected)
  })
})
