import { describe, expect, test } from 'bun:test'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { RULES_FINGERPRINT, SECRET_RULES } from './secret-files.ts'
import { createSecretMatcher } from './secret-matcher.ts'
import { isSkipped } from './skipped-folders.ts'

const matcher = createSecretMatcher()
const actionFor = (path: string) => {
  const slash = path.lastIndexOf('/')
  return matcher(path.slice(0, Math.max(slash, 0)))(path.slice(slash + 1))
}

describe('the table of secret files', () => {
  const hidden = `.env .env.local .env.production .ENV .envrc .env-prod deep/er/.env id_rsa keys/id_ed25519 key.p12 app.keystore pw.kdbx
    x.ppk .netrc _netrc .git-credentials .git/credentials .pgpass .pypirc .cargo/credentials .cargo/credentials.toml .aws/credentials
    .kube/config kubeconfig dev.kubeconfig kubeconfig.yaml .vault-token .htpasswd config/master.key config/credentials/prod.key
    .gnupg/private-keys-v1.d/0123.key gcloud/legacy_credentials/a@b/adc.json application_default_credentials.json .codex/auth.json
    .aws/sso/cache/abc.json .dockercfg .config/gh/hosts.yml .claude/.credentials.json daemon.token run/daemon.token`
  test.each(hidden.split(/\s+/))('%s is hidden', (path) => {
    expect(actionFor(path)).toEqual({ hide: 'always' })
  })

  const looked = `server.pem tls.key cert.crt .ssh/deploy .ssh/known_hosts backup_rsa my-service-account.json client_secret.json
    project-0123456789ab.json prod.env .docker/config.json .my.cnf auth.json NuGet.Config .bundle/config`
  test.each(looked.split(/\s+/))('%s is looked into', (path) => {
    expect(actionFor(path)?.hide).toBeString()
    expect(actionFor(path)?.hide).not.toBe('always')
  })

  const filtered = `.npmrc sub/.npmrc .yarnrc .yarnrc.yml pip.conf gradle.properties .git/config sub/.git/config bare.git/config
    .git/modules/a/b/config .git/worktrees/w/config.worktree .gitmodules`
  test.each(filtered.split(/\s+/))('%s is filtered', (path) => {
    expect(actionFor(path)?.filter).toBeString()
  })

  const shown = `.env.example .env.sample .env.template .env.local.example .env.dist README.md package.json tsconfig.json config
    src/config credentials src/credentials.ts environment.ts env id_rsa.pub .ssh.md debug.keystore config.json src/secret.ts a/hosts.yml
    example.env github/config .github/config.yml xgit/config`
  test.each(shown.split(/\s+/))('%s is shown as it is', (path) => {
    expect(actionFor(path)).toBeUndefined()
  })

  test('has plain names in lower case with at most one star, and "*" only together with a folder', () => {
    for (const rule of SECRET_RULES) {
      for (const name of rule.names) {
        expect(name).toBe(name.toLowerCase())
        expect(name.split('*').length).toBeLessThanOrEqual(2)
        if (name === '*') expect(rule.within).toBeDefined()
      }
    }
  })

  test('has the fingerprint of the code that decides; when this fails, write the expected number into secret-files.ts', () => {
    expect(RULES_FINGERPRINT).toBe(fingerprint())
  })
})

/** Of the code without comments and formatting. */
function fingerprint(): number {
  const transpiler = new Bun.Transpiler({ loader: 'ts' })
  const files = ['secret-files', 'secret-matcher', 'content-checks', 'credential-filters', 'git-config-filter', 'url-credentials']
  const sources = [...files, 'inspect-file', 'watched-file', 'read-folder', 'skipped-folders'].map((name) => {
    return transpiler.transformSync(readFileSync(join(import.meta.dir, `${name}.ts`), 'utf8'))
  })
  return Bun.hash.crc32(sources.join('\n').replace(/RULES_FINGERPRINT = \d+/, ''))
}

describe('dependency folders', () => {
  test('are left out by name, or by name and neighbour', () => {
    expect(isSkipped('node_modules', 'app', new Set())).toBeTrue()
    expect(isSkipped('target', 'app', new Set(['Cargo.toml']))).toBeTrue()
    expect(isSkipped('target', 'app', new Set(['pom.xml']))).toBeFalse()
    expect(isSkipped('bundle', 'vendor', new Set())).toBeTrue()
    expect(isSkipped('bundle', 'src', new Set())).toBeFalse()
    expect(isSkipped('src', 'app', new Set())).toBeFalse()
  })

  test('of git are known by HEAD, so that a submodule called "objects" is looked into', () => {
    expect(isSkipped('objects', '.git', new Set(['HEAD', 'config']))).toBeTrue()
    expect(isSkipped('objects', 'modules', new Set(['objects']))).toBeFalse()
  })
})
