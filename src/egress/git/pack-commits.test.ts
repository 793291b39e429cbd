import { afterAll, expect, test } from 'bun:test'
import { createHash } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { deflateSync } from 'node:zlib'
import fc from 'fast-check'
import { gitEnv } from '../../../test/support/git-server.ts'
import { applyDelta } from './apply-delta.ts'
import { notFastForward } from './fast-forward.ts'
import { readPackCommits } from './pack-commits.ts'

const folder = mkdtempSync(join(tmpdir(), 'ak-pack-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

function git(args: readonly string[], input = ''): Buffer {
  const { stdout, stderr, exitCode } = Bun.spawnSync(['git', '-C', folder, ...args], { env: gitEnv(folder), stdin: Buffer.from(input) })
  if (exitCode !== 0) throw new Error(stderr.toString())
  return stdout
}

/** Forty commits with long, similar messages: git packs some as deltas of others. */
function history(format: 'sha1' | 'sha256'): { readonly ids: string[]; readonly pack: Buffer } {
  rmSync(join(folder, '.git'), { recursive: true, force: true })
  git(['init', '-q', '-b', 'main', `--object-format=${format}`])
  for (let index = 0; index < 40; index++) {
    writeFileSync(join(folder, 'file'), `${index}\n${'line\n'.repeat(2_000)}`)
    git(['add', 'file'])
    git(['commit', '-q', '-F', '-'], `${index}\n\n${'The same long text in every message.\n'.repeat(60)}`)
  }
  const ids = git(['rev-list', 'HEAD']).toString().trim().split('\n')
  return { ids, pack: git(['pack-objects', '--revs', '--stdout', '-q', '--delta-base-offset', '--window=50'], 'HEAD\n') }
}

test.each(['sha1', 'sha256'] as const)(
  'every commit of a pack is found, deltas too (%s)',
  async (format) => {
    const { ids, pack } = history(format)
    const found = await readPackCommits(pack, format)
    if (typeof found === 'string') throw new Error(found)
    expect([...found.parents.keys()].toSorted()).toEqual(ids.toSorted())
    expect(found.isWhole).toBe(true)
    for (const [index, id] of ids.entries()) expect(found.parents.get(id)).toEqual(ids.slice(index + 1, index + 2))
    // Or this would show nothing about deltas.
    writeFileSync(join(folder, 'x.pack'), pack)
    git(['index-pack', 'x.pack'])
    expect(git(['verify-pack', '-v', 'x.pack']).toString()).toMatch(/^[0-9a-f]+ commit \d+ +\d+ \d+ \d+ [0-9a-f]+$/m)
  },
  60_000,
)

test('with deltas that name their base by its id', async () => {
  const { ids } = history('sha1')
  const pack = git(['pack-objects', '--revs', '--stdout', '-q', '--window=50'], 'HEAD\n')
  const found = await readPackCommits(pack, 'sha1')
  expect(typeof found === 'string' ? found : found.parents.size).toBe(ids.length)
}, 60_000)

test('only a chain of commits makes a fast-forward', async () => {
  const { ids, pack } = history('sha1')
  const update = (old: string, next: string) => notFastForward(pack, [{ old, new: next, ref: 'r' }])
  expect((await update(ids[30]!, ids[0]!)).size).toBe(0)
  expect((await update(ids[0]!, ids[0]!)).size).toBe(0)
  expect((await update(ids[0]!, ids[30]!)).get('r')).toBe('no fast-forward')
  expect((await update(ids[0]!, 'f'.repeat(40))).get('r')).toContain('does not bring the new commit along')
}, 60_000)

/** A pack of whole objects. */
function packOf(
  objects: readonly { readonly type: number; readonly content: Uint8Array; readonly size?: number }[],
  count = objects.length,
): Buffer {
  const head = Buffer.alloc(12)
  head.write('PACK')
  head.writeUInt32BE(2, 4)
  head.writeUInt32BE(count, 8)
  const parts = objects.flatMap(({ type, content, size = content.length }) => {
    const bytes = [(type << 4) | (size & 15)]
    for (let rest = Math.floor(size / 16); rest > 0; rest = Math.floor(rest / 128)) {
      bytes[bytes.length - 1]! |= 0x80
      bytes.push(rest % 128)
    }
    return [Buffer.from(bytes), deflateSync(content)]
  })
  return Buffer.concat([head, ...parts])
}

test('a parent that only stands in a message is none', async () => {
  const old = 'a'.repeat(40)
  const content = Buffer.from(`tree ${'b'.repeat(40)}\nauthor x <x> 0 +0000\nparent ${old}\ncommitter x <x> 0 +0000\n\nparent ${old}\n`)
  const id = createHash('sha1').update(`commit ${content.length}\0`).update(content).digest('hex')
  const found = await readPackCommits(packOf([{ type: 1, content }]), 'sha1')
  expect(typeof found === 'string' ? found : found.parents.get(id)).toEqual([])
})

test.each([
  ['no head', Buffer.from('PACX')],
  ['more objects than it has', packOf([{ type: 3, content: Buffer.from('x') }], 2)],
  ['too many objects', packOf([], 4_000_000_000)],
  ['an object longer than it says', packOf([{ type: 3, content: Buffer.alloc(5_000), size: 10 }])],
  ['an object shorter than it says', packOf([{ type: 3, content: Buffer.alloc(5_000), size: 6_000 }])],
  ['a large object that is larger than it says', packOf([{ type: 3, content: Buffer.alloc(9_000_000), size: 1_000_000 }])],
  ['a large object that is smaller than it says', packOf([{ type: 3, content: Buffer.alloc(1_000_000), size: 9_000_000 }])],
  ['objects that unpack to too much', packOf([{ type: 3, content: Buffer.alloc(1_000), size: 2 ** 40 }])],
  ['an unknown kind', packOf([{ type: 5, content: Buffer.from('x') }])],
])('a pack with %s is none', async (_, pack) => {
  expect(await readPackCommits(pack, 'sha1')).toBeString()
})

test('large objects are passed over', async () => {
  const commit = Buffer.from(`tree ${'b'.repeat(40)}\n\nx`)
  const big = { type: 3, content: crypto.getRandomValues(new Uint8Array(60_000)) }
  const zeros = { type: 3, content: new Uint8Array(20_000_000) }
  const found = await readPackCommits(packOf([zeros, big, zeros, { type: 1, content: commit }]), 'sha1')
  expect(typeof found === 'string' ? found : found.parents.size).toBe(1)
})

test('whatever bytes come, it answers', async () => {
  const { pack } = {
    pack: packOf([
      { type: 1, content: Buffer.from('tree x\n') },
      { type: 3, content: Buffer.alloc(300) },
    ]),
  }
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.tuple(fc.nat(pack.length - 1), fc.nat(255)), { maxLength: 6 }),
      fc.nat(pack.length),
      async (changes, cut) => {
        const bytes = Buffer.from(pack.subarray(0, cut))
        for (const [at, value] of changes) if (at < bytes.length) bytes[at] = value
        await readPackCommits(bytes, 'sha1')
      },
    ),
    { numRuns: 300 },
  )
  fc.assert(
    fc.property(
      fc.uint8Array({ maxLength: 50 }),
      fc.uint8Array({ maxLength: 50 }),
      (a, b) => void applyDelta(Buffer.from(a), Buffer.from(b), 1_000),
    ),
  )
})
