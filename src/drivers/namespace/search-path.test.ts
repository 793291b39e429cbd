import { afterEach, beforeEach, describe, expect, test } from 'bun:test'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { DEFAULT_PATH } from './host-allowlist.ts'
import { homeToolFolders } from './host-root.ts'
import { sandboxPath } from './search-path.ts'

const SYSTEM = DEFAULT_PATH.join(':')

let home: string
beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), 'search-path-'))
})
afterEach(() => rmSync(home, { recursive: true, force: true }))

/** Makes folders (names ending in `/`) and files of the home. */
function inHome(files: Readonly<Record<string, string>>): void {
  for (const [name, content] of Object.entries(files)) {
    const path = join(home, name)
    mkdirSync(name.endsWith('/') ? path : join(path, '..'), { recursive: true })
    if (!name.endsWith('/')) writeFileSync(path, content)
  }
}

/** What comes before the system's own folders; names without a slash at the front are of the home. */
function mapped(entries: readonly string[], project?: string): string[] {
  const callerPath = entries.map((entry) => (entry.startsWith('~/') ? join(home, entry.slice(2)) : entry)).join(':')
  const path = sandboxPath({ callerPath, home, toolFolders: homeToolFolders(home), project })
  expect(path === SYSTEM || path.endsWith(`:${SYSTEM}`) || entries.some((entry) => entry.startsWith('/usr'))).toBe(true)
  return path
    .split(':')
    .filter((entry) => !(DEFAULT_PATH as readonly string[]).includes(entry))
    .map((entry) => entry.replace(home, '~'))
}

describe("the caller's search path", () => {
  test('without anything is the system one', () => {
    expect(sandboxPath({ callerPath: '', home, toolFolders: [], project: undefined })).toBe(SYSTEM)
  })

  test('loses what does not exist in a sandbox', () => {
    inHome({ 'bin/': '', '.config/secrets/bin/': '' })
    expect(mapped(['~/bin', '~/.config/secrets/bin', '/opt/tool/bin', '/snap/bin', '/usrlocal/bin', '/home/other/bin'])).toEqual([])
  })

  test('loses entries that are relative or empty: they would mean the current folder', () => {
    const entries = ['', '.', 'bin', './node_modules/.bin', '~x']
    expect(mapped(entries)).toEqual([])
    expect(mapped(entries, process.cwd())).toEqual([])
  })

  test('keeps tool folders of the home that are shown, in their order', () => {
    inHome({ '.bun/bin/': '', '.nvm/versions/node/v22/bin/': '' })
    expect(mapped(['~/.nvm/versions/node/v22/bin', '/opt/no', '~/.bun/bin'])).toEqual(['~/.nvm/versions/node/v22/bin', '~/.bun/bin'])
  })

  test('keeps folders of the project, when it is shown', () => {
    const entries = ['/p/project/node_modules/.bin', '/p/project', '/p/project-two/bin', '/p']
    expect(mapped(entries, '/p/project')).toEqual(['/p/project/node_modules/.bin', '/p/project'])
    expect(mapped(entries)).toEqual([])
  })

  test('has every folder once, where it came first', () => {
    inHome({ '.bun/bin/': '' })
    const path = sandboxPath({
      callerPath: `/usr/bin:${home}/.bun/bin:/usr/bin:/bin:${home}/.bun/bin`,
      home,
      toolFolders: [join(home, '.bun/bin')],
      project: undefined,
    })
    const rest = DEFAULT_PATH.filter((folder) => folder !== '/usr/bin' && folder !== '/bin')
    expect(path.split(':')).toEqual(['/usr/bin', `${home}/.bun/bin`, '/bin', ...rest])
  })

  test('makes only absolute folders that are shown, each once, whatever it is', () => {
    const piece = fc.oneof(fc.string(), fc.constantFrom('/usr/bin', '/bin', '/tools/x', '/tools', '/p', '/p/a', '/pp', '.', '..'))
    fc.assert(
      fc.property(fc.array(piece), (pieces) => {
        const input = { callerPath: pieces.join(':'), home: '/nowhere', toolFolders: ['/tools'], project: '/p' }
        const entries = sandboxPath(input).split(':')
        expect(new Set(entries).size).toBe(entries.length)
        for (const folder of DEFAULT_PATH) expect(entries).toContain(folder)
        for (const entry of entries) expect(entry).toMatch(/^\/(usr|bin|sbin|tools|p)(\/|$)/)
      }),
    )
  })
})

describe('the starters of a version manager', () => {
  test.each(['pyenv', 'rbenv', 'nodenv', 'goenv', 'phpenv'])('of %s become the programs of the chosen version', (manager) => {
    inHome({
      [`.${manager}/shims/`]: '',
      [`.${manager}/version`]: '3.9.1\n',
      [`.${manager}/versions/3.9.1/`]: '',
      [`.${manager}/versions/3.12.0/`]: '',
    })
    expect(mapped([`~/.${manager}/shims`])).toEqual([`~/.${manager}/versions/3.9.1/bin`])
  })

  test('of several chosen versions come in the order of choice', () => {
    inHome({ '.pyenv/version': '3.12.0\n2.7.18\n', '.pyenv/versions/2.7.18/': '', '.pyenv/versions/3.12.0/': '' })
    expect(mapped(['~/.pyenv/shims'])).toEqual(['~/.pyenv/versions/3.12.0/bin', '~/.pyenv/versions/2.7.18/bin'])
  })

  test('are those of the newest version when none is chosen, or one that is gone', () => {
    inHome({ '.pyenv/versions/3.9.1/': '', '.pyenv/versions/3.12.0/': '' })
    expect(mapped(['~/.pyenv/shims'])).toEqual(['~/.pyenv/versions/3.12.0/bin'])
    inHome({ '.pyenv/version': '2.7.18\n' })
    expect(mapped(['~/.pyenv/shims'])).toEqual(['~/.pyenv/versions/3.12.0/bin'])
  })

  test("are the system's own when that is chosen", () => {
    inHome({ '.pyenv/version': 'system\n', '.pyenv/versions/3.12.0/': '' })
    expect(mapped(['~/.pyenv/shims'])).toEqual([])
  })

  test('never lead out of the versions', () => {
    inHome({ '.pyenv/version': '../../.ssh ../.. .. . 3.12.0/../../..\n', '.pyenv/versions/3.12.0/': '', '.ssh/': '' })
    expect(mapped(['~/.pyenv/shims'])).toEqual(['~/.pyenv/versions/3.12.0/bin'])
  })

  test('are dropped when nothing is installed', () => {
    inHome({ '.pyenv/shims/': '', '.rbenv/shims/': '', '.rbenv/versions/': '' })
    expect(mapped(['~/.pyenv/shims', '~/.rbenv/shims'])).toEqual([])
  })

  test('are found with a slash at the end too', () => {
    inHome({ '.pyenv/versions/3.12.0/': '' })
    expect(mapped(['~/.pyenv/shims/'])).toEqual(['~/.pyenv/versions/3.12.0/bin'])
  })
})

describe('the starters of rustup', () => {
  const [stable, nightly] = ['stable-x86_64-unknown-linux-gnu', 'nightly-2026-01-01-x86_64-unknown-linux-gnu']

  test.each([
    ['default_toolchain = "nightly"\n', nightly],
    [`version = "12"\ndefault_toolchain = "${stable}"\n`, stable],
  ])('have the default toolchain before them: %j', (settings, toolchain) => {
    inHome({
      '.cargo/bin/': '',
      '.rustup/settings.toml': settings,
      [`.rustup/toolchains/${stable}/`]: '',
      [`.rustup/toolchains/${nightly}/`]: '',
    })
    expect(mapped(['~/.cargo/bin'])).toEqual([`~/.rustup/toolchains/${toolchain}/bin`, '~/.cargo/bin'])
  })

  test('have any toolchain before them when none is chosen', () => {
    inHome({ '.cargo/bin/': '', [`.rustup/toolchains/${stable}/`]: '' })
    expect(mapped(['~/.cargo/bin'])).toEqual([`~/.rustup/toolchains/${stable}/bin`, '~/.cargo/bin'])
  })

  test('stay alone without a toolchain, and go when there are none', () => {
    inHome({ '.cargo/bin/': '' })
    expect(mapped(['~/.cargo/bin'])).toEqual(['~/.cargo/bin'])
    rmSync(join(home, '.cargo'), { recursive: true })
    expect(mapped(['~/.cargo/bin'])).toEqual([])
  })
})
