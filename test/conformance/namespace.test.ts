import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, test } from 'bun:test'
import { findCgroupRoots } from '../../src/drivers/namespace/cgroup.ts'
import { skip } from '../../src/drivers/namespace/conformance.ts'
import { createNamespaceDriver } from '../../src/drivers/namespace/index.ts'
import { runDriverSuite } from './driver-suite.ts'

const dataDir = mkdtempSync(join(tmpdir(), 'agentkernel-conformance-'))
const helperPath = join(import.meta.dir, '../../build/agentkernel-guest')
const mountsBefore = readFileSync('/proc/self/mountinfo', 'utf8')
const cgroups = findCgroupRoots(readFileSync('/proc/self/cgroup', 'utf8'), mountsBefore)

afterAll(() => rmSync(dataDir, { recursive: true, force: true }))

test('the launch helper has been built', () => {
  expect(existsSync(helperPath)).toBe(true)
})

runDriverSuite(
  'namespace',
  () =>
    createNamespaceDriver({
      dataDir,
      helperPath,
      home: dataDir,
      uid: process.getuid?.() ?? 0,
      arch: process.arch === 'arm64' ? 'arm64' : 'x64',
      bwrapPaths: ['/usr/bin/bwrap', '/usr/local/bin/bwrap'],
    }),
  { skip, leftovers: async () => [...leftFolders(), ...leftGroups(), ...leftMounts()] },
)

function leftFolders(): string[] {
  const runs = join(dataDir, 'runs')
  return existsSync(runs) ? readdirSync(runs) : []
}

/** Nothing where there is none, or only another user's: then nothing in it is ours. */
function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder)
  } catch {
    return []
  }
}

/** Groups of this process's runs; others may be at work on the same machine. */
function leftGroups(): string[] {
  return [cgroups?.memory, cgroups?.pids, cgroups?.cpu].flatMap((folder) =>
    folder === undefined ? [] : namesIn(folder).filter((name) => name.includes(`.${process.pid}.`)),
  )
}

function leftMounts(): string[] {
  const before = new Set(mountsBefore.split('\n'))
  return readFileSync('/proc/self/mountinfo', 'utf8')
    .split('\n')
    .filter((line) => !before.has(line))
}
