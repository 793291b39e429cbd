import { afterEach, beforeEach, describe, expect, test } from 'bun:test'
import { chmodSync, existsSync, lstatSync, mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { isAppError } from '../../contract/errors.ts'
import { identityOf } from './process.ts'
import { claimRuntimeFolder, dropAbandoned, findRuntimeFolder, removeRuntimeFolder, runtimeOwners, socketIn } from './runtime-folder.ts'

let base: string
let runtime: string
beforeEach(() => {
  base = mkdtempSync(join(tmpdir(), 'rt-'))
  runtime = join(base, 'run')
})
afterEach(() => rmSync(base, { recursive: true, force: true }))

const owner = (name: string) => ({ sandbox: name, folder: `/data/sandboxes/${name}` })

describe('the runtime folder of a sandbox', () => {
  test('is ours alone, has eight characters, and is the same each time', () => {
    const path = claimRuntimeFolder(runtime, owner('a'))
    expect(path.slice(runtime.length)).toMatch(/^\/[0-9a-f]{8}$/)
    for (const folder of [runtime, path]) expect(lstatSync(folder).mode & 0o777).toBe(0o700)
    expect(claimRuntimeFolder(runtime, owner('a'))).toBe(path)
    expect(findRuntimeFolder(runtime, owner('a'))).toBe(path)
    expect(socketIn(path)).toStartWith(`${path}/`)
  })

  test('is another for each sandbox, also for one of the same id in another data folder', () => {
    const paths = [owner('a'), owner('b'), { sandbox: 'a', folder: '/other/sandboxes/a' }].map((who) => claimRuntimeFolder(runtime, who))
    expect(new Set(paths).size).toBe(3)
    expect(runtimeOwners(runtime).toSorted((x, y) => x.folder.localeCompare(y.folder))).toEqual([
      owner('a'),
      owner('b'),
      { sandbox: 'a', folder: '/other/sandboxes/a' },
    ])
  })

  test('is found no more once it is removed', () => {
    const path = claimRuntimeFolder(runtime, owner('a'))
    removeRuntimeFolder(path, owner('b'))
    expect(existsSync(path)).toBe(true)
    for (let i = 0; i < 2; i++) removeRuntimeFolder(path, owner('a'))
    expect(findRuntimeFolder(runtime, owner('a'))).toBeUndefined()
    expect(runtimeOwners(runtime)).toEqual([])
    expect(runtimeOwners(join(base, 'never'))).toEqual([])
  })

  test('is the next one when the first is somebody else’s, a link, a file, or a folder with something in it', () => {
    const first = claimRuntimeFolder(runtime, owner('a'))
    const taken: (() => void)[] = [
      () => writeFileSync(join(first, 'owner.json'), JSON.stringify(owner('b'))),
      () => {
        rmSync(first, { recursive: true })
        symlinkSync(base, first)
      },
      () => {
        rmSync(first)
        writeFileSync(first, '')
      },
      () => {
        rmSync(first)
        mkdirSync(join(first, 'theirs'), { recursive: true })
      },
    ]
    for (const take of taken) {
      take()
      const second = claimRuntimeFolder(runtime, owner('a'))
      expect(second).not.toBe(first)
      expect(findRuntimeFolder(runtime, owner('a'))).toBe(second)
    }
    expect(readdirSync(base)).toEqual(['run'])
  })

  test('is not taken when others can look into it', () => {
    const first = claimRuntimeFolder(runtime, owner('a'))
    chmodSync(first, 0o755)
    const second = claimRuntimeFolder(runtime, owner('a'))
    expect(second).not.toBe(first)
    expect(lstatSync(second).mode & 0o777).toBe(0o700)
  })

  test('is refused when its socket’s path would be too long', () => {
    try {
      claimRuntimeFolder(join(base, 'x'.repeat(90)), owner('a'))
      expect.unreachable()
    } catch (error) {
      expect(isAppError(error, 'sandbox_start_failed')).toBe(true)
    }
  })
})

test('folders whose maker crashed before they had their name are dropped, and no others', () => {
  const path = claimRuntimeFolder(runtime, owner('a'))
  const mine = identityOf(process.pid)!
  const made = [`.00000000.${mine.pid}.${mine.start_time}`, `.11111111.${mine.pid}.1`, `.22222222.${2 ** 22 + 1}.5`, 'daemon', '33333333']
  for (const name of made) mkdirSync(join(runtime, name, 'part'), { recursive: true })
  dropAbandoned(runtime)
  expect([...made.filter((name) => existsSync(join(runtime, name)))]).toEqual([made[0]!, 'daemon', '33333333'])
  expect(existsSync(path)).toBe(true)
  dropAbandoned(join(base, 'never'))
})
