import { mkdir, readFile, readdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect } from 'bun:test'
import type { ConformanceCase, Kit } from '../kit.ts'
import { makeView } from '../make-spec.ts'

/** A small project: three files, a folder, a secret and a hook. */
async function makeProject({ tempDir }: Kit): Promise<string> {
  const root = await tempDir()
  await mkdir(join(root, 'src'))
  await mkdir(join(root, 'hooks'))
  await writeFile(join(root, 'a.txt'), 'a\n')
  await writeFile(join(root, 'b.txt'), 'b\n')
  await writeFile(join(root, 'src', 'c.txt'), 'c\n')
  await writeFile(join(root, '.secret'), 'hush\n')
  await writeFile(join(root, 'hooks', 'pre-commit'), 'original\n')
  return root
}

async function snapshot(root: string): Promise<Readonly<Record<string, string>>> {
  const found: Record<string, string> = {}
  for (const entry of await readdir(root, { recursive: true, withFileTypes: true })) {
    if (entry.isFile())
      found[join(entry.parentPath, entry.name).slice(root.length + 1)] = await readFile(join(entry.parentPath, entry.name), 'utf8')
  }
  return found
}

const CHANGE = 'cat a.txt src/c.txt; echo new > new.txt; echo changed > a.txt; rm b.txt; mkdir made; cat /workspace/a.txt'

const hidden = (['copy', 'mount'] as const).map((mode): ConformanceCase => ({
  name: `hidden files cannot be read in a ${mode === 'copy' ? 'copied' : 'mounted'} workspace`,
  run: async (kit) => {
    const root = await makeProject(kit)
    const view = makeView(root, mode, { hidden: ['.secret'] })
    const { stdout } = await kit.run({
      command: ['sh', '-c', 'cat .secret; cat ./src/../.secret; cat a.txt; grep -r hush .'],
      workspace: view,
    })
    expect(stdout.toString()).toBe('a\n')
    expect(await readFile(join(root, '.secret'), 'utf8')).toBe('hush\n')
  },
}))

/** The project as a sandbox sees it. */
export const workspaceCases: readonly ConformanceCase[] = [
  {
    name: 'a copied workspace shows the project and never changes it',
    run: async (kit) => {
      const root = await makeProject(kit)
      const before = await snapshot(root)
      expect(await kit.sh(CHANGE, { workspace: makeView(root, 'copy') })).toBe('a\nc\nchanged\n')
      expect(await snapshot(root)).toEqual(before)
      expect((await readdir(root)).sort()).toEqual(['.secret', 'a.txt', 'b.txt', 'hooks', 'src'])
    },
  },
  {
    name: 'the changed files of a copied workspace are counted',
    run: async (kit) => {
      const root = await makeProject(kit)
      // One added, one changed, one removed.
      const script = 'echo new > src/new.txt; echo changed > a.txt; rm b.txt'
      const { outcome } = await kit.run({ command: ['sh', '-c', script], workspace: makeView(root, 'copy') })
      expect(outcome.changedFiles).toBe(3)
    },
  },
  {
    name: 'an untouched copied workspace counts no changed files',
    run: async (kit) => {
      const root = await makeProject(kit)
      const { outcome } = await kit.run({
        command: ['sh', '-c', 'cat a.txt; ls -R; touch /tmp/elsewhere'],
        workspace: makeView(root, 'copy', { hidden: ['.secret'] }),
      })
      expect(outcome.changedFiles).toBe(0)
    },
  },
  {
    name: 'a mounted workspace changes the real files',
    run: async (kit) => {
      const root = await makeProject(kit)
      expect(await kit.sh(CHANGE, { workspace: makeView(root, 'mount') })).toBe('a\nc\nchanged\n')
      expect(await snapshot(root)).toEqual({
        '.secret': 'hush\n',
        'a.txt': 'changed\n',
        'new.txt': 'new\n',
        'src/c.txt': 'c\n',
        'hooks/pre-commit': 'original\n',
      })
    },
  },
  {
    name: 'read-only parts of a mounted workspace stay as they are',
    run: async (kit) => {
      const root = await makeProject(kit)
      const before = await snapshot(root)
      const attacks =
        'echo evil > hooks/pre-commit; echo evil > hooks/new; rm -rf hooks; mv hooks elsewhere; echo evil > a.txt; rm a.txt; true'
      await kit.run({ command: ['sh', '-c', attacks], workspace: makeView(root, 'mount', { readOnly: ['hooks', 'a.txt'] }) })
      expect(await snapshot(root)).toEqual(before)
    },
  },
  ...hidden,
  {
    name: 'replaced files show their other content',
    run: async (kit) => {
      const root = await makeProject(kit)
      const view = makeView(root, 'copy', { replaced: [{ path: '.secret', content: 'nothing here\n' }] })
      expect(await kit.sh('cat .secret; grep -r hush . || true', { workspace: view })).toBe('nothing here\n')
      expect(await readFile(join(root, '.secret'), 'utf8')).toBe('hush\n')
    },
  },
  {
    name: 'without a workspace nothing of the project is shown',
    run: async (kit) => {
      const root = await makeProject(kit)
      expect(await kit.sh(`ls -A ${root} /workspace 2>/dev/null || true`)).not.toContain('a.txt')
    },
  },
]
