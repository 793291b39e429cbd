import { expect, test } from 'bun:test'
import { inspectFile } from './inspect-file.ts'
import { TempTree } from './temp-tree.ts'

const NPMRC = 'registry=https://example.org/\n//example.org/:_authToken=secret\n'

test('a settings file is shown without its token', () => {
  using tree = new TempTree().write({ 'folder/.npmrc': NPMRC })
  expect(inspectFile(tree.at('folder/.npmrc'), { filter: 'settings' })).toEqual({ content: expect.not.stringContaining('secret') })
})

test('a file that is reached through a folder that became a symlink is hidden, and nothing of it is shown', () => {
  using tree = new TempTree().write({ 'elsewhere/.npmrc': NPMRC, folder: '-> elsewhere' })
  expect(inspectFile(tree.at('folder/.npmrc'), { filter: 'settings' })).toBe('secret')
})
