/**
 * What the pseudo-image `host` shows of the machine, as data. Everything not named here does not exist in a sandbox.
 * Adding a line widens what hostile code may read: say in the comment why it is harmless.
 */

/** Programs and libraries, world-readable on every distribution. Top-level names that are symlinks stay symlinks. */
export const HOST_SYSTEM_FOLDERS = ['usr', 'bin', 'sbin', 'lib', 'lib32', 'lib64', 'libx32'] as const

/** Names in /etc that programs need to start or to find their parts. No accounts, no network set-up, no keys. */
export const HOST_ETC_NAMES = [
  'ld.so.cache',
  'ld.so.conf',
  'ld.so.conf.d',
  'ld.so.preload',
  'alternatives',
  'ssl/certs',
  'ssl/openssl.cnf',
  'ssl/cert.pem',
  'pki/tls/certs',
  'pki/ca-trust/extracted',
  'ca-certificates',
  'ca-certificates.conf',
  'localtime',
  'timezone',
  'locale.conf',
  'locale.alias',
  'locale',
  'terminfo',
  'mime.types',
  'services',
  'protocols',
  'os-release',
  'debian_version',
  'inputrc',
  'magic',
] as const

/** Folders of language runtimes in /etc, by the start of their name: configuration that the runtime loads at start. */
export const HOST_ETC_LANGUAGE_PREFIXES = [
  'python',
  'java-',
  'java',
  'perl',
  'ruby',
  'php',
  'R',
  'lua',
  'ghc',
  'mono',
  'maven',
  'gradle',
  'ant',
  'julia',
  'erlang',
  'dotnet',
] as const

/**
 * Folders of tool managers in a home. Each line names the part with programs, never the manager's root, which also
 * holds credentials (`.cargo/credentials.toml`), caches and settings. A `bin` folder is shown alone.
 */
export const HOME_TOOL_FOLDERS = [
  '.asdf/installs',
  '.bun/bin',
  '.cabal/bin',
  '.cargo/bin',
  '.deno/bin',
  '.dotnet/host',
  '.dotnet/sdk',
  '.dotnet/shared',
  '.fnm/node-versions',
  '.ghcup/bin',
  '.ghcup/ghc',
  '.goenv/versions',
  '.jenv/versions',
  '.juliaup/bin',
  '.local/pipx/venvs',
  '.local/share/fnm/node-versions',
  '.local/share/mise/installs',
  '.local/share/pipx/venvs',
  '.local/share/pnpm',
  '.local/share/uv/python',
  '.local/share/uv/tools',
  '.nodenv/versions',
  '.nvm/versions',
  '.nodebrew/node',
  '.phpenv/versions',
  '.pyenv/versions',
  '.rbenv/versions',
  '.rustup/toolchains',
  '.sdkman/candidates',
  '.swiftly/toolchains',
  '.volta/bin',
  '.volta/tools',
  '.yarn/bin',
  'go/bin',
  'miniconda3/bin',
  'miniconda3/lib',
  '.local/bin',
  '.npm-global/bin',
  '.npm-global/lib/node_modules',
] as const

/** Settings of a home that `mount_home` shows: how tools look and behave, nothing that logs in anywhere. */
export const HOME_DOTFILES = [
  '.editorconfig',
  '.gitconfig',
  '.gitignore_global',
  '.inputrc',
  '.nanorc',
  '.screenrc',
  '.tmux.conf',
  '.vimrc',
  '.config/git/ignore',
] as const

/** A dotfile with any of this in it holds a credential and is left out. */
export const CREDENTIAL_IN_DOTFILE = /extraheader|token|passw|secret|:\/\/[^\s/@]+:[^\s/@]+@|helper\s*=\s*store/i

/** Files of /proc that tell about the host; an empty file covers them. */
export const PROC_COVERED_FILES = ['kcore', 'keys', 'kmsg', 'timer_list', 'kallsyms'] as const

/** Parts of /proc that act on the kernel; shown read-only. */
export const PROC_READ_ONLY = ['sys', 'irq', 'bus', 'sysrq-trigger'] as const

/** Devices without state or power, as every container has them. */
export const DEVICES = ['null', 'zero', 'full', 'random', 'urandom', 'tty'] as const

export const DEFAULT_PATH = ['/usr/local/sbin', '/usr/local/bin', '/usr/sbin', '/usr/bin', '/sbin', '/bin'] as const
