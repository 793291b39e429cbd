import { afterEach, beforeEach, describe, expect, test } from 'bun:test'
import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readlinkSync,
  readFileSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { startTimeOf } from '../../lib/process-identity.ts'
import { removeTree } from '../../lib/remove-tree.ts'
import { abandonedRuns, countChanges, createRunFolder, removeRunFolder } from './run-folder.ts'

const STRANGER = 54_321
const isRoot = process.getuid?.() === 0

let base: string
let runs: string
beforeEach(() => {
  base = mkdtempSync(join(tmpdir(), 'run-folder-'))
  runs = join(base, 'data/runs')
})
afterEach(() => removeTree(base))

/** Does it as somebody whom modes keep out, who owns what the test made. */
function unprivileged(action: () => void): void {
  if (!isRoot) return action()
  process.seteuid?.(STRANGER)
  try {
    action()
  } finally {
    process.seteuid?.(0)
  }
}

/** The number of this pid namespace, as the kernel writes it: `pid:[4026531836]`. */
const HERE = readlinkSync('/proc/self/ns/pid').slice('pid:['.length, -1)

describe('a run folder', () => {
  test('is empty, for us alone, and named after the run and this process', () => {
    const { name, path } = createRunFolder(runs, 'abcdefgh01234567')
    expect(name).toBe(`abcdefgh01234567.${process.pid}.${startTimeOf(process.pid)}.${HERE}`)
    expect(path).toBe(join(runs, name))
    expect(readdirSync(path)).toEqual([])
    expect(statSync(path).mode & 0o777).toBe(0o700)
    expect(statSync(runs).mode & 0o777).toBe(0o700)
  })

  test('of the same run is made once', () => {
    createRunFolder(runs, 'abcdefgh01234567')
    expect(() => createRunFolder(runs, 'abcdefgh01234567')).toThrow('EEXIST')
  })

  test('cannot be made where a file is in the way', () => {
    writeFileSync(join(base, 'data'), '')
    expect(() => createRunFolder(runs, 'abcdefgh01234567')).toThrow()
  })
})

describe('an abandoned run', () => {
  const add = (name: string): string => {
    mkdirSync(join(runs, name), { recursive: true })
    return name
  }

  test('is never one of this process or of another that lives', () => {
    const child = Bun.spawn(['sleep', '60'])
    try {
      createRunFolder(runs, 'abcdefgh01234567')
      add(`bbbbbbbbbbbbbbbb.${child.pid}.${startTimeOf(child.pid)}.${HERE}`)
      expect(abandonedRuns(runs)).toEqual([])
    } finally {
      child.kill('SIGKILL')
    }
  })

  test('is one whose process is gone', async () => {
    const child = Bun.spawn(['sleep', '60'])
    const name = add(`aaaaaaaaaaaaaaaa.${child.pid}.${startTimeOf(child.pid)}.${HERE}`)
    child.kill('SIGKILL')
    await child.exited
    expect(abandonedRuns(runs)).toEqual([name])
  })

  test('is one whose process number belongs to another process now', () => {
    const name = add(`aaaaaaaaaaaaaaaa.${process.pid}.${Number(startTimeOf(process.pid)) + 1}.${HERE}`)
    createRunFolder(runs, 'abcdefgh01234567')
    expect(abandonedRuns(runs)).toEqual([name])
  })

  test('is none of another pid namespace, where the number means another process', () => {
    add(`aaaaaaaaaaaaaaaa.999999.1.${Number(HERE) + 1}`)
    expect(abandonedRuns(runs)).toEqual([])
  })

  test('is none that is not named like one', () => {
    for (const name of ['lost+found', 'notes', 'aaaa.1']) add(name)
    expect(abandonedRuns(runs)).toEqual([])
  })

  test('is none where no run was ever made', () => {
    expect(abandonedRuns(runs)).toEqual([])
    writeFileSync(join(base, 'data'), '')
    expect(abandonedRuns(runs)).toEqual([])
  })
})

describe('a run folder is removed', () => {
  const make = (): string => createRunFolder(runs, 'abcdefgh01234567').path

  test('as it was made, and again when it is gone', () => {
    const path = make()
    for (const part of ['upper', 'work/work/incompat/volatile', 'home']) mkdirSync(join(path, part), { recursive: true })
    writeFileSync(join(path, 'empty'), '', { mode: 0o444 })
    removeRunFolder(path)
    expect(existsSync(path)).toBe(false)
    removeRunFolder(path)
    expect(readdirSync(runs)).toEqual([])
  })

  test('with folders that nobody may enter', () => {
    const path = make()
    const folders = ['upper', 'upper/a', 'upper/a/b', 'work', 'work/work', 'home'].map((name) => join(path, name))
    for (const folder of folders) mkdirSync(folder)
    writeFileSync(join(path, 'upper/a/b/file'), '', { mode: 0 })
    if (isRoot) for (const each of [base, join(base, 'data'), runs, path, ...folders]) chownSync(each, STRANGER, STRANGER)
    for (const folder of folders.toReversed()) chmodSync(folder, 0)
    unprivileged(() => removeRunFolder(path))
    expect(existsSync(path)).toBe(false)
  })

  test('without touching what its symlinks point to', () => {
    const path = make()
    const outside = join(base, 'outside')
    mkdirSync(outside)
    writeFileSync(join(outside, 'file'), 'mine')
    chmodSync(outside, 0o500)
    mkdirSync(join(path, 'home'))
    for (const [name, target] of Object.entries({ folder: outside, file: join(outside, 'file'), up: '..', dangling: '/nonexistent' })) {
      symlinkSync(target, join(path, 'home', name))
    }
    removeRunFolder(path)
    expect(existsSync(path)).toBe(false)
    expect(readFileSync(join(outside, 'file'), 'utf8')).toBe('mine')
    expect(statSync(outside).mode & 0o777).toBe(0o500)
  })

  test('when a file or a symlink is where a folder should be', () => {
    const path = make()
    writeFileSync(join(path, 'upper'), 'a file')
    symlinkSync(base, join(path, 'work'))
    removeRunFolder(path)
    expect(existsSync(path)).toBe(false)
    expect(existsSync(base)).toBe(true)
  })
})

describe('changes', () => {
  test('are files and symlinks at any depth; folders do not count', () => {
    const upper = join(base, 'upper')
    mkdirSync(join(upper, 'a/b/c'), { recursive: true })
    for (const name of ['one', 'a/two', 'a/b/c/three']) writeFileSync(join(upper, name), '')
    symlinkSync('/', join(upper, 'a/four'))
    expect(countChanges(upper, 100)).toBe(4)
  })

  test.skipIf(!isRoot)('are removed files too, which the kernel notes as devices', () => {
    const upper = join(base, 'upper')
    mkdirSync(upper)
    writeFileSync(join(upper, 'written'), '')
    expect(Bun.spawnSync(['mknod', join(upper, 'removed'), 'c', '0', '0']).exitCode).toBe(0)
    expect(countChanges(upper, 100)).toBe(2)
  })

  test('are counted up to the limit', () => {
    const upper = join(base, 'upper')
    mkdirSync(join(upper, 'more'), { recursive: true })
    for (let i = 0; i < 10; i++) for (const folder of [upper, join(upper, 'more')]) writeFileSync(join(folder, `${i}`), '')
    expect([0, 1, 10, 19, 20, 21].map((limit) => countChanges(upper, limit))).toEqual([0, 1, 10, 19, 20, 20])
  })

  test('are none where there is no layer', () => {
    expect(countChanges(join(base, 'nothing'), 10)).toBe(0)
  })

  test('in a locked folder are not counted, those in others are', () => {
    const upper = join(base, 'upper')
    const folders = ['a', 'b', 'c'].map((name) => join(upper, name))
    for (const folder of folders) {
      mkdirSync(folder, { recursive: true })
      writeFileSync(join(folder, 'file'), '')
    }
    if (isRoot) for (const each of [base, upper, ...folders]) chownSync(each, STRANGER, STRANGER)
    for (const locked of folders) {
      chmodSync(locked, 0)
      unprivileged(() => expect(countChanges(upper, 10)).toBe(2))
      chmodSync(locked, 0o700)
    }
  })
})
