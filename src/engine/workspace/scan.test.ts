import { afterEach, describe, expect, test } from 'bun:test'
import { spawnSync } from 'node:child_process'
import {
  chmodSync,
  chownSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  unlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { createServer } from 'node:net'
import type { Server } from 'node:net'
import { decodeIndex, encodeIndex } from './scan-codec.ts'
import { STALE } from './scan-index.ts'
import { scanProject } from './scan.ts'
import type { ScanOptions } from './scan.ts'
import { RULES_FINGERPRINT } from './secret-files.ts'
import { TempTree } from './temp-tree.ts'

const OWN_NAMESPACES = ['--user', '--map-root-user', '--mount', '--pid', '--fork']
const canMount = spawnSync('unshare', [...OWN_NAMESPACES, 'mount', '-t', 'proc', 'proc', '/proc']).status === 0

const servers: Server[] = []
afterEach(() => servers.splice(0).forEach((server) => server.close()))

async function listen(path: string): Promise<void> {
  const server = createServer()
  servers.push(server)
  await new Promise<void>((resolve) => server.listen(path, resolve))
}

const scan = (tree: TempTree, more: Partial<ScanOptions> = {}) =>
  scanProject({ mode: 'copy', root: tree.at('p'), cacheFile: tree.at('cache/index'), ...more })
/** A clock so far ahead that nothing counts as just changed, so that the cache is believed. */
const later = { now: () => Date.now() + 60_000 }
const twelveFolders = Object.fromEntries(Array.from({ length: 12 }, (_, i) => [`p/folder-${i}/source.ts`, 'x']))

describe('a scan', () => {
  test('hides files with secrets by name and by content, wherever they are', async () => {
    using tree = new TempTree().write({
      'p/.env': 'A=b',
      'p/.env.example': 'A=',
      'p/a/b/.env.local': 'A=b',
      'p/tls/server.pem': 'x\n-----BEGIN PRIVATE KEY-----\n',
      'p/tls/chain.pem': '-----BEGIN CERTIFICATE-----\n',
      'p/README.md': '-----BEGIN PRIVATE KEY-----',
    })
    const found = await scan(tree)
    expect(found.hidden).toEqual(['.env', 'a/b/.env.local', 'tls/server.pem'])
    expect(found.replaced).toEqual([])
    expect(found.incomplete).toBeUndefined()
    expect(found.counts).toEqual({ folders: 4, entries: 9, unreadable: 0 })
  })

  test('gives the content without credentials for files that are needed', async () => {
    using tree = new TempTree().write({
      'p/.npmrc': 'save-exact=true\n_authToken=abc\n',
      'p/plain/.npmrc': 'save-exact=true\n',
      'p/.git/HEAD': 'ref: refs/heads/main',
      'p/.git/config': '[remote "o"]\n\turl = https://a:b@host/x\n',
      'p/.git/modules/objects/config': '[remote "o"]\n\turl = https://c:d@host/y\n',
    })
    const found = await scan(tree)
    expect(found.hidden).toEqual([])
    expect(found.replaced).toEqual([
      { path: '.git/config', content: '[remote "o"]\n\turl = https://host/x\n' },
      { path: '.git/modules/objects/config', content: '[remote "o"]\n\turl = https://host/y\n' },
      { path: '.npmrc', content: 'save-exact=true\n' },
    ])
  })

  test('hides what it cannot take apart: not UTF-8, too large, a FIFO with a telling name', async () => {
    using tree = new TempTree().write({ 'p/a/.npmrc': undefined, 'p/b': undefined, 'p/c': undefined })
    rmSync(tree.at('p/a/.npmrc'), { recursive: true })
    writeFileSync(tree.at('p/a/.npmrc'), Buffer.concat([Buffer.from('_authToken=x\nname='), Buffer.from([0xff])]))
    writeFileSync(tree.at('p/b/.npmrc'), 'x'.repeat(2 * 1024 * 1024))
    expect(spawnSync('mkfifo', [tree.at('p/c/.npmrc')]).status).toBe(0)
    expect((await scan(tree)).hidden).toEqual(['a/.npmrc', 'b/.npmrc', 'c/.npmrc'])
  })

  test('hides sockets and FIFOs, and devices where we may make one', async () => {
    using tree = new TempTree().write({ 'p/run/x': '' })
    await listen(tree.at('p/run/app.sock'))
    spawnSync('mkfifo', [tree.at('p/run/pipe')])
    const expected = ['run/app.sock', 'run/pipe']
    if (spawnSync('mknod', [tree.at('p/run/device'), 'c', '1', '3']).status === 0) expected.splice(1, 0, 'run/device')
    expect((await scan(tree)).hidden).toEqual(expected)
    expect((await scan(tree, { mode: 'mount', cacheFile: tree.at('cache/mount') })).hidden).toEqual(expected)
  })

  test('does not enter dependency folders, except for a mount', async () => {
    using tree = new TempTree().write({ 'p/node_modules/x/.env': 'A=b' })
    await listen(tree.at('p/node_modules/x/s'))
    expect((await scan(tree)).hidden).toEqual([])
    expect((await scan(tree, { mode: 'mount', cacheFile: tree.at('cache/mount') })).hidden).toEqual(['node_modules/x/s'])
  })

  test('with mount leaves secrets alone and names the git folders', async () => {
    using tree = new TempTree().write({ 'p/.env': 'A=b', 'p/.git/HEAD': '', 'p/sub/.git/HEAD': '', 'p/w/.git': 'gitdir: x' })
    const found = await scan(tree, { mode: 'mount' })
    expect(found).toMatchObject({ hidden: [], replaced: [], gitFolders: ['.git', 'sub/.git'] })
  })

  test('does not follow symlinks out of the project or in circles', async () => {
    using tree = new TempTree().write({
      'outside/.env': 'A=b',
      'p/out': '-> ../outside',
      'p/self': '-> .',
      'p/id_rsa': '-> ../outside/.env',
    })
    expect((await scan(tree)).hidden).toEqual([])
  })

  test('hides the file that a telling symlink leads to inside the project', async () => {
    using tree = new TempTree().write({
      'p/settings/production': 'PASSWORD=x',
      'p/settings/npm': '_authToken=x\na=b\n',
      'p/.env': '-> settings/production',
      'p/sub/.npmrc': '-> ../settings/npm',
      'p/sub/.env': '-> nowhere',
    })
    const found = await scan(tree)
    expect(found.hidden).toEqual(['settings/production'])
    expect(found.replaced).toEqual([{ path: 'settings/npm', content: 'a=b\n' }])
  })

  test('copes with every name that a file can have', async () => {
    using tree = new TempTree().write({
      'p/new\nline/.env': '',
      'p/🎉 ünï/.env': '',
      'p/-rf *$(x)/.env': '',
      'p/.env.\n': '',
      'p/.env.💣': '',
    })
    mkdirSync(Buffer.concat([Buffer.from(tree.at('p/')), Buffer.from([0xff, 0x20])]))
    const expected = ['-rf *$(x)/.env', '.env.\n', '.env.💣', 'new\nline/.env', '🎉 ünï/.env'].toSorted()
    const found = await scan(tree, later)
    expect(found.hidden).toEqual(expected)
    expect(found.incomplete).toBeUndefined()
    expect((await scan(tree, later)).hidden).toEqual(expected)
  })

  test('is incomplete when a file to be hidden has a name that cannot be told', async () => {
    using tree = new TempTree().write({ p: undefined })
    writeFileSync(Buffer.concat([Buffer.from(tree.at('p/.env.')), Buffer.from([0xff])]), 'A=b')
    expect((await scan(tree)).incomplete).toContain('not valid UTF-8')
  })

  test('is incomplete beyond its limits, and says which', async () => {
    using tree = new TempTree().write({ 'p/a/b/c/d': 'x', 'p/e': 'x' })
    expect((await scan(tree, { limits: { entries: 4 } })).incomplete).toBe('it holds more than 4 files')
    expect((await scan(tree, { limits: { depth: 2 } })).incomplete).toBe('its folders are more than 2 deep')
    let time = 0
    const slow = { now: () => (time += 1_000), limits: { timeMs: 3_000 } }
    expect((await scan(tree, slow)).incomplete).toBe('looking through it took longer than 3 seconds')
    expect((await scan(tree)).incomplete).toBeUndefined()
  })

  test('ends when it is canceled', async () => {
    using tree = new TempTree().write(twelveFolders)
    let time = 0
    const found = await scan(tree, { now: () => (time += 60), signal: AbortSignal.abort() })
    expect(found.incomplete).toBe('the scan was canceled')
  })

  test.skipIf(!canMount)('is incomplete where a file system of the kernel is mounted', () => {
    using tree = new TempTree().write({ 'p/rootfs': undefined })
    const script = `mount -t proc proc ${tree.at('p/rootfs')} && exec ${process.execPath} -e '${scanInChild(tree)}'`
    const child = spawnSync('unshare', [...OWN_NAMESPACES, 'sh', '-c', script], { encoding: 'utf8' })
    expect(child.stdout).toBe('"rootfs" in it is a file system of the kernel')
  })

  function scanInChild(tree: TempTree): string {
    const options = JSON.stringify({ mode: 'copy', root: tree.at('p'), cacheFile: tree.at('cache/index') })
    return `import { scanProject } from "${import.meta.dir}/scan.ts"; process.stdout.write((await scanProject(${options})).incomplete)`
  }

  test.skipIf(process.getuid!() !== 0)('notes folders that we may not read and goes on', async () => {
    using tree = new TempTree().write({ ...twelveFolders, 'p/closed/.env': 'A=b', 'p/half/sub/.env': 'A=b', 'p/.env': 'A=b' })
    chmodSync(tree.path, 0o755)
    chownSync(tree.path, 65_534, 65_534)
    chmodSync(tree.at('p/closed'), 0o700)
    chmodSync(tree.at('p/half'), 0o744)
    process.seteuid!(65_534)
    try {
      const first = await scan(tree, later)
      expect(first).toMatchObject({ hidden: ['.env'], counts: { unreadable: 2 } })
      expect(first.incomplete).toBeUndefined()
      expect(await scan(tree, later)).toEqual(first)
    } finally {
      process.seteuid!(0)
    }
  })
})

describe('the cache', () => {
  test('is written once, readable by its owner only, and holds no content', async () => {
    using tree = new TempTree().write({ ...twelveFolders, 'p/.npmrc': '_authToken=s3cr3t\n' })
    await scan(tree, later)
    const before = lstatSync(tree.at('cache/index'))
    expect(before.mode & 0o777).toBe(0o600)
    expect(statSync(tree.at('cache')).mode & 0o777).toBe(0o700)
    expect(readFileSync(tree.at('cache/index'), 'latin1')).not.toContain('s3cr3t')
    await scan(tree, later)
    expect(lstatSync(tree.at('cache/index')).ino).toBe(before.ino)
    expect(readdirSync(tree.at('cache'))).toEqual(['index'])
  })

  test('is not made for a small project', async () => {
    using tree = new TempTree().write({ 'p/.env': '', 'p/src/a': '' })
    await scan(tree, later)
    expect(existsSync(tree.at('cache'))).toBeFalse()
  })

  test('saves reading folders that have not changed', async () => {
    using tree = new TempTree().write(twelveFolders)
    const file = tree.at('cache/index')
    await scan(tree, later)
    const key = { root: tree.at('p'), rules: RULES_FINGERPRINT }
    const index = decodeIndex(readFileSync(file), key)!.toTree(new Set())!
    index.folders[5]!.files.push({ name: 'ghost', state: 'hide', stamp: STALE })
    writeFileSync(file, encodeIndex(index, key))
    const ghost = `${index.folders[5]!.name}/ghost`
    expect((await scan(tree, later)).hidden).toEqual([ghost])
    tree.write({ 'p/folder-11/new': '' })
    expect((await scan(tree, later)).hidden).toEqual([ghost])
    tree.write({ [`p/${index.folders[5]!.name}/new`]: '' })
    expect((await scan(tree, later)).hidden).toEqual([])
  })

  test('notices a file that comes, goes, or changes anywhere', async () => {
    using tree = new TempTree().write({ ...twelveFolders, 'p/folder-1/deep/er/x': 'x', 'p/key.pem': 'no key' })
    await scan(tree)
    tree.write({ 'p/folder-1/deep/er/.env': 'A=b' })
    expect((await scan(tree)).hidden).toEqual(['folder-1/deep/er/.env'])
    writeFileSync(tree.at('p/key.pem'), '-----BEGIN PRIVATE KEY-----')
    expect((await scan(tree)).hidden).toEqual(['folder-1/deep/er/.env', 'key.pem'])
    renameSync(tree.at('p/folder-1'), tree.at('p/moved'))
    expect((await scan(tree)).hidden).toEqual(['key.pem', 'moved/deep/er/.env'])
    unlinkSync(tree.at('p/key.pem'))
    rmSync(tree.at('p/moved'), { recursive: true })
    expect((await scan(tree)).hidden).toEqual([])
  })

  test('does not trust a folder that changed just before it was read, until it has rested', async () => {
    using tree = new TempTree().write(twelveFolders)
    await scan(tree)
    const young = readFileSync(tree.at('cache/index'))
    await scan(tree)
    expect(readFileSync(tree.at('cache/index')).equals(young)).toBeTrue()
    await scan(tree, later)
    expect(readFileSync(tree.at('cache/index')).equals(young)).toBeFalse()
  })

  test('is not fooled by a modification time that was set back', async () => {
    using tree = new TempTree().write(twelveFolders)
    await scan(tree, later)
    const { atime, mtime } = statSync(tree.at('p/folder-5'))
    tree.passTimeStep()
    tree.write({ 'p/folder-5/.env': 'A=b' })
    utimesSync(tree.at('p/folder-5'), atime, mtime)
    expect((await scan(tree, later)).hidden).toEqual(['folder-5/.env'])
  })

  test('that is damaged, of somebody else, open to others, or a symlink is built anew', async () => {
    using tree = new TempTree().write({ ...twelveFolders, 'p/.env': 'A=b' })
    const file = tree.at('cache/index')
    await scan(tree, later)
    const good = readFileSync(file)
    const damages: (() => void)[] = [
      () => writeFileSync(file, ''),
      () => writeFileSync(file, good.subarray(0, good.length - 1)),
      () => writeFileSync(file, Buffer.concat([good, good])),
      () => writeFileSync(file, Buffer.alloc(good.length, 0xff)),
      () =>
        writeFileSync(
          file,
          good.map((byte, index) => (index === 500 ? byte ^ 1 : byte)),
        ),
      () => chmodSync(file, 0o644),
      () => (rmSync(file), symlinkSync('/dev/zero', file)),
      () => (rmSync(file), spawnSync('mkfifo', [file])),
    ]
    for (const damage of damages) {
      damage()
      expect((await scan(tree, later)).hidden).toEqual(['.env'])
      expect(lstatSync(file).isFile()).toBeTrue()
      expect(lstatSync(file).mode & 0o777).toBe(0o600)
    }
  })

  test('of another project or mode is not used', async () => {
    using tree = new TempTree().write({ ...twelveFolders, 'p/.env': 'A=b', 'q/.env.q': 'A=b' })
    await scan(tree, later)
    expect((await scan(tree, { ...later, root: tree.at('q') })).hidden).toEqual(['.env.q'])
    expect((await scan(tree, { ...later, mode: 'mount' })).hidden).toEqual([])
    expect((await scan(tree, later)).hidden).toEqual(['.env'])
  })

  test('that cannot be written does not matter', async () => {
    using tree = new TempTree().write({ ...twelveFolders, 'p/.env': 'A=b', cache: 'a file in the way' })
    expect((await scan(tree)).hidden).toEqual(['.env'])
  })

  test('leaves room: the oldest of many go', async () => {
    using tree = new TempTree().write({ ...twelveFolders, cache: undefined })
    for (let i = 0; i < 260; i++) {
      writeFileSync(tree.at(`cache/old-${i}`), '')
      utimesSync(tree.at(`cache/old-${i}`), 1_000 + i, 1_000 + i)
    }
    await scan(tree)
    const left = readdirSync(tree.at('cache'))
    expect(left.length).toBe(200)
    expect(left).toContain('index')
    expect(left).toContain('old-259')
    expect(left).not.toContain('old-0')
  })
})
