import { afterEach, beforeEach, describe, expect, test } from 'bun:test'
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, realpathSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { makeView } from '../../../test/conformance/make-spec.ts'
import { refusal } from '../../../test/conformance/sandbox-kit.ts'
import { removeTree } from '../../lib/remove-tree.ts'
import { copyProject, endProcess, removeFolder } from './keep-helper.ts'
import { identityOf, isAlive } from './process.ts'

const helper = join(import.meta.dir, '../../../build/agentkernel-guest')
const missing = existsSync(helper) ? '' : ' (needs the helper to be built)'
const owner = { uid: process.getuid?.() ?? 0, gid: process.getgid?.() ?? 0 }
const { signal } = new AbortController()

let base: string
beforeEach(() => {
  base = realpathSync(mkdtempSync(join(tmpdir(), 'keep-helper-')))
  mkdirSync(join(base, 'project'))
  writeFileSync(join(base, 'project/a.txt'), 'a\n')
  writeFileSync(join(base, 'project/.env'), 'hush\n')
})
afterEach(() => removeTree(base))

describe.skipIf(missing !== '')(`work of the helper${missing}`, () => {
  test('copies a project without what is hidden', async () => {
    const view = makeView(join(base, 'project'), 'copy', { hidden: ['.env'] })
    await copyProject(helper, view, join(base, 'copy'), owner, signal)
    expect(readFileSync(join(base, 'copy/a.txt'), 'utf8')).toBe('a\n')
    expect(existsSync(join(base, 'copy/.env'))).toBe(false)
  })

  test('copies a project with ten thousand hidden files', async () => {
    // The orders are longer than a pipe holds.
    const hidden = Array.from({ length: 10_000 }, (_, i) => `folder/with/a/long/name/secret-${i}.env`)
    await copyProject(helper, makeView(join(base, 'project'), 'copy', { hidden }), join(base, 'copy'), owner, signal)
    expect(existsSync(join(base, 'copy/a.txt'))).toBe(true)
  })

  test('fails when there is nothing to copy, or already something where the copy should be', async () => {
    for (const [source, target] of [
      ['none', 'copy'],
      ['project', 'project'],
    ] as const) {
      const code = await refusal(() => copyProject(helper, makeView(join(base, source), 'copy'), join(base, target), owner, signal))
      expect(code).toBe('sandbox_start_failed')
    }
  })

  test('removes a folder, also one that is gone', async () => {
    mkdirSync(join(base, 'project/locked'), { mode: 0 })
    for (let i = 0; i < 2; i++) {
      await removeFolder(helper, join(base, 'project'), signal)
      expect(existsSync(join(base, 'project'))).toBe(false)
    }
  })

  test('that is given up is canceled, and nobody works on it any more', async () => {
    expect(await refusal(() => removeFolder(helper, join(base, 'project'), AbortSignal.abort()))).toBe('canceled')
    expect(existsSync(join(base, 'project/a.txt'))).toBe(true)
    const slow = join(base, 'slow')
    writeFileSync(slow, `#!/bin/sh\nexec sleep 1000\n`)
    chmodSync(slow, 0o755)
    const giveUp = new AbortController()
    const removing = refusal(() => removeFolder(slow, join(base, 'project'), giveUp.signal))
    giveUp.abort()
    expect(await removing).toBe('canceled')
  })

  test('ends one process', async () => {
    const child = Bun.spawn(['sleep', '1000'])
    const who = identityOf(child.pid)!
    await endProcess(helper, { ...who, start_time: '1' }, 0)
    expect(isAlive(who)).toBe(true)
    await endProcess(helper, who, 5_000)
    await child.exited
    expect(child.signalCode).toBe('SIGTERM')
  })
})

test('without the helper is an unusable backend', async () => {
  expect(await refusal(() => removeFolder(join(base, 'nothing'), join(base, 'project'), signal))).toBe('backend_unavailable')
})
