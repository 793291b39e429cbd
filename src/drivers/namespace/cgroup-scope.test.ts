import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, test } from 'bun:test'
import { hasUserManager, needsScope, scopeFailure, scopeRoots } from './cgroup-scope.ts'

const base = mkdtempSync(join(tmpdir(), 'scope-test-'))
afterAll(() => rmSync(base, { recursive: true, force: true }))

/** A program in the helper's place: what the real one says depends on the machine's systemd. Its own tests are in Go. */
function helper(name: string, script: string): string {
  const path = join(base, name)
  writeFileSync(path, `#!/bin/sh\n${script}\n`, { mode: 0o755 })
  return path
}

const folder = join(base, 'agentkernel.scope')
const refusing = helper('refusing', 'echo "systemd refused the scope: not today" >&2; exit 1')
const making = helper('making', `[ "$*" = scope ] && mkdir -p '${folder}/launch' '${folder}/runs'`)

describe("the user's systemd", () => {
  test('is there when the manager or the bus has a socket', () => {
    const runtimeDir = join(base, 'run')
    const scope = { uid: 1000, helperPath: making, runtimeDir }
    mkdirSync(runtimeDir)
    expect(hasUserManager(scope)).toBe(false)
    writeFileSync(join(runtimeDir, 'bus'), '')
    expect(hasUserManager(scope)).toBe(true)
  })

  test('is not asked for root', () => {
    mkdirSync(join(base, 'root/systemd'), { recursive: true })
    writeFileSync(join(base, 'root/systemd/private'), '')
    expect(hasUserManager({ uid: 0, helperPath: making, runtimeDir: join(base, 'root') })).toBe(false)
  })

  test('is asked when only the top of a version 2 tree is left', () => {
    const top = '/sys/fs/cgroup/agentkernel'
    expect(needsScope({ version: 2, memory: top })).toBe(true)
    expect(needsScope({ version: 2, memory: '/sys/fs/cgroup/user.slice/user-1.slice/user@1.service/agentkernel' })).toBe(false)
    expect(needsScope({ version: 1, memory: '/sys/fs/cgroup/memory/agentkernel' })).toBe(false)
    expect(needsScope(undefined)).toBe(false)
  })
})

describe('the scope', () => {
  const roots = { version: 2, memory: `${folder}/runs`, pids: `${folder}/runs`, cpu: `${folder}/runs`, joinMayFail: true } as const

  test('that is refused is no place for groups, and the reason can be told', () => {
    const scope = { uid: 1000, helperPath: refusing, folder }
    expect(scopeRoots(scope)).toBeUndefined()
    expect(scopeFailure(scope)).toBe('systemd refused the scope: not today')
  })

  test('is made by the helper', () => {
    expect(scopeRoots({ uid: 1000, helperPath: making, folder })).toEqual(roots)
  })

  test('that is there is used without asking', () => {
    expect(scopeRoots({ uid: 1000, helperPath: refusing, folder })).toEqual(roots)
  })

  test('without a helper fails with a reason', () => {
    expect(scopeFailure({ uid: 1000, helperPath: join(base, 'nothing'), folder })).toContain('does not exist')
  })
})
