import { afterEach, beforeEach, describe, expect, test } from 'bun:test'
import { chmodSync, chownSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, renameSync, statSync } from 'node:fs'
import { symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { removeTree } from './remove-tree.ts'

const STRANGER = 54_321
const isRoot = process.getuid?.() === 0

let base: string
let tree: string
beforeEach(() => {
  base = mkdtempSync(join(tmpdir(), 'remove-tree-'))
  tree = join(base, 'tree')
  mkdirSync(tree)
})
afterEach(() => {
  removeTree(base)
})

/** Does it as somebody whom modes keep out; root goes through every door. */
function unprivileged(action: () => void): void {
  if (!isRoot) return action()
  process.seteuid?.(STRANGER)
  try {
    action()
  } finally {
    process.seteuid?.(0)
  }
}

/** Gives the test's folder to whoever `unprivileged` is. */
const give = (...paths: readonly string[]): void => {
  if (isRoot) for (const path of [base, ...paths]) chownSync(path, STRANGER, STRANGER)
}

/** A chain of folders from the bottom up, since no call takes a path to its end. */
function makeDeep(folder: string, levels: number): void {
  const name = 'd'.repeat(200)
  mkdirSync(join(base, 'chain'))
  writeFileSync(join(base, 'chain', 'at the bottom'), '')
  if (isRoot) chownSync(join(base, 'chain'), STRANGER, STRANGER)
  chmodSync(join(base, 'chain'), 0o555)
  for (let level = 0; level < levels; level++) {
    mkdirSync(join(base, 'above'))
    if (isRoot) chownSync(join(base, 'above'), STRANGER, STRANGER)
    renameSync(join(base, 'chain'), join(base, 'above', name))
    renameSync(join(base, 'above'), join(base, 'chain'))
  }
  renameSync(join(base, 'chain'), folder)
}

describe('a tree is removed', () => {
  test('when it is ordinary, and again when it is gone', () => {
    mkdirSync(join(tree, 'a/b'), { recursive: true })
    writeFileSync(join(tree, 'a/b/c'), 'c')
    removeTree(tree)
    expect(existsSync(tree)).toBe(false)
    removeTree(tree)
  })

  test('when it is deeper than the longest path', () => {
    makeDeep(join(tree, 'deep'), 60)
    removeTree(tree)
    expect(existsSync(tree)).toBe(false)
  })

  test('when it is deeper than the longest path and locked at the bottom', () => {
    makeDeep(join(tree, 'deep'), 60)
    give(tree)
    unprivileged(() => removeTree(tree))
    expect(existsSync(tree)).toBe(false)
  })

  test('when nobody may enter its folders', () => {
    const folders = ['a', 'a/b', 'a/b/c'].map((name) => join(tree, name))
    for (const folder of folders) mkdirSync(folder)
    writeFileSync(join(tree, 'a/b/c/file'), '', { mode: 0 })
    give(tree, ...folders)
    for (const folder of [tree, ...folders].toReversed()) chmodSync(folder, 0)
    unprivileged(() => {
      expect(() => readdirSync(tree)).toThrow('EACCES')
      removeTree(tree)
    })
    expect(existsSync(tree)).toBe(false)
  })

  test('when a locked folder has a name that is not UTF-8', () => {
    const folder = Buffer.concat([Buffer.from(`${tree}/x`), Buffer.from([0xff, 0xfe])])
    mkdirSync(folder)
    writeFileSync(Buffer.concat([folder, Buffer.from('/file')]), '')
    if (isRoot) chownSync(folder, STRANGER, STRANGER)
    give(tree)
    chmodSync(folder, 0)
    unprivileged(() => removeTree(tree))
    expect(existsSync(tree)).toBe(false)
  })
})

test('what symlinks in a removed tree point to stays, modes and all', () => {
  const outside = join(base, 'outside')
  mkdirSync(outside)
  writeFileSync(join(outside, 'file'), 'mine')
  chmodSync(outside, 0o555)
  mkdirSync(join(tree, 'locked'))
  symlinkSync(outside, join(tree, 'locked', 'folder'))
  symlinkSync(join(outside, 'file'), join(tree, 'locked', 'file'))
  give(tree, join(tree, 'locked'), outside)
  chmodSync(join(tree, 'locked'), 0)
  unprivileged(() => removeTree(tree))
  expect(existsSync(tree)).toBe(false)
  expect(readFileSync(join(outside, 'file'), 'utf8')).toBe('mine')
  expect(statSync(outside).mode & 0o777).toBe(0o555)
})

test('a removal that is not allowed fails', () => {
  // Another owner's folder: its mode cannot be changed.
  if (!isRoot) return expect(() => removeTree('/proc/1/task')).toThrow()
  mkdirSync(join(tree, 'theirs/inside'), { recursive: true, mode: 0o700 })
  expect(() => unprivileged(() => removeTree(tree))).toThrow()
  expect(existsSync(join(tree, 'theirs/inside'))).toBe(true)
})
