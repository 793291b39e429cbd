import { describe, expect, test } from 'bun:test'
import { chownSync, mkdtempSync, rmSync, rmdirSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { findProjectRoot } from './project-root.ts'
import { TempTree } from './temp-tree.ts'

const uid = process.getuid!()
const ask = (tree: TempTree, cwd: string, home = 'home') =>
  findProjectRoot({ cwd: tree.at(cwd), home: tree.at(home), dataDirs: [tree.at('home/.local/share/agentkernel')], uid })
const place = (cwd: string, home = '/home/ann') => findProjectRoot({ cwd, home, dataDirs: [], uid })

describe('the git work tree', () => {
  test('is the project, and the current directory is told relative to it', () => {
    using tree = new TempTree().write({ 'work/app/.git/HEAD': 'ref: x', 'work/app/src/lib': undefined })
    expect(ask(tree, 'work/app/src/lib')).toEqual({ root: tree.at('work/app'), subdir: 'src/lib' })
    expect(ask(tree, 'work/app')).toEqual({ root: tree.at('work/app'), subdir: '' })
    expect(ask(tree, 'work/app/.git')).toEqual({ root: tree.at('work/app'), subdir: '.git' })
  })

  test('may have a .git file, as worktrees and submodules do', () => {
    using tree = new TempTree().write({ 'w/.git': 'gitdir: /elsewhere/.git/worktrees/w\n', 'w/src': undefined })
    expect(ask(tree, 'w/src')).toEqual({ root: tree.at('w'), subdir: 'src' })
  })

  test('is not made by an empty .git folder or a .git file with something else', () => {
    using tree = new TempTree().write({ 'a/.git': undefined, 'a/src': undefined, 'b/.git': 'hello', 'b/src': undefined })
    expect(ask(tree, 'a/src')).toEqual({ root: tree.at('a/src'), subdir: '' })
    expect(ask(tree, 'b/src')).toEqual({ root: tree.at('b/src'), subdir: '' })
  })

  test('is found through symlinks', () => {
    using tree = new TempTree().write({ 'app/.git/HEAD': '', 'app/src': undefined, short: '-> app/src' })
    expect(ask(tree, 'short')).toEqual({ root: tree.at('app'), subdir: 'src' })
  })

  test('is not the home, nor above it: then the current directory is the project', () => {
    using tree = new TempTree().write({ 'home/.git/HEAD': '', 'home/notes': undefined })
    expect(ask(tree, 'home/notes')).toEqual({ root: tree.at('home/notes'), subdir: '' })
    using above = new TempTree().write({ '.git/HEAD': '', 'home/notes': undefined, other: undefined })
    expect(ask(above, 'home/notes')).toEqual({ root: above.at('home/notes'), subdir: '' })
    expect(ask(above, 'other')).toEqual({ root: above.at('other'), subdir: '' })
  })

  test('does not hold our data', () => {
    using tree = new TempTree().write({ 'p/.git/HEAD': '', 'p/src': undefined, 'p/data': undefined })
    const dataDirs = [tree.at('p/data/not/made/yet')]
    const asked = (cwd: string) => findProjectRoot({ cwd: tree.at(cwd), home: tree.at('home'), dataDirs, uid })
    expect(asked('p/src')).toEqual({ root: tree.at('p/src'), subdir: '' })
    expect(asked('p')).toEqual({ root: undefined, reason: `${tree.at('p')} holds agentkernel's own data` })
    expect(asked('p/data')).toEqual({ root: undefined, reason: `${tree.at('p/data')} holds agentkernel's own data` })
  })

  test('does not hold our data behind a symlink either', () => {
    using tree = new TempTree().write({ 'p/.git/HEAD': '', 'p/data/x': undefined, link: '-> p/data' })
    const found = findProjectRoot({ cwd: tree.at('p'), home: tree.at('home'), dataDirs: [tree.at('link/x')], uid })
    expect(found).toEqual({ root: undefined, reason: `${tree.at('p')} holds agentkernel's own data` })
  })

  test.skipIf(uid !== 0)('of somebody else counts only when the current directory is theirs too', () => {
    using tree = new TempTree().write({ 'p/.git/HEAD': '', 'p/mine': undefined, 'p/theirs': undefined })
    chownSync(tree.at('p'), 4001, 4001)
    chownSync(tree.at('p/theirs'), 4001, 4001)
    chownSync(tree.at('p/mine'), 4002, 4002)
    const asked = (cwd: string) => findProjectRoot({ cwd: tree.at(cwd), home: tree.at('home'), dataDirs: [], uid: 4002 })
    expect(asked('p/mine')).toEqual({ root: tree.at('p/mine'), subdir: '' })
    expect(asked('p/theirs')).toEqual({ root: tree.at('p'), subdir: 'theirs' })
  })
})

describe('without a work tree', () => {
  test('the current directory is the project', () => {
    using tree = new TempTree().write({ 'plain/deep': undefined })
    expect(ask(tree, 'plain/deep')).toEqual({ root: tree.at('plain/deep'), subdir: '' })
  })

  test('the home, what is above it, and what belongs to us are none', () => {
    using tree = new TempTree().write({ 'up/home/.local/share/agentkernel/runs': undefined })
    const asked = (cwd: string) => {
      const home = tree.at('up/home')
      return findProjectRoot({ cwd: tree.at(cwd), home, dataDirs: [join(home, '.local/share/agentkernel')], uid })
    }
    expect(asked('up/home')).toEqual({ root: undefined, reason: `${tree.at('up/home')} is your home directory` })
    expect(asked('up')).toEqual({ root: undefined, reason: `${tree.at('up')} holds your home directory` })
    const runs = tree.at('up/home/.local/share/agentkernel/runs')
    expect(asked('up/home/.local/share/agentkernel/runs')).toEqual({ root: undefined, reason: `${runs} belongs to agentkernel` })
  })

  test('folders with keys and settings are none, whosever they are', () => {
    using tree = new TempTree().write({ 'home/.ssh/x': undefined, 'home/.config/x': undefined, 'elsewhere/.aws': undefined })
    for (const [cwd, key] of [
      ['home/.ssh/x', '.ssh'],
      ['home/.config/x', '.config'],
      ['elsewhere/.aws', '.aws'],
    ] as const) {
      expect(ask(tree, cwd)).toEqual({ root: undefined, reason: `${tree.at(cwd)} is in ${key}, where keys and settings live` })
    }
  })

  test('a work tree in ~/.config is a project, one in ~/.ssh is not', () => {
    using tree = new TempTree().write({ 'home/.config/nvim/.git/HEAD': '', 'home/.ssh/.git/HEAD': '', 'home/.config/.git/HEAD': '' })
    expect(ask(tree, 'home/.config/nvim')).toEqual({ root: tree.at('home/.config/nvim'), subdir: '' })
    expect(ask(tree, 'home/.ssh').root).toBeUndefined()
    expect(ask(tree, 'home/.config').root).toBeUndefined()
  })

  test('folders of the system are none', () => {
    for (const cwd of [
      '/',
      '/etc',
      '/usr',
      '/usr/bin',
      '/var',
      '/var/lib',
      '/proc',
      '/proc/self',
      '/sys',
      '/dev',
      '/run',
      '/tmp',
      '/opt',
      '/home',
    ]) {
      expect(place(cwd).root).toBeUndefined()
    }
    expect(place('/')).toEqual({ root: undefined, reason: '/ is the whole system' })
    expect(place('/etc')).toEqual({ root: undefined, reason: '/etc is a folder of the system' })
    expect(place('/root', '/root').root).toBeUndefined()
  })

  test('folders that people make below such places are projects', () => {
    for (const parent of ['/tmp', '/var/tmp', '/dev/shm', tmpdir()]) {
      const made = mkdtempSync(join(parent, 'agentkernel-root-'))
      try {
        expect(place(made).root).toBe(made)
      } finally {
        rmSync(made, { recursive: true })
      }
    }
  })

  test('a current directory that was deleted, or is no folder, gives a reason', () => {
    using tree = new TempTree().write({ gone: undefined, file: 'x' })
    rmdirSync(tree.at('gone'))
    for (const cwd of ['gone', 'file']) {
      expect(ask(tree, cwd)).toEqual({ root: undefined, reason: `the current directory ${tree.at(cwd)} is gone or may not be read` })
    }
  })
})
