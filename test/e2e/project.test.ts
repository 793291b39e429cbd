import { afterAll, describe, expect, test } from 'bun:test'
import { execFileSync } from 'node:child_process'
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { BINARY, IS_ROOT, User } from './kit.ts'

const user = new User()
afterAll(() => user.remove())

/** A folder of the user that is a project of its own. */
function folder(name: string): string {
  const path = join(user.home, name)
  mkdirSync(path, { recursive: true })
  writeFileSync(join(path, 'file.txt'), 'content\n')
  return path
}

function program(path: string, text: string): void {
  mkdirSync(join(path, '..'), { recursive: true })
  writeFileSync(path, `#!/bin/sh\n${text}\n`)
  chmodSync(path, 0o755)
}

const git = (cwd: string, ...args: string[]): void => {
  const identity = ['-c', 'user.name=A', '-c', 'user.email=a@example.org', '-c', 'init.defaultBranch=main']
  execFileSync('git', [...identity, ...args], { cwd, env: { ...user.env, GIT_CONFIG_NOSYSTEM: '1' }, stdio: 'ignore' })
}

describe('the environment', () => {
  test('is exactly the terminal and locale settings, PATH, HOME and what -e gives', async () => {
    const passed = {
      TERM: 'xterm',
      COLORTERM: 'truecolor',
      LANG: 'C.UTF-8',
      LC_TIME: 'C',
      TZ: 'UTC',
      NO_COLOR: '1',
      FORCE_COLOR: '0',
      CI: 'true',
    }
    const secret = { AWS_SECRET_ACCESS_KEY: 'secret', SSH_AUTH_SOCK: '/x', LD_PRELOAD: '', TOKEN: 'copied', BASH_ENV: '/x' }
    const { stdout } = await user.agentkernel(['run', '-e', 'A=b=c', '-e', 'TOKEN', '-e', 'EMPTY=', 'env'], {
      env: { ...passed, ...secret },
    })
    const seen = Object.fromEntries(
      stdout
        .trimEnd()
        .split('\n')
        .map((line) => [line.slice(0, line.indexOf('=')), line.slice(line.indexOf('=') + 1)]),
    )
    const { PATH, HOME, ...rest } = seen
    expect(rest).toEqual({ ...passed, A: 'b=c', TOKEN: 'copied', EMPTY: '' })
    expect(PATH).toContain('/usr/bin')
    expect(HOME).toBe('/home/user')
  })
})

describe('the project inside', () => {
  test('keeps the current directory, and its host path leads to it', async () => {
    const deep = join(folder('app'), 'a/b')
    mkdirSync(deep, { recursive: true })
    git(join(user.home, 'app'), 'init')
    const script = `pwd; readlink '${join(user.home, 'app')}'; cat '${join(user.home, 'app')}/file.txt'`
    expect(await user.agentkernel(['run', 'sh', '-c', script], { cwd: deep })).toEqual({
      code: 0,
      stdout: '/workspace/a/b\n/workspace\ncontent\n',
      stderr: '',
    })
  })

  test('is below /var/tmp without leaving anything on the host', async () => {
    const path = mkdtempSync('/var/tmp/agentkernel-e2e-')
    try {
      writeFileSync(join(path, 'file.txt'), 'content\n')
      const ended = await user.agentkernel(['run', 'cat', join(path, 'file.txt')], { cwd: path })
      expect(ended).toMatchObject({ code: 0, stdout: 'content\n' })
      expect(existsSync(path.replace('/var/tmp', '/tmp'))).toBe(false)
    } finally {
      rmSync(path, { recursive: true, force: true })
    }
  })

  test('cannot write control characters or lines of ours to the terminal through a notice', async () => {
    const path = folder('escapes')
    writeFileSync(join(path, 'agentkernel.toml'), '[sandbox]\nbase_image = "x\\u001b[2Jy\\nagentkernel: fake"\n')
    const { stderr } = await user.agentkernel(['run', 'true'], { cwd: path })
    expect(stderr).toContain('fake')
    expect(stderr).not.toContain('\u001b')
    expect(stderr).not.toMatch(/^agentkernel: fake/m)
  })

  test('-w is relative to the current directory, absolute inside, or a host path of the project', async () => {
    const app = folder('app')
    mkdirSync(join(app, 'a/b'), { recursive: true })
    const at = async (workdir: string) => (await user.agentkernel(['run', '-w', workdir, 'pwd'], { cwd: join(app, 'a') })).stdout
    git(app, 'init')
    expect(await at('b')).toBe('/workspace/a/b\n')
    expect(await at('..')).toBe('/workspace\n')
    expect(await at('/tmp')).toBe('/tmp\n')
    expect(await at(join(app, 'a/b'))).toBe('/workspace/a/b\n')
  })

  test('programs of the project on PATH are found', async () => {
    const app = folder('app')
    program(join(app, 'node_modules/.bin/own-tool'), 'echo node tool')
    program(join(app, '.venv/bin/own-python-tool'), 'echo venv tool')
    const env = { PATH: `${app}/node_modules/.bin:${app}/.venv/bin:${user.env['PATH']}` }
    const { stdout } = await user.agentkernel(['run', 'sh', '-c', 'own-tool; own-python-tool'], { cwd: app, env })
    expect(stdout).toBe('node tool\nvenv tool\n')
  })

  test('changes go away with the sandbox, and a notice counts them', async () => {
    const app = folder('changes')
    const { code, stderr } = await user.agentkernel(
      ['run', 'sh', '-c', 'echo new > file.txt; echo 1 > one; mkdir d; echo 2 > d/two; cat file.txt'],
      { cwd: app },
    )
    expect(code).toBe(0)
    expect(stderr).toBe(
      'agentkernel: 3 changed files in /workspace went away with the sandbox; to keep changes, run with --workspace mount.\n',
    )
    expect(readFileSync(join(app, 'file.txt'), 'utf8')).toBe('content\n')
    expect(existsSync(join(app, 'one'))).toBe(false)
    expect((await user.agentkernel(['run', '-q', 'sh', '-c', 'rm file.txt'], { cwd: app })).stderr).toBe('')
  })

  test('--workspace mount writes to the host, as the user; none shows nothing', async () => {
    const app = folder('mounted')
    expect(await user.agentkernel(['run', '--workspace', 'mount', 'sh', '-c', 'echo kept > new'], { cwd: app })).toMatchObject({
      code: 0,
      stderr: '',
    })
    expect(readFileSync(join(app, 'new'), 'utf8')).toBe('kept\n')
    expect((await user.agentkernel(['run', '--workspace', 'none', 'ls', '-A'], { cwd: app })).stdout).toBe('')
  })

  test('a linked work tree is a project, whose git folder stays outside', async () => {
    const app = folder('main-tree')
    git(app, 'init')
    git(app, 'add', '.')
    git(app, 'commit', '-m', 'first')
    git(app, 'worktree', 'add', join(user.home, 'linked'))
    mkdirSync(join(user.home, 'linked/sub'))
    const cwd = join(user.home, 'linked/sub')
    expect((await user.agentkernel(['run', 'cat', '../file.txt'], { cwd })).stdout).toBe('content\n')
    for (const mode of ['copy', 'mount']) {
      const { code, stderr } = await user.agentkernel(['run', '-q', '--workspace', mode, 'git', 'status'], { cwd })
      expect({ code, stderr }).toEqual({ code: 128, stderr: expect.stringContaining('not a git repository') })
    }
  })
})

describe('where there is no project the workspace is empty, with a notice', () => {
  test('the home', async () => {
    const { code, stdout, stderr } = await user.agentkernel(['run', 'sh', '-c', 'pwd; ls -A'], { cwd: user.home })
    expect({ code, stdout }).toEqual({ code: 0, stdout: '/workspace\n' })
    expect(stderr).toMatch(/^agentkernel: the workspace is empty: .* is your home directory; .*\n$/)
  })

  test('the root of the system', async () => {
    expect((await user.agentkernel(['run', 'ls', '-A'], { cwd: '/' })).stderr).toMatch(/the workspace is empty: \/ is the whole system/)
  })

  test('a folder that may not be read', async () => {
    const closed = folder('closed')
    chmodSync(closed, 0o300)
    const { code, stderr } = await user.agentkernel(['run', 'true'], { cwd: closed })
    chmodSync(closed, 0o700)
    // Root may read everything; for others the folder is no project.
    expect(code).toBe(0)
    if (!IS_ROOT) expect(stderr).toMatch(/the workspace is empty/)
  })

  test('a folder that is gone: one sentence', async () => {
    const { code, stderr } = await user.spawn(['bash', '-c', `mkdir gone; cd gone; rmdir ../gone; '${BINARY}' run true`])
    expect(code).not.toBe(0)
    expect(stderr.trimEnd().split('\n')).toHaveLength(1)
    expect(stderr).toMatch(/director/)
  })
})

describe('names that are hard', () => {
  const names = [
    'with space',
    `quo"te's`,
    'ünïcödé 名',
    'new\nline',
    'co:lon',
    'com,ma',
    'back\\slash',
    '-dash',
    '$HOME',
    '%41',
    `${'deep/'.repeat(60)}end`,
  ]
  for (const name of names) {
    test(`a project called ${JSON.stringify(name.slice(0, 40))}`, async () => {
      const app = folder(name)
      const script = 'cat file.txt; cat "$1/file.txt"; echo x > y'
      expect(await user.agentkernel(['run', '-q', 'sh', '-c', script, 'sh', app], { cwd: app })).toEqual({
        code: 0,
        stdout: 'content\ncontent\n',
        stderr: '',
      })
      expect(await user.agentkernel(['run', '-q', '--workspace', 'mount', 'cat', 'file.txt'], { cwd: app })).toMatchObject({
        code: 0,
        stdout: 'content\n',
      })
    })
  }

  test('a home with all of them', async () => {
    const odd = new User(`ho me:,"'\\\n名`)
    try {
      writeFileSync(join(odd.project, 'file.txt'), 'content\n')
      expect(await odd.agentkernel(['run', 'sh', '-c', 'cat file.txt; echo 1 > ~/x; cat ~/x'])).toEqual({
        code: 0,
        stdout: 'content\n1\n',
        stderr: '',
      })
      expect(odd.leftFolders()).toEqual([])
    } finally {
      odd.remove()
    }
  })

  test('a project directly below /tmp', async () => {
    const app = mkdtempSync('/tmp/agentkernel-e2e-')
    try {
      writeFileSync(join(app, 'file.txt'), 'content\n')
      expect((await user.agentkernel(['run', 'sh', '-c', `cat file.txt ${app}/file.txt`], { cwd: app })).stdout).toBe('content\ncontent\n')
    } finally {
      rmSync(app, { recursive: true })
    }
  })
})
