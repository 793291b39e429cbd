import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { AppError } from '../contract/errors.ts'
import { branchName, gitProject } from './git-project.ts'

let top: string
const git = (folder: string, ...args: readonly string[]): void => {
  const { status, stderr } = spawnSync('git', ['-C', folder, ...args], {
    env: {
      PATH: process.env['PATH'] ?? '',
      HOME: top,
      GIT_AUTHOR_NAME: 'a',
      GIT_AUTHOR_EMAIL: 'a',
      GIT_COMMITTER_NAME: 'a',
      GIT_COMMITTER_EMAIL: 'a',
    },
  })
  expect([args, status, String(stderr).slice(0, 200)]).toEqual([args, 0, expect.any(String)])
}
beforeAll(() => {
  top = mkdtempSync(join(tmpdir(), 'git project '))
  mkdirSync(join(top, 'My Shop/src'), { recursive: true })
  git(join(top, 'My Shop'), 'init', '-q', '-b', 'feature/Log-in')
})
afterAll(() => rmSync(top, { recursive: true }))

describe('a git project', () => {
  test('gives its name and branch to a sandbox, from anywhere in it', () => {
    expect(gitProject(join(top, 'My Shop/src'))).toEqual({ root: join(top, 'My Shop'), name: 'My Shop', branch: 'feature/Log-in' })
    expect(branchName(join(top, 'My Shop/src'))).toBe('My-Shop-feature-Log-in')
  })

  test('has the same name in a linked work tree', () => {
    git(join(top, 'My Shop'), 'commit', '-q', '--allow-empty', '-m', 'x')
    git(join(top, 'My Shop'), 'worktree', 'add', '-q', '-b', 'other', join(top, 'elsewhere'))
    expect(gitProject(join(top, 'elsewhere'))).toEqual({ root: join(top, 'elsewhere'), name: 'My Shop', branch: 'other' })
  })

  test('on no branch, or none at all, needs a name instead', () => {
    git(join(top, 'elsewhere'), 'checkout', '-q', '--detach')
    expect(() => branchName(join(top, 'elsewhere'))).toThrow('on no branch')
    expect(() => branchName(top)).toThrow('in none')
    expect(() => branchName(undefined)).toThrow(AppError)
  })

  test('runs nothing that its configuration names', () => {
    const proof = join(top, 'ran')
    writeFileSync(join(top, 'My Shop/.git/config'), `[core]\n\tfsmonitor = touch '${proof}'\n\thooksPath = /tmp\n`)
    expect(branchName(join(top, 'My Shop'))).toBe('My-Shop-feature-Log-in')
    expect(existsSync(proof)).toBe(false)
  })

  test('is told from a .git that is none', () => {
    const folder = join(top, 'fake')
    mkdirSync(folder)
    for (const content of ['', 'gitdir: ', 'nonsense', `gitdir: ${'x'.repeat(20_000)}`]) {
      writeFileSync(join(folder, '.git'), content)
      expect(gitProject(folder)?.branch).toBeUndefined()
    }
    spawnSync('mkfifo', [join(folder, 'pipe')])
    rmSync(join(folder, '.git'))
    mkdirSync(join(folder, '.git'))
    spawnSync('mkfifo', [join(folder, '.git/HEAD')])
    expect(gitProject(folder)).toBeUndefined()
  })
})
