import { afterEach, beforeEach, describe, expect, test } from 'bun:test'
import {
  existsSync,
  linkSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import type { TarEntry } from 'modern-tar'
import { packTar } from 'modern-tar'
import { AppError } from '../../contract/errors.ts'
import { extract } from './extract.ts'
import { pack } from './pack.ts'

let top: string
let folder: string
beforeEach(() => {
  top = mkdtempSync(join(tmpdir(), 'extract-'))
  folder = join(top, 'to')
  mkdirSync(folder)
  mkdirSync(join(top, 'outside'))
  writeFileSync(join(top, 'outside', 'victim'), 'untouched')
})
afterEach(() => {
  expect(readdirSync(top).toSorted()).toEqual(['outside', 'to'])
  expect(readdirSync(join(top, 'outside'))).toEqual(['victim'])
  expect(readFileSync(join(top, 'outside', 'victim'), 'utf8')).toBe('untouched')
  rmSync(top, { recursive: true })
})

const text = (name: string, body: string, mode?: number): TarEntry => ({
  header: { name, size: Buffer.byteLength(body), type: 'file', ...(mode === undefined ? {} : { mode }) },
  body,
})
const dir = (name: string, mode = 0o755): TarEntry => ({ header: { name, size: 0, type: 'directory', mode } })
const symlink = (name: string, linkname: string): TarEntry => ({ header: { name, size: 0, type: 'symlink', linkname } })
const hardlink = (name: string, linkname: string): TarEntry => ({ header: { name, size: 0, type: 'link', linkname } })

/** The bytes in uneven pieces, as a network gives them. */
async function* pieces(bytes: Uint8Array, size = 700): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size)
}

interface Given {
  readonly root?: { readonly from: string; readonly to: string }
  readonly signal?: AbortSignal
}

async function unpack(bytes: Uint8Array, { root = { from: '', to: '' }, signal = new AbortController().signal }: Given = {}) {
  const notices: string[] = []
  const done = await extract(pieces(bytes), { folder, root, signal, onNotice: (notice) => notices.push(notice) })
  return { ...done, notices }
}

async function refusal(entries: readonly TarEntry[], given: Given = {}): Promise<string> {
  try {
    await unpack(await packTar(entries), given)
  } catch (error) {
    if (error instanceof AppError) return `${error.code}: ${error.message}`
    throw error
  }
  return 'unpacked'
}

describe('an archive', () => {
  test('is unpacked with folders, modes, symlinks and hard links, and without setuid', async () => {
    const tar = await packTar([
      dir('a/', 0o750),
      text('a/run', 'body', 0o6755),
      symlink('a/link', 'run'),
      hardlink('a/same', 'a/run'),
      text('deep/er/f', ''),
    ])
    expect(await unpack(tar)).toEqual({ files: 4, bytes: 4, notices: [] })
    expect(readFileSync(join(folder, 'a/same'), 'utf8')).toBe('body')
    expect(readlinkSync(join(folder, 'a/link'))).toBe('run')
    expect(statSync(join(folder, 'a/run')).mode & 0o7777).toBe(0o755)
    expect(statSync(join(folder, 'a')).mode & 0o7777).toBe(0o750)
    expect(existsSync(join(folder, 'deep/er/f'))).toBe(true)
  })

  test('replaces files and symlinks that are there, never what they lead to', async () => {
    writeFileSync(join(folder, 'file'), 'old')
    symlinkSync('../outside/victim', join(folder, 'link'))
    linkSync(join(top, 'outside', 'victim'), join(folder, 'hard'))
    await unpack(await packTar([text('file', 'new'), text('link', 'new'), text('hard', 'new')]))
    for (const name of ['file', 'link', 'hard']) {
      expect(lstatSync(join(folder, name)).isFile()).toBe(true)
      expect(readFileSync(join(folder, name), 'utf8')).toBe('new')
    }
  })

  test('puts a name in the place of the one that was asked for', async () => {
    const tar = await packTar([dir('src/'), text('src/f', '1')])
    await unpack(tar, { root: { from: 'src', to: 'dst' } })
    await unpack(tar, { root: { from: 'src', to: '' } })
    expect(readdirSync(folder).toSorted()).toEqual(['dst', 'f'])
    expect(await refusal([text('other/f', '')], { root: { from: 'src', to: 'dst' } })).toContain('not below "src"')
  })

  test('gives folders modes that let nothing be made in them, after their files', async () => {
    await unpack(await packTar([dir('locked/', 0o500), text('locked/f', 'x', 0o400)]))
    expect(statSync(join(folder, 'locked')).mode & 0o777).toBe(0o500)
    expect(readFileSync(join(folder, 'locked/f'), 'utf8')).toBe('x')
  })

  test('says how many symlinks lead out of it', async () => {
    const links = [symlink('a', '/etc/passwd'), symlink('b', '../x'), symlink('c/d', '../e'), symlink('f', 'c/../../g')]
    expect((await unpack(await packTar(links))).notices).toEqual(['3 symlinks lead out of what was copied; look before you follow.'])
  })
})

describe('a hostile archive is refused by name', () => {
  const cases: readonly (readonly [string, readonly TarEntry[], string])[] = [
    ['an absolute name', [text('/tmp/x', '')], 'path_forbidden: "/tmp/x" in what the sandbox sent is refused: the name is absolute'],
    ['a name that leads upwards', [text('../outside/victim', 'x')], 'the name leads upwards'],
    ['one that does so in the middle', [text('a/../../outside/victim', 'x')], 'the name leads upwards'],
    ['a file below a symlink of the archive', [symlink('s', '../outside'), text('s/victim', 'x')], 'path_forbidden'],
    ['a folder at a symlink of the archive', [symlink('s', '../outside'), dir('s/')], 'path_forbidden'],
    ['a hard link to the outside', [hardlink('h', '../outside/victim')], 'the name leads upwards'],
    ['an absolute hard link', [hardlink('h', '/etc/passwd')], 'the name is absolute'],
    ['a hard link through a symlink', [symlink('s', '../outside'), hardlink('h', 's/victim'), text('h', 'x')], 'path_forbidden'],
    ['a hard link to a symlink', [symlink('s', '../outside/victim'), hardlink('h', 's')], 'no file of the archive'],
    ['a device', [{ header: { name: 'd', size: 0, type: 'block-device' } }], 'devices and FIFOs'],
    ['a FIFO', [{ header: { name: 'p', size: 0, type: 'fifo' } }], 'devices and FIFOs'],
    ['a file with holes', [{ header: { name: 'f', size: 0, type: 'file', pax: { 'GNU.sparse.major': '1' } } }], 'files with holes'],
    ['a file without a name', [text('.', 'x')], 'path_forbidden'],
    ['a file in the place of a folder', [dir('a/'), text('a/b', ''), text('a', 'x')], 'file_exists'],
    ['a folder below a file', [text('a', ''), text('a/b', '')], 'path_forbidden'],
  ]
  test.each(cases)('%s', async (_, entries, reason) => {
    expect(await refusal(entries)).toContain(reason)
    expect(readdirSync(folder).filter((name) => name.endsWith('.agentkernel'))).toEqual([])
  })

  test('one that is cut off leaves no half file', async () => {
    const tar = await packTar([text('whole', 'a'), text('half', 'b'.repeat(5000))])
    expect(await unpack(tar.subarray(0, 3000)).catch((error: AppError) => error.code)).toBe('output_failed')
    expect(readdirSync(folder)).toEqual(['whole'])
  })

  test('one that is interrupted leaves no half file', async () => {
    const abort = new AbortController()
    const tar = await packTar([text('f', 'b'.repeat(100_000))])
    async function* interrupted(): AsyncGenerator<Uint8Array> {
      yield tar.subarray(0, 50_000)
      abort.abort(new AppError('canceled', 'enough'))
      yield tar.subarray(50_000)
    }
    const unpacking = extract(interrupted(), { folder, root: { from: '', to: '' }, signal: abort.signal, onNotice: () => undefined })
    expect(await unpacking.catch((error: AppError) => error.code)).toBe('canceled')
    expect(readdirSync(folder)).toEqual([])
  })

  test('whatever the bytes are, it ends in an error or in files below the folder', async () => {
    const tar = await packTar([dir('a/'), text('a/f', 'content'), symlink('a/l', 'f')])
    const bytes = fc.oneof(
      fc.uint8Array({ maxLength: 4096 }),
      fc.array(fc.tuple(fc.nat({ max: tar.length - 1 }), fc.nat({ max: 255 })), { maxLength: 8 }).map((changes) => {
        const changed = tar.slice()
        for (const [at, value] of changes) changed[at] = value
        return changed
      }),
    )
    await fc.assert(
      fc.asyncProperty(bytes, async (given) => {
        await unpack(given).catch((error: unknown) => expect(error).toBeInstanceOf(Error))
      }),
      { numRuns: 200 },
    )
  })
})

test('what was packed is unpacked the same', async () => {
  const from = join(top, 'to', 'from')
  mkdirSync(join(from, 'empty'), { recursive: true })
  writeFileSync(join(from, `${'n'.repeat(200)}é`), 'long name')
  writeFileSync(join(from, 'script'), 'x'.repeat(300_000), { mode: 0o755 })
  symlinkSync('script', join(from, 'link'))
  const notices: string[] = []
  const signal = new AbortController().signal
  const bytes = pack({ folder: from, root: 'copy', signal, onNotice: (notice) => notices.push(notice) })
  expect(await extract(bytes, { folder, root: { from: 'copy', to: 'copy' }, signal, onNotice: () => undefined })).toEqual({
    files: 3,
    bytes: 300_009,
  })
  expect(notices).toEqual([])
  expect(readdirSync(join(folder, 'copy')).toSorted()).toEqual(readdirSync(from).toSorted())
  expect(statSync(join(folder, 'copy/script')).mode & 0o777).toBe(0o755)
})
