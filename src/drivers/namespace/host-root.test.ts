import { afterEach, beforeEach, describe, expect, test } from 'bun:test'
import { chmodSync, chownSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join, normalize } from 'node:path'
import * as allowlist from './host-allowlist.ts'
import { dotfileSteps, homeToolFolders, homeToolSteps, hostRootSteps, SANDBOX_HOME } from './host-root.ts'

let home: string
beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), 'host-root-'))
})
afterEach(() => rmSync(home, { recursive: true, force: true }))

function inHome(name: string, content: string): void {
  mkdirSync(dirname(join(home, name)), { recursive: true })
  writeFileSync(join(home, name), content)
}

describe('the allowlist', () => {
  const lists = Object.entries(allowlist).flatMap(([name, value]): [string, readonly string[]][] =>
    value instanceof RegExp ? [] : [[name, value]],
  )

  test.each(lists)('%s has every name once, as a plain path', (name, paths) => {
    expect(paths.length).toBeGreaterThan(0)
    expect(new Set(paths).size).toBe(paths.length)
    for (const path of paths) {
      expect(path).toBe(normalize(path))
      expect(path.startsWith('/')).toBe(name === 'DEFAULT_PATH')
      expect(path).not.toMatch(/^\.\.?(\/|$)|\/\.\.?(\/|$)|\/$|[*?[\]:\s]|^$/)
    }
  })

  // Accounts, keys, network and host identity, schedulers, service configuration.
  const FORBIDDEN_IN_ETC =
    'shadow passwd group gshadow subuid subgid sudoers sudoers.d ssh ssl/private pki/tls/private ssl hosts hostname resolv.conf machine-id fstab crypttab krb5.keytab krb5.conf docker kubernetes rancher cron.d crontab NetworkManager netplan wireguard openvpn environment profile profile.d apt apt/auth.conf pam.d security letsencrypt mysql postgresql redis nginx apache2 default init.d systemd exports samba ppp wpa_supplicant cloud containers msmtprc exim4 postfix ldap sssd .git'.split(
      ' ',
    )
  test.each(FORBIDDEN_IN_ETC)('shows nothing of /etc/%s', (name) => {
    const shown = (listed: string): boolean => listed === name || name.startsWith(`${listed}/`)
    expect(allowlist.HOST_ETC_NAMES.filter(shown)).toEqual([])
    expect(allowlist.HOST_ETC_LANGUAGE_PREFIXES.filter((prefix) => name.startsWith(prefix))).toEqual([])
  })

  const FORBIDDEN_IN_HOME =
    '.ssh .gnupg .aws .azure .config .config/gcloud .config/gh .kube .docker .netrc .npmrc .pypirc .git-credentials .cargo .cargo/credentials.toml .rustup .pyenv .nvm .rbenv .gem .gem/credentials .m2 .gradle .local .local/share .local/share/keyrings .mozilla .password-store .bash_history .zsh_history .bashrc .profile .zshrc .env .cache .agentkernel .claude .codex .gemini .terraform.d .vault-token .composer .yarn .npm .bun .deno go .config/rclone .ansible'.split(
      ' ',
    )
  test.each(FORBIDDEN_IN_HOME)('shows nothing of ~/%s as a whole', (name) => {
    const shown = (listed: string): boolean => listed === name || name.startsWith(`${listed}/`)
    const listed: readonly string[] = [...allowlist.HOME_TOOL_FOLDERS, ...allowlist.HOME_DOTFILES]
    expect(listed.filter(shown)).toEqual([])
  })

  test('names nothing that is below another name of it', () => {
    for (const [, paths] of lists) {
      for (const path of paths) expect(paths.filter((other) => path.startsWith(`${other}/`))).toEqual([])
    }
  })
})

describe("the host's own programs", () => {
  const steps = hostRootSteps()

  test('are shown where they are, and one that is not there is passed over', () => {
    const shown = steps.filter((step) => step.kind === 'show')
    expect(shown.flatMap((step) => step.names ?? []).length).toBeGreaterThan(10)
    for (const step of shown) expect(step.source).toBe(`/${step.target}`)
  })

  test('come with accounts and names that are ours, not the host’s', () => {
    const written = steps.filter((step) => step.kind === 'file')
    expect(written.map((step) => step.target).toSorted()).toEqual(
      ['group', 'hostname', 'hosts', 'nsswitch.conf', 'passwd', 'resolv.conf'].map((name) => `etc/${name}`),
    )
    const passwd = written.find((step) => step.target === 'etc/passwd')?.data ?? ''
    for (const line of passwd.trimEnd().split('\n')) expect(line.split(':')).toHaveLength(7)
    expect(passwd).toContain(`user:x:1000:1000:user:${SANDBOX_HOME}:`)
    const targets = steps.map((step) => step.target)
    for (const step of written) expect(targets.filter((target) => target === step.target)).toHaveLength(1)
  })
})

describe('tool folders', () => {
  test('are shown read-only where they are, those that exist', () => {
    inHome('.cargo/bin/cargo', '')
    inHome('.cargo/credentials.toml', 'token')
    inHome('.pyenv/versions/3.12.0/bin/python', '')
    const folders = homeToolFolders(home)
    const steps = homeToolSteps(folders)
    expect(folders.toSorted()).toEqual([join(home, '.cargo/bin'), join(home, '.pyenv/versions')])
    expect(steps.map((step) => step.source!)).toEqual(folders)
    for (const step of steps) expect(step).toMatchObject({ kind: 'bind', readOnly: true, target: step.source!.slice(1) })
  })

  test('of an empty home, or of none, are none', () => {
    expect(homeToolFolders(home)).toEqual([])
    expect(homeToolFolders('/nonexistent')).toEqual([])
    expect(homeToolSteps([])).toEqual([])
  })
})

describe('dotfiles', () => {
  const shown = () => dotfileSteps(home).map((step) => step.source?.slice(home.length + 1))

  test("are shown read-only in the sandbox's own home", () => {
    inHome('.gitconfig', '[user]\n\tname = Me\n\temail = me@example.com\n[core]\n\teditor = vim\n')
    inHome('.vimrc', 'set number\n')
    inHome('.config/nvim/init.lua', 'not allowed')
    inHome('.bashrc', 'not allowed')
    expect(dotfileSteps(home).map(({ source, target, readOnly }) => ({ source, target, readOnly }))).toEqual(
      ['.gitconfig', '.vimrc'].map((name) => ({ source: join(home, name), target: `home/user/${name}`, readOnly: true })),
    )
  })

  test.each([
    '[http]\n\textraheader = Authorization: Basic abc\n',
    '[http "https://example.com"]\n\textraHeader = x\n',
    '[url "https://me:hunter2@example.com/"]\n\tinsteadOf = https://example.com/\n',
    '[credential]\n\thelper = store\n',
    '[credential]\n\thelper=store --file ~/.creds\n',
    '[github]\n\ttoken = ghp_x\n',
    '[sendemail]\n\tsmtpPass = x\n\tsmtppassword = x\n',
    'let g:client_secret = "x"\n',
  ])('with a credential in them are left out: %j', (content) => {
    inHome('.gitconfig', content)
    inHome('.vimrc', 'set number\n')
    expect(shown()).toEqual(['.vimrc'])
  })

  test.each(['[url "git@example.com:"]\n\tinsteadOf = https://example.com/\n', '[credential]\n\thelper = cache\n', ''])(
    'without one are shown: %j',
    (content) => {
      inHome('.gitconfig', content)
      expect(shown()).toEqual(['.gitconfig'])
    },
  )

  test('that are symlinks, larger than a setting can be, or no files are left out', () => {
    inHome('elsewhere', 'set number\n')
    symlinkSync(join(home, 'elsewhere'), join(home, '.vimrc'))
    symlinkSync('/etc', join(home, '.nanorc'))
    symlinkSync(join(home, 'nothing'), join(home, '.inputrc'))
    inHome('.screenrc', 'x'.repeat((1 << 20) + 1))
    expect(Bun.spawnSync(['mkfifo', join(home, '.tmux.conf')]).exitCode).toBe(0)
    expect(shown()).toEqual([])
  })

  test('that may not be read are left out', () => {
    inHome('.gitconfig', '')
    inHome('.vimrc', '')
    chmodSync(join(home, '.gitconfig'), 0)
    if (process.getuid?.() !== 0) return expect(shown()).toEqual(['.vimrc'])
    chownSync(home, 54_321, 54_321)
    process.seteuid?.(54_321)
    try {
      expect(shown()).toEqual(['.vimrc'])
    } finally {
      process.seteuid?.(0)
    }
  })
})
