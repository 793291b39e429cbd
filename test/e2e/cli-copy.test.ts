import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import {
  chmodSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { randomBytes } from 'node:crypto'
import { join } from 'node:path'
import { SandboxUser } from './cli-kit.ts'

let user: SandboxUser
beforeAll(async () => {
  user = new SandboxUser()
  await user.out(['sandbox', 'create', 'box'])
  await user.out([
    'exec',
    'box',
    'sh',
    '-c',
    'mkdir -p /workspace/in/deep && cd /workspace/in && echo one > a.txt && echo two > deep/b.txt && ln -s a.txt link && ln -s /etc/passwd out && chmod 750 deep && chmod 755 a.txt',
  ])
})
afterAll(async () => {
  await user.dispose()
})

const cp = (...args: readonly string[]) => user.ak(['sandbox', 'cp', ...args])
const at = (...parts: readonly string[]): string => join(user.project, ...parts)

describe('out of a sandbox', () => {
  test('a file goes into a folder, under a new name, over an old one', async () => {
    mkdirSync(at('folder'))
    expect(await cp('box:/workspace/in/a.txt', 'folder')).toEqual({ code: 0, stdout: 'Copied 1 file, 4 B\n', stderr: '' })
    expect(await cp('box:/workspace/in/a.txt', 'new.txt')).toMatchObject({ code: 0 })
    writeFileSync(at('old.txt'), 'something longer than before')
    expect(await cp('box:/workspace/in/a.txt', 'old.txt', '--json')).toMatchObject({
      code: 0,
      stdout: '{\n  "files": 1,\n  "bytes": 4\n}\n',
    })
    for (const path of ['folder/a.txt', 'new.txt', 'old.txt']) expect(readFileSync(at(path), 'utf8')).toBe('one\n')
    expect(statSync(at('new.txt')).mode & 0o7777).toBe(0o755)
  })

  test('a folder comes with modes and symlinks, and says which lead out', async () => {
    mkdirSync(at('tree'))
    const { code, stderr } = await cp('box:/workspace/in', 'tree')
    expect([code, stderr]).toEqual([0, expect.stringContaining('one symlink leads out')])
    expect(readdirSync(at('tree/in')).toSorted()).toEqual(['a.txt', 'deep', 'link', 'out'])
    expect([readlinkSync(at('tree/in/link')), readlinkSync(at('tree/in/out'))]).toEqual(['a.txt', '/etc/passwd'])
    expect(statSync(at('tree/in/deep')).mode & 0o7777).toBe(0o750)
    // A name that is free becomes the folder; `/.` is what is in it.
    expect(await cp('box:/workspace/in', 'renamed')).toMatchObject({ code: 0 })
    expect(readFileSync(at('renamed/deep/b.txt'), 'utf8')).toBe('two\n')
    mkdirSync(at('flat'))
    expect(await cp('box:/workspace/in/deep/.', 'flat')).toMatchObject({ code: 0 })
    expect(readdirSync(at('flat'))).toEqual(['b.txt'])
  })

  test('nothing is written through a symlink that is in the way', async () => {
    mkdirSync(at('victim'))
    mkdirSync(at('trap'))
    symlinkSync('../victim', at('trap/in'))
    const refused = await cp('box:/workspace/in', 'trap')
    expect([refused.code, refused.stderr]).toEqual([1, expect.stringContaining('a symlink')])
    symlinkSync('../../victim/file', at('trap/a.txt'))
    expect(await cp('box:/workspace/in/a.txt', 'trap')).toMatchObject({ code: 0 })
    expect(readdirSync(at('victim'))).toEqual([])
    expect(lstatSync(at('trap/a.txt')).isFile()).toBe(true)
  })

  test('to - a file is its bytes, and a folder a tar stream', async () => {
    expect(await cp('box:/workspace/in/a.txt', '-')).toMatchObject({ code: 0, stdout: 'one\n' })
    const listed = await user.script('ak sandbox cp box:/workspace/in/deep - | tar -t')
    expect(listed).toMatchObject({ code: 0, stdout: 'deep/\ndeep/b.txt\n' })
  })
})

describe('into a sandbox', () => {
  const inside = (script: string): Promise<string> => user.out(['exec', 'box', 'sh', '-c', script])

  test('a file keeps bytes and mode', async () => {
    const bytes = randomBytes(3_000_000)
    writeFileSync(at('big.bin'), bytes)
    chmodSync(at('big.bin'), 0o640)
    expect(await cp('big.bin', 'box:/workspace/')).toMatchObject({ code: 0 })
    expect(await inside('stat -c "%a %s" big.bin')).toBe('640 3000000\n')
    expect(await cp('box:/workspace/big.bin', 'back.bin')).toMatchObject({ code: 0 })
    expect(readFileSync(at('back.bin')).equals(bytes)).toBe(true)
  })

  test('a folder becomes a part of one that is there, or the new one; its contents go with /.', async () => {
    mkdirSync(at('src/sub'), { recursive: true })
    writeFileSync(at('src/sub/x.sh'), 'echo x')
    chmodSync(at('src/sub/x.sh'), 0o700)
    utimesSync(at('src/sub/x.sh'), 1_000_000, 1_000_000)
    symlinkSync('sub/x.sh', at('src/link'))
    expect(await cp('src', 'box:/workspace')).toEqual({ code: 0, stdout: 'Copied 2 files, 6 B\n', stderr: '' })
    expect(await cp('src', 'box:/workspace/fresh')).toMatchObject({ code: 0 })
    expect(await cp('src/.', 'box:/workspace/flat')).toMatchObject({ code: 0 })
    expect(await inside('find src fresh flat | sort')).toBe(
      ['flat', 'fresh', 'src'].flatMap((name) => ['', '/link', '/sub', '/sub/x.sh'].map((path) => `${name}${path}\n`)).join(''),
    )
    expect(await inside('stat -c "%a %Y" src/sub/x.sh; readlink src/link')).toBe('700 1000000\nsub/x.sh\n')
  })

  test('from - it is a file, or a tar stream where the other side is a folder', async () => {
    expect(await user.ak(['sandbox', 'cp', '-', 'box:/workspace/typed.txt'], { stdin: 'typed' })).toMatchObject({ code: 0 })
    expect(await inside('cat typed.txt')).toBe('typed')
    expect(await user.script('tar -c src | ak sandbox cp - box:/workspace/unpacked/')).toMatchObject({ code: 0 })
    expect(await inside('cat unpacked/src/sub/x.sh')).toBe('echo x')
  })

  test('what is no file is left out, and said', async () => {
    rmSync(at('odd'), { recursive: true, force: true })
    mkdirSync(at('odd'))
    writeFileSync(at('odd/file'), '')
    await user.spawn(['mkfifo', at('odd/pipe')])
    const { code, stderr } = await cp('odd', 'box:/workspace/')
    expect([code, stderr]).toEqual([0, expect.stringContaining('odd/pipe" is left out')])
    expect(await inside('ls odd')).toBe('file\n')
  })
})

test('wrong ends are refused with a sentence', async () => {
  const table: readonly (readonly [readonly string[], number, string])[] = [
    [['a', 'b'], 2, 'one side must be in a sandbox'],
    [['box:/a', 'box:/b'], 2, 'from sandbox to sandbox'],
    [['./box:/a', 'b'], 2, 'one side must be in a sandbox'],
    [['box:a', 'b'], 2, 'needs an absolute path'],
    [['box:/a/../b', 'b'], 2, 'leads upwards'],
    [['b?x:/a', 'b'], 2, 'reads as SANDBOX:/PATH'],
    [['box:/nothing', 'b'], 1, '/nothing'],
    [['nothing', 'box:/b'], 1, '"nothing" is not there'],
    [['box:/workspace/in/a.txt', 'missing/'], 1, 'is not there'],
    [['box:/workspace/in/a.txt', 'missing/b'], 1, 'is not there'],
    [['box:/workspace/in', 'new.txt'], 1, 'is no folder'],
    [['src', 'box:/workspace/in/a.txt'], 1, 'is no folder'],
    [['nobox:/a', '.'], 1, 'there is no sandbox named "nobox"'],
    [['one'], 2, 'give a source and a destination'],
  ]
  for (const [words, code, sentence] of table) {
    const result = await cp(...words)
    expect([words, result.code, result.stderr]).toEqual([words, code, expect.stringContaining(sentence)])
  }
})
