import { afterAll, describe, expect, test } from 'bun:test'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { compileSeccomp, compileSeccompFile } from '../../policy/seccomp/compile.ts'
import { SECCOMP_PROFILE_NAMES } from '../../policy/seccomp/profiles.ts'
import { seccompProgram } from './seccomp-program.ts'

const base = mkdtempSync(join(tmpdir(), 'seccomp-program-'))
afterAll(() => rmSync(base, { recursive: true, force: true }))

function file(name: string, text: string): string {
  const path = join(base, name)
  writeFileSync(path, text)
  return path
}

const FILE = JSON.stringify({
  defaultAction: 'SCMP_ACT_ERRNO',
  syscalls: [{ names: ['read', 'write', 'exit_group'], action: 'SCMP_ACT_ALLOW' }],
})

describe('the filter program', () => {
  test.each([...SECCOMP_PROFILE_NAMES])('of the built-in profile %s is the one that its lists compile to', async (name) => {
    for (const arch of ['x64', 'arm64'] as const) {
      const program = Buffer.from(await seccompProgram(name, arch), 'base64')
      expect(program.equals(compileSeccomp(name, arch))).toBe(true)
      expect(program.length % 8).toBe(0)
      expect(program.length).toBeGreaterThan(80)
    }
  })

  test('lets a sandbox with a network make internet sockets, whatever the profile', async () => {
    for (const name of SECCOMP_PROFILE_NAMES) {
      const program = Buffer.from(await seccompProgram(name, 'x64', true), 'base64')
      expect(program.equals(compileSeccomp(name, 'x64', { inet: true }))).toBe(true)
    }
  })

  test('of a file is what the file says, for the architecture', async () => {
    const path = file('good.json', FILE)
    const [x64, arm64] = await Promise.all([seccompProgram(path, 'x64'), seccompProgram(path, 'arm64')])
    expect(Buffer.from(x64, 'base64').equals(compileSeccompFile(FILE, path, 'x64'))).toBe(true)
    expect(x64).not.toBe(arm64)
  })

  test.each([join(base, 'missing.json'), base, '/proc/self/mem', 'toString', '__proto__', ''])(
    'of %j, which cannot be read, is refused',
    async (path) => {
      await expect(seccompProgram(path, 'x64')).rejects.toMatchObject({ code: 'config_invalid', message: expect.stringContaining(path) })
    },
  )

  test.each(['', '{', '[]', '{"defaultAction":"SCMP_ACT_SOMETHING"}', '{"defaultAction":"SCMP_ACT_ALLOW","syscalls":7}'])(
    'of a file with %j is refused with its path',
    async (text) => {
      const path = file('bad.json', text)
      await expect(seccompProgram(path, 'x64')).rejects.toMatchObject({ code: 'config_invalid', message: expect.stringContaining(path) })
    },
  )
})
