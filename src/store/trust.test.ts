import { afterEach, beforeEach, describe, expect, test } from 'bun:test'
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { AppError } from '../contract/errors.ts'
import { createTrustStore } from './trust.ts'

let top: string
let storePath: string
const now = (): Date => new Date('2026-01-02T03:04:05Z')
const sha256 = (text: string): string => new Bun.CryptoHasher('sha256').update(text).digest('hex')

beforeEach(() => {
  top = realpathSync(mkdtempSync(join(tmpdir(), 'agentkernel-trust-')))
  storePath = join(top, 'config/agentkernel/trust.json')
})
afterEach(() => rmSync(top, { recursive: true, force: true }))

function write(name: string, text: string): string {
  const path = join(top, name)
  writeFileSync(path, text)
  return path
}

async function failureOf(work: Promise<unknown>): Promise<AppError> {
  const error = await work.then(
    () => new Error('did not fail'),
    (reason: unknown) => reason,
  )
  if (error instanceof AppError) return error
  throw error
}

describe('the list of trusted files', () => {
  test('pins a file by its content', async () => {
    const store = createTrustStore(storePath, now)
    const path = write('a.toml', 'one')
    expect(store.isTrusted(path, sha256('one'))).toBe(false)
    expect(await store.add(path)).toEqual({ path, sha256: sha256('one'), trustedAt: '2026-01-02T03:04:05.000Z', current: true })
    expect(store.isTrusted(path, sha256('one'))).toBe(true)
    expect(store.isTrusted(path, sha256('two'))).toBe(false)
    expect(store.isTrusted(join(top, 'b.toml'), sha256('one'))).toBe(false)
  })

  test('is readable by its owner only, and leaves nothing but itself and its lock', async () => {
    await createTrustStore(storePath, now).add(write('a.toml', 'one'))
    expect(statSync(storePath).mode & 0o777).toBe(0o600)
    expect(readdirSync(join(top, 'config/agentkernel')).sort()).toEqual(['trust.json', 'trust.json.lock'])
  })

  test('says which files have changed or are gone since', async () => {
    const store = createTrustStore(storePath, now)
    const [same, edited, gone, replaced] = ['a', 'b', 'c', 'd'].map((name) => write(name, name)) as [string, string, string, string]
    for (const path of [gone, same, edited, replaced]) await store.add(path)
    writeFileSync(edited, 'edited')
    rmSync(gone)
    rmSync(replaced)
    symlinkSync(same, replaced)
    expect((await store.list()).map(({ path, current }) => [path, current])).toEqual([
      [same, true],
      [edited, false],
      [gone, false],
      [replaced, false],
    ])
  })

  test('keeps one pin per file: the newest, whatever name it was given', async () => {
    const store = createTrustStore(storePath, now)
    const path = write('a.toml', 'one')
    await store.add(path)
    writeFileSync(path, 'two')
    symlinkSync(path, join(top, 'alias'))
    expect((await store.add(join(top, 'alias'))).path).toBe(path)
    expect(await store.list()).toMatchObject([{ path, sha256: sha256('two') }])
    expect(store.isTrusted(path, sha256('one'))).toBe(false)
  })

  test('forgets a file by any of its names, also when it is gone, and says when it was not there', async () => {
    const store = createTrustStore(storePath, now)
    const path = write('a.toml', 'one')
    await store.add(path)
    symlinkSync(path, join(top, 'alias'))
    expect(await store.remove(join(top, 'alias'))).toBe(true)
    expect(await store.remove(path)).toBe(false)
    await store.add(path)
    rmSync(path)
    expect(await store.remove(path)).toBe(true)
    expect(await store.list()).toEqual([])
  })

  test('refuses what is not there or not a file', async () => {
    const store = createTrustStore(storePath, now)
    expect((await failureOf(store.add(join(top, 'none')))).code).toBe('not_found')
    expect((await failureOf(store.add(top))).message).toBe(`"${top}" is not a file`)
    Bun.spawnSync(['mkfifo', join(top, 'fifo')])
    expect((await failureOf(store.add(join(top, 'fifo')))).message).toContain('is not a file')
    expect(existsSync(storePath)).toBe(false)
  })

  test('loses no pin when many processes write at once', async () => {
    const paths = Array.from({ length: 24 }, (_, index) => write(`f${index}`, String(index)))
    const script = `
      const { createTrustStore } = await import(${JSON.stringify(join(import.meta.dir, 'trust.ts'))})
      const store = createTrustStore(${JSON.stringify(storePath)}, () => new Date(0))
      await Promise.all(process.argv.slice(1).map((path) => store.add(path)))`
    const writers = [0, 1, 2, 3].map((writer) =>
      Bun.spawn([process.execPath, '-e', script, ...paths.slice(writer * 6, writer * 6 + 6)], { stderr: 'inherit' }),
    )
    expect(await Promise.all(writers.map(({ exited }) => exited))).toEqual([0, 0, 0, 0])
    const store = createTrustStore(storePath, now)
    expect((await store.list()).map(({ path }) => path).sort()).toEqual([...paths].sort())
  })
})

describe('a store in doubt trusts nothing, says why, and is not overwritten', () => {
  const pin = (path: string): string => JSON.stringify({ path, sha256: sha256('one'), trusted_at: 'x' })
  const cases: readonly (readonly [name: string, make: (path: string, file: string) => void, problem: string])[] = [
    ['not JSON', (path) => writeFileSync(path, '{"version": 1, "trus'), 'is not JSON'],
    ['binary', (path) => writeFileSync(path, new Uint8Array([0xff, 0, 1])), 'is not JSON'],
    ['empty', (path) => writeFileSync(path, ''), 'is not JSON'],
    ['a number', (path) => writeFileSync(path, '5'), 'does not hold a list of trusted files'],
    ['null', (path) => writeFileSync(path, 'null'), 'does not hold a list of trusted files'],
    [
      'of a later version',
      (path, file) => writeFileSync(path, `{"version": 2, "trusted": [${pin(file)}]}`),
      'does not hold a list of trusted files',
    ],
    [
      'with one broken pin',
      (path, file) => writeFileSync(path, `{"version": 1, "trusted": [${pin(file)}, {"__proto__": {}}]}`),
      'does not hold a list of trusted files',
    ],
    [
      'with a relative path',
      (path) => writeFileSync(path, `{"version": 1, "trusted": [${pin('a.toml')}]}`),
      'does not hold a list of trusted files',
    ],
    [
      'others can write',
      (path, file) => {
        writeFileSync(path, `{"version": 1, "trusted": [${pin(file)}]}`)
        chmodSync(path, 0o666)
      },
      'can be changed by other users',
    ],
    ['huge', (path) => writeFileSync(path, ' '.repeat(4 * 1024 ** 2 + 1)), 'is too large'],
    ['a directory', (path) => mkdirSync(path), 'is not a file'],
    ['a FIFO', (path) => void Bun.spawnSync(['mkfifo', path]), 'is not a file'],
  ]
  for (const [name, make, problem] of cases) {
    test(name, async () => {
      mkdirSync(join(top, 'config/agentkernel'), { recursive: true })
      const file = write('a.toml', 'one')
      make(storePath, file)
      const before = statSync(storePath)
      const store = createTrustStore(storePath, now)
      expect(store.isTrusted(file, sha256('one'))).toBe(false)
      expect(store.problem()).toBe(`"${storePath}" ${problem}; nothing is trusted`)
      expect((await failureOf(store.add(file))).code).toBe('config_invalid')
      expect((await failureOf(store.list())).code).toBe('config_invalid')
      expect((await failureOf(store.remove(file))).code).toBe('config_invalid')
      expect(statSync(storePath).ino).toBe(before.ino)
    })
  }

  test('a store that does not exist is no problem', () => {
    expect(createTrustStore(storePath, now).problem()).toBeUndefined()
  })

  test('a draft that a crash left does not stand in the way', async () => {
    mkdirSync(join(top, 'config/agentkernel'), { recursive: true })
    writeFileSync(`${storePath}.new`, 'half a dra')
    await createTrustStore(storePath, now).add(write('a.toml', 'one'))
    expect(JSON.parse(readFileSync(storePath, 'utf8'))).toMatchObject({ version: 1, trusted: [{ path: join(top, 'a.toml') }] })
  })

  test('a folder that cannot be made is told with its reason', async () => {
    write('config', 'a file where the folder should be')
    const error = await failureOf(createTrustStore(storePath, now).add(write('a.toml', 'one')))
    expect([error.code, error.message]).toEqual(['config_invalid', expect.stringContaining(`"${storePath}" cannot be written: ENOTDIR`)])
  })
})
