import { expect } from 'bun:test'
import { chmod, mkdir, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { makeView } from '../../make-spec.ts'
import { refusal, type SandboxCase, type SandboxKit } from '../../sandbox-kit.ts'

/** A small project: files, a folder, a link out, and two secrets. */
async function makeProject({ tempDir }: SandboxKit): Promise<string> {
  const root = await tempDir()
  await mkdir(join(root, 'src'))
  const files = {
    'a.txt': 'a\n',
    'src/b.txt': 'b\n',
    '.env': 'hush\n',
    'src/.env': 'hush\n',
    config: 'token\n',
    'run.sh': '#!/bin/sh\necho ran\n',
  }
  for (const [name, content] of Object.entries(files)) await writeFile(join(root, name), content)
  await chmod(join(root, 'run.sh'), 0o755)
  await chmod(join(root, 'a.txt'), 0o600)
  await symlink('/etc/hostname', join(root, 'out'))
  return root
}

/** The copy of a project that a sandbox gets when it is made. */
export const projectCases: readonly SandboxCase[] = [
  {
    name: 'a project is copied when the sandbox is made: files, modes and links',
    run: async (kit) => {
      const root = await makeProject(kit)
      const box = await kit.start({ workspace: makeView(root, 'copy') })
      expect(await kit.sh(box, 'cat a.txt src/b.txt; ./run.sh; readlink out; stat -c %a a.txt')).toBe('a\nb\nran\n/etc/hostname\n600\n')
    },
  },
  {
    name: 'hidden files are not in the copy, and replaced ones have their other content',
    run: async (kit) => {
      const root = await makeProject(kit)
      const view = makeView(root, 'copy', { hidden: ['.env', 'src/.env', 'no/such'], replaced: [{ path: 'config', content: 'clean\n' }] })
      const box = await kit.start({ workspace: view })
      expect(await kit.sh(box, 'ls -A; ls -A src; cat config; grep -r hush . || true')).toBe(
        'a.txt\nconfig\nout\nrun.sh\nsrc\nb.txt\nclean\n',
      )
      expect(await readFile(join(root, '.env'), 'utf8')).toBe('hush\n')
    },
  },
  {
    name: 'project and copy change without each other, and the copy needs no project any more',
    run: async (kit) => {
      const root = await makeProject(kit)
      const box = await kit.create({ workspace: makeView(root, 'copy') })
      await writeFile(join(root, 'a.txt'), 'later\n')
      await kit.start(box)
      expect(await kit.sh(box, 'cat a.txt; echo mine > src/b.txt; rm config; echo new > new; cat src/b.txt')).toBe('a\nmine\n')
      expect(await readFile(join(root, 'src/b.txt'), 'utf8')).toBe('b\n')
      expect((await readdir(root)).sort()).toEqual(['.env', 'a.txt', 'config', 'out', 'run.sh', 'src'])
      await rm(root, { recursive: true })
      await kit.stop(box)
      await kit.start(box)
      expect(await kit.sh(box, 'cat a.txt src/b.txt new; ls')).toBe('a\nmine\nnew\na.txt\nnew\nout\nrun.sh\nsrc\n')
    },
  },
  {
    name: 'a project that is gone before it was copied is an error, and nothing is left of the sandbox',
    run: async (kit) => {
      const root = await makeProject(kit)
      const box = kit.plan({ workspace: makeView(root, 'copy') })
      await rm(root, { recursive: true })
      expect(await refusal(() => kit.verbs.create(box.handle, box.spec, kit.signal))).toBe('sandbox_start_failed')
      expect(await kit.state(box)).toBe('gone')
    },
  },
  {
    name: 'making a sandbox can be given up at any moment, and done again',
    run: async (kit) => {
      const root = await makeProject(kit)
      await mkdir(join(root, 'many'))
      for (let i = 0; i < 2000; i++) await writeFile(join(root, 'many', `${i}`), `${i}`)
      const box = kit.plan({ workspace: makeView(root, 'copy') })
      for (let moment = 0; moment < 10; moment++) {
        const giveUp = new AbortController()
        const making = refusal(() => kit.verbs.create(box.handle, box.spec, giveUp.signal))
        await Bun.sleep(moment * 3)
        giveUp.abort()
        const code = await making
        expect(['canceled', 'no error']).toContain(code)
        // Half a copy is none.
        expect(await kit.state(box)).toBe(code === 'canceled' ? 'gone' : 'stopped')
        if (code === 'no error') await kit.verbs.destroy(box.handle, kit.signal)
      }
      box.handle = await kit.verbs.create(box.handle, box.spec, kit.signal)
      await kit.start(box)
      expect(await kit.sh(box, 'cat many/0 many/1999; ls many | wc -l')).toBe('019992000\n')
    },
  },
]
