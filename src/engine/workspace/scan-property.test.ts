import { expect, test } from 'bun:test'
import fc from 'fast-check'
import { chmodSync, mkdirSync, renameSync, rmSync, symlinkSync, unlinkSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'
import { ignore } from '../../lib/ignore.ts'
import { decodeIndex, encodeIndex } from './scan-codec.ts'
import { FILE_STATES, newFolder } from './scan-index.ts'
import type { FolderNode } from './scan-index.ts'
import { scanProject } from './scan.ts'
import { TempTree } from './temp-tree.ts'

const folder = fc.constantFrom('.', 'a', 'b', 'a/c', 'a/c/.git', 'node_modules', 'b/target', '.aws', 'b/🎉')
const file = fc.constantFrom('.env', '.npmrc', 'x.pem', 'plain', 'config', 'HEAD', 'Cargo.toml', 'credentials')
const path = fc.tuple(folder, file).map(([above, name]) => `${above}/${name}`)
const content = fc.constantFrom('', 'a=b\n', '_authToken=x\n', '-----BEGIN PRIVATE KEY-----', '[credential]\nhelper = x\n')

/** One thing that happens to a project between two scans. */
type Change = (tree: TempTree) => void
const change: fc.Arbitrary<Change> = fc.oneof(
  fc.tuple(path, content).map(([name, text]): Change => (tree) => {
    mkdirSync(dirname(tree.at(`p/${name}`)), { recursive: true })
    writeFileSync(tree.at(`p/${name}`), text)
  }),
  path.map(
    (name): Change =>
      (tree) =>
        unlinkSync(tree.at(`p/${name}`)),
  ),
  folder
    .filter((name) => name !== '.')
    .map(
      (name): Change =>
        (tree) =>
          rmSync(tree.at(`p/${name}`), { recursive: true }),
    ),
  fc.tuple(path, path).map(
    ([from, to]): Change =>
      (tree) =>
        renameSync(tree.at(`p/${from}`), tree.at(`p/${to}`)),
  ),
  fc.tuple(folder, folder).map(
    ([from, to]): Change =>
      (tree) =>
        renameSync(tree.at(`p/${from}`), tree.at(`p/${to}`)),
  ),
  fc.tuple(path, path).map(
    ([at, to]): Change =>
      (tree) =>
        symlinkSync(tree.at(`p/${to}`), tree.at(`p/${at}`)),
  ),
  path.map(
    (name): Change =>
      (tree) =>
        chmodSync(tree.at(`p/${name}`), 0o600),
  ),
)

test('a scan with a cache finds what a scan without one finds, whatever happened in between', async () => {
  const rounds = fc.array(fc.array(change, { minLength: 1, maxLength: 6 }), { minLength: 1, maxLength: 8 })
  await fc.assert(
    fc.asyncProperty(rounds, fc.boolean(), async (changes, trusting) => {
      // More than the scan takes for small, so that there is a cache.
      const padding = Object.fromEntries(Array.from({ length: 10 }, (_, i) => [`p/padding-${i}`, undefined]))
      using tree = new TempTree().write({ ...padding, 'p/a/c/.git/HEAD': '' })
      // With a clock far ahead the cache is believed at once; with the real one, folders that just changed are not.
      const now = trusting ? () => Date.now() + 60_000 : Date.now
      const scan = (cache: string) => scanProject({ mode: 'copy', root: tree.at('p'), cacheFile: tree.at(cache), now })
      await scan('cache/kept')
      let fresh = 0
      for (const round of changes) {
        if (trusting) tree.passTimeStep()
        for (const apply of round) attempt(() => apply(tree))
        expect(await scan('cache/kept')).toEqual(await scan(`cache/fresh-${fresh++}`))
      }
    }),
    { numRuns: 60 },
  )
})

function attempt(action: () => void): void {
  try {
    action()
  } catch (error) {
    ignore(error, 'a change that does not fit the tree of the moment')
  }
}

const name = fc.string({
  minLength: 1,
  maxLength: 8,
  unit: fc
    .integer({ min: 1, max: 255 })
    .filter((byte) => byte !== 47)
    .map((byte) => String.fromCharCode(byte)),
})
const number = fc.integer({ min: 0, max: 2 ** 50 })
const stamp = fc.record({
  dev: number,
  ino: number,
  mtimeMs: fc.double({ noNaN: true }),
  ctimeMs: fc.double({ noNaN: true }),
  size: number,
})
const plainName = name.filter((text) => text !== '.' && text !== '..')
const watched = fc.record({ name: plainName, state: fc.constantFrom(...FILE_STATES), stamp }, { noNullPrototype: true })
const node = (folders: fc.Arbitrary<FolderNode[]>): fc.Arbitrary<FolderNode> => {
  const entries = fc.integer({ min: -1, max: 1_000 })
  const files = fc.array(watched, { maxLength: 3 })
  return fc.record({ name: plainName, stamp, current: fc.constant(true), entries, files, folders }, { noNullPrototype: true })
}
const nodes = (depth: number): fc.Arbitrary<FolderNode[]> =>
  depth === 0 ? fc.constant([]) : fc.array(node(nodes(depth - 1)), { maxLength: 3 })

test('an index comes back from its bytes as it went in', () => {
  const key = { root: '/pr\u00c3\u00b6ject', rules: 7 }
  fc.assert(
    fc.property(node(nodes(3)), (made) => {
      const root = { ...made, name: '' }
      expect(decodeIndex(encodeIndex(root, key), key)?.toTree(new Set())).toEqual(root)
    }),
  )
})

test('bytes that are no index are refused, and none makes it fail', () => {
  const key = { root: '/p', rules: 7 }
  const good = encodeIndex(newFolder(''), key)
  expect(decodeIndex(good, { ...key, rules: 8 })).toBeUndefined()
  expect(decodeIndex(good, { ...key, root: '/q' })).toBeUndefined()
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), fc.nat({ max: good.length }), (bytes, at) => {
      expect(decodeIndex(bytes, key)).toBeUndefined()
      const mixed = new Uint8Array([...good.subarray(0, at), ...bytes, ...good.subarray(at)])
      if (bytes.length > 0) expect(decodeIndex(mixed, key)).toBeUndefined()
    }),
  )
})

test('an index with paths that lead out of the project is refused', () => {
  const key = { root: '/p', rules: 7 }
  for (const bad of ['..', '../x', '/etc', 'a/../../x']) {
    const root = { ...newFolder(''), files: [{ name: bad, state: 'hide' as const, stamp: newFolder('').stamp }] }
    expect(decodeIndex(encodeIndex(root, key), key)).toBeUndefined()
  }
})
