import { afterEach, beforeEach, describe, expect, test } from 'bun:test'
import { chmodSync, mkdirSync, mkdtempSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { ownFolder, runtimeDir } from './runtime-dir.ts'

const uid = process.getuid?.() ?? 0
let root: string
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'rt-'))
})
afterEach(() => rmSync(root, { recursive: true, force: true }))

describe('the folder for sockets', () => {
  test('is in XDG_RUNTIME_DIR, for the user only', () => {
    const path = runtimeDir({ XDG_RUNTIME_DIR: root }, join(root, 'state'), uid)
    expect(path).toBe(join(root, 'agentkernel'))
    expect(statSync(path).mode & 0o777).toBe(0o700)
  })

  test('is beside our state where the variable is missing, relative, or names nothing of ours', () => {
    const state = join(root, 'state')
    for (const value of [undefined, 'relative', '/dev/null', join(root, 'absent')]) {
      expect(runtimeDir({ XDG_RUNTIME_DIR: value }, state, uid)).toBe(join(state, 'run'))
    }
  })

  test('has a random name, the same each time, where every other path is too long for a socket', () => {
    const state = join(root, 'x'.repeat(80))
    const path = runtimeDir({}, state, uid)
    try {
      expect(path.length).toBeLessThan(65)
      expect(runtimeDir({}, state, uid)).toBe(path)
      expect(statSync(path).mode & 0o777).toBe(0o700)
    } finally {
      rmSync(path, { recursive: true, force: true })
    }
  })

  test('is closed to others when it was open', () => {
    const path = join(root, 'open')
    mkdirSync(path)
    chmodSync(path, 0o777)
    ownFolder(path, uid)
    expect(statSync(path).mode & 0o777).toBe(0o700)
  })

  test('is never a symlink, a file, or what belongs to somebody else', () => {
    mkdirSync(join(root, 'real'))
    symlinkSync(join(root, 'real'), join(root, 'link'))
    writeFileSync(join(root, 'file'), '')
    expect(() => ownFolder(join(root, 'link'), uid)).toThrow('not a folder')
    expect(() => ownFolder(join(root, 'file'), uid)).toThrow('not a folder')
    expect(() => ownFolder(join(root, 'real'), uid + 1)).toThrow(`belongs to user ${uid}`)
  })
})
