import { afterEach, expect, test } from 'bun:test'
import { closeSync, mkdtempSync, openSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { grown } from './soak.ts'
import { descendants, takeCounts } from './soak-counts.ts'

const made: string[] = []
afterEach(() => made.splice(0).forEach((path) => rmSync(path, { recursive: true, force: true })))

const counts = { processes: 0, mounts: 30, cgroups: 0, files: 12, descriptors: 20 }

test('what there is more of is named; less of something is fine', () => {
  expect(grown({ before: counts, after: { ...counts, mounts: 29 } })).toEqual([])
  expect(grown({ before: counts, after: { ...counts, processes: 1, files: 13 } })).toEqual(['processes', 'files'])
})

test('processes below another are counted however deep, and no longer when they ended', async () => {
  // The shell has a child. It ends when its stdin does.
  const child = Bun.spawn(['/bin/sh', '-c', 'cat; :'], { stdin: 'pipe', stdout: 'pipe' })
  await child.stdin.write('ready\n')
  await child.stdin.flush()
  await child.stdout.getReader().read()
  const [below, all] = [descendants(child.pid), descendants(process.pid)]
  await child.stdin.end()
  await child.exited
  expect(below).toBe(1)
  expect(all).toBeGreaterThanOrEqual(2)
  expect(descendants(child.pid)).toBe(0)
})

test('a file and a descriptor that stay are counted', () => {
  const home = mkdtempSync(join(tmpdir(), 'agentkernel-soak-'))
  made.push(home)
  const world = { home, empty: home, dataDir: home, env: {} }
  const before = takeCounts(world)
  const fd = openSync(join(home, 'left'), 'w')
  const during = takeCounts(world)
  closeSync(fd)
  expect(during.files).toBe(before.files + 1)
  expect(during.descriptors).toBe(before.descriptors + 1)
  expect(takeCounts(world).descriptors).toBe(before.descriptors)
})
