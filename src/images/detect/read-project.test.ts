import { afterEach, beforeEach, describe, expect, test } from 'bun:test'
import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { detectImage } from './detect-image.ts'
import { PROCFILE_LIMIT } from './by-procfile.ts'
import { readProject } from './read-project.ts'

let dir = ''
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'ak-project-'))
})
afterEach(() => rm(dir, { recursive: true, force: true }))

/** What detection makes of the directory. */
async function languageHere(): Promise<string | undefined> {
  const { entries, procfile } = await readProject(dir)
  return detectImage({ projectEntries: entries, procfile: procfile ?? '' }).language
}

describe('readProject', () => {
  test('lists the top level only', async () => {
    await mkdir(join(dir, 'vendor'))
    await writeFile(join(dir, 'vendor', 'package.json'), '{}')
    await writeFile(join(dir, 'main.tf'), '')
    const { entries } = await readProject(dir)
    expect(entries.map(({ name, isDirectory }) => `${name}:${isDirectory}`).toSorted()).toEqual(['main.tf:false', 'vendor:true'])
    expect(await languageHere()).toBe('terraform')
  })

  test('follows a link to a manifest, but no directory with its name', async () => {
    await mkdir(join(dir, 'package.json'))
    await symlink('elsewhere/go.mod', join(dir, 'go.mod'))
    expect(await languageHere()).toBe('go')
  })

  test('reads the Procfile, and only its first 64 KiB', async () => {
    await writeFile(join(dir, 'Procfile'), `web: node x\n${'#'.repeat(10_000_000)}`)
    expect((await readProject(dir)).procfile?.length).toBe(PROCFILE_LIMIT)
    expect(await languageHere()).toBe('node')
  })

  test('does not wait for a FIFO called Procfile', async () => {
    expect(Bun.spawnSync(['mkfifo', join(dir, 'Procfile')]).exitCode).toBe(0)
    expect((await readProject(dir)).procfile).toBeUndefined()
  })

  test('takes no endless device, broken link or directory for a Procfile', async () => {
    const path = join(dir, 'Procfile')
    for (const target of ['/dev/zero', '/nonexistent', '.']) {
      await symlink(target, path)
      expect((await readProject(dir)).procfile).toBeUndefined()
      await rm(path)
    }
  })

  test('takes a binary Procfile', async () => {
    await writeFile(join(dir, 'Procfile'), Buffer.from([0, 255, 254, 10, ...Buffer.from('web: go run .\n')]))
    expect(await languageHere()).toBe('go')
  })

  test('is empty when the directory is gone', async () => {
    expect(await readProject(join(dir, 'gone'))).toEqual({ entries: [], procfile: undefined })
  })
})
