/** What a file must hold to be hidden, where the name alone does not decide; `content-checks.ts`. */
export type ContentCheck = 'private-key' | 'docker-login' | 'service-account' | 'password-setting' | 'secret-variable'
/** How credentials are taken out of a file whose rest is needed; `credential-filters.ts`. */
export type ContentFilter = 'settings' | 'git-config' | 'yaml-settings'

/** What to do with a file that a rule names. */
export type SecretAction =
  | { readonly hide: 'always'; readonly filter?: never }
  | { readonly hide: ContentCheck; readonly filter?: never }
  | { readonly filter: ContentFilter; readonly hide?: never }

/** One kind of file that may hold a secret. Plain text compares in no time; patterns cost their compilation in each run. */
export interface SecretRule {
  /** Base names in lower case; one `*` stands for any text. */
  readonly names: readonly string[]
  /** The folder must end so, in the project and with a slash at both ends (`/.aws/`); with `**`, begin or hold so. */
  readonly within?: readonly string[]
  /** The base name must match too. */
  readonly pattern?: RegExp
  readonly action: SecretAction
  /** What the file is, for the documentation. */
  readonly why: string
}

const HIDE: SecretAction = { hide: 'always' }

/** Names that would match a rule but are made to be shared. */
export const SHARED_ON_PURPOSE: readonly string[] = [
  ...['example', 'sample', 'template', 'tmpl', 'dist', 'default', 'defaults', 'schema', 'vault'].map((word) => `.env*${word}`),
  ...['example.env', 'sample.env', 'template.env', 'debug.keystore'],
]

/** Of the rules that match a file, one that always hides decides, else the first. */
export const SECRET_RULES: readonly SecretRule[] = [
  { names: ['.env', '.envrc', '.env.*', '.env-*', '.env_*', '.dev.vars', '.dev.vars.*'], action: HIDE, why: 'environment file' },
  { names: ['*.env', 'local.settings.json'], action: { hide: 'secret-variable' }, why: 'environment file with a secret' },

  { names: ['id_rsa', 'id_dsa', 'id_ecdsa', 'id_ed25519', 'id_ecdsa_sk', 'id_ed25519_sk'], action: HIDE, why: 'SSH private key' },
  { names: ['*'], within: ['/.ssh/'], action: { hide: 'private-key' }, why: 'SSH private key' },
  { names: ['*_rsa', '*_dsa', '*_ecdsa', '*_ed25519'], action: { hide: 'private-key' }, why: 'SSH private key' },
  {
    names: ['*.pem', '*.key', '*.p8', '*.crt', '*.cer', '*.cert', '*.asc', '*.ovpn', '*.agekey', 'keys.txt', 'key.txt'],
    action: { hide: 'private-key' },
    why: 'private key beside or instead of a certificate',
  },
  { names: ['*.p12', '*.pfx', '*.jks', '*.bks', '*.keystore'], action: HIDE, why: 'key store' },
  { names: ['*.ppk'], action: HIDE, why: 'PuTTY private key' },
  { names: ['*.kdbx', '*.kdb', '*.agilekeychain', '*.keychain', '*.keychain-db'], action: HIDE, why: 'password store' },
  { names: ['secring.gpg', 'trustdb.gpg'], action: HIDE, why: 'GnuPG keys' },
  { names: ['*'], within: ['/private-keys-v1.d/'], action: HIDE, why: 'GnuPG keys' },
  { names: ['master.key'], action: HIDE, why: 'Rails master key' },
  { names: ['*.key'], within: ['/credentials/'], action: HIDE, why: 'Rails environment key' },

  { names: ['.netrc', '_netrc', '.authinfo', '.authinfo.gpg'], action: HIDE, why: 'passwords of hosts' },
  { names: ['.git-credentials'], action: HIDE, why: 'git passwords' },
  { names: ['daemon.token'], action: HIDE, why: 'what opens our own daemon' },
  {
    names: ['credentials'],
    within: ['/.git/', '/git/', '/.aws/', '/.gem/', '/.cargo/'],
    action: HIDE,
    why: 'passwords of git, AWS, RubyGems, Cargo',
  },
  { names: ['.pgpass', 'pgpass.conf', '.mylogin.cnf'], action: HIDE, why: 'database passwords' },
  { names: ['.my.cnf', 'my.cnf', '.s3cfg', '.boto'], action: { hide: 'password-setting' }, why: 'client settings with a password' },
  { names: ['.htpasswd'], action: HIDE, why: 'password hashes' },
  { names: ['.vault-token', '.terraformrc', 'terraform.rc', 'credentials.tfrc.json'], action: HIDE, why: 'HashiCorp tokens' },
  { names: ['rclone.conf', '.rclone.conf', '.databrickscfg', '.ftpconfig'], action: HIDE, why: 'logins of a client' },
  { names: ['sftp.json'], action: { hide: 'password-setting' }, why: 'upload settings of an editor' },

  { names: ['.pypirc'], action: HIDE, why: 'PyPI login' },
  { names: ['credentials.toml'], within: ['/.cargo/'], action: HIDE, why: 'Cargo token' },
  { names: ['auth.json'], within: ['/.codex/', '/.composer/'], action: HIDE, why: 'login of Codex or Composer' },
  { names: ['auth.json', 'nuget.config', 'settings.xml'], action: { hide: 'password-setting' }, why: 'login of a package manager' },
  { names: ['config'], within: ['/.bundle/'], action: { hide: 'password-setting' }, why: 'login of Bundler' },
  { names: ['.npmrc', 'npmrc', '.yarnrc', 'pip.conf', 'pip.ini', 'hgrc', '.hgrc'], action: { filter: 'settings' }, why: 'registry tokens' },
  { names: ['gradle.properties'], action: { filter: 'settings' }, why: 'repository passwords' },
  { names: ['.yarnrc.yml', '.yarnrc.yaml'], action: { filter: 'yaml-settings' }, why: 'registry tokens' },

  { names: ['config.json'], within: ['/.docker/'], action: { hide: 'docker-login' }, why: 'Docker registry logins' },
  { names: ['.dockercfg', '.dockerconfigjson'], action: HIDE, why: 'Docker registry logins' },
  { names: ['kubeconfig', '*.kubeconfig', 'kubeconfig.*'], action: HIDE, why: 'cluster login' },
  { names: ['config'], within: ['/.kube/'], action: HIDE, why: 'cluster login' },
  { names: ['*.json'], within: ['/.aws/sso/cache/', '/.aws/cli/cache/'], action: HIDE, why: 'AWS session' },
  { names: ['application_default_credentials.json', 'access_tokens.db'], action: HIDE, why: 'Google Cloud login' },
  { names: ['*'], within: ['/gcloud/legacy_credentials/**', '/.azure/'], action: HIDE, why: 'Google Cloud or Azure login' },
  { names: ['credentials.db'], within: ['/gcloud/'], action: HIDE, why: 'Google Cloud login' },
  {
    names: ['*.json'],
    pattern: /credential|service.?account|secret|adminsdk|-[0-9a-f]{12}\.json$/,
    action: { hide: 'service-account' },
    why: 'Google service account key',
  },
  { names: ['hosts.yml'], within: ['/gh/'], action: HIDE, why: 'GitHub login' },
  { names: ['.credentials.json', 'oauth_creds.json'], action: HIDE, why: 'login of a coding agent' },
  { names: ['secrets.toml'], within: ['/.streamlit/'], action: HIDE, why: 'Streamlit secrets' },

  // `.git/config`, `.git/modules/a/b/config`, `.git/worktrees/w/config.worktree`, and the same in a bare `x.git`.
  {
    names: ['config', 'config.worktree'],
    within: ['.git/', '.git/modules/**', '.git/worktrees/**'],
    action: { filter: 'git-config' },
    why: 'passwords in remotes, headers and helpers',
  },
  { names: ['.gitmodules', '.gitconfig'], action: { filter: 'git-config' }, why: 'passwords in remotes' },
]

/**
 * Stands for these tables and the code that applies them. What a scan remembered under another number is not trusted,
 * so it has to change with them; a test says when, and to what. Written down, because computing it takes each run time.
 */
export const RULES_FINGERPRINT = 1017792519
