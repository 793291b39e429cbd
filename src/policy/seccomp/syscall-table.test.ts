import { describe, expect, test } from 'bun:test'
import { existsSync, readFileSync } from 'node:fs'
import { SECCOMP_PROFILE_NAMES, seccompProfile } from './profiles.ts'
import { syscallTable } from './syscall-table.ts'

/** Numbers of a header that says `#define __NR_name 12`. */
function headerNumbers(path: string): Map<string, number> {
  const found = readFileSync(path, 'utf8').matchAll(/^#define __NR_(\w+) (\d+)$/gm)
  return new Map(Array.from(found, (match) => [match[1] ?? '', Number(match[2])]))
}

/** Found on machines with the C library's development files. */
const HEADERS = {
  x64: ['/usr/include/x86_64-linux-gnu/asm/unistd_64.h', '/usr/include/asm/unistd_64.h'].find((path) => existsSync(path)),
  arm64: ['/usr/include/asm-generic/unistd.h'].find((path) => existsSync(path)),
}
/** Names of the shared header that 64-bit machines do not have, beside the numbers 403 to 423. */
const ELSEWHERE = new Set(['syscalls', 'arch_specific_syscall', 'sync_file_range2'])
const isOurs = (name: string, number: number): boolean => !ELSEWHERE.has(name) && !(number >= 403 && number <= 423)

describe.each(['x64', 'arm64'] as const)('the system calls of %s', (arch) => {
  const table = syscallTable(arch)

  test('have numbers of their own', () => {
    expect(new Set(table.values()).size).toBe(table.size)
    expect([...table.keys()].filter((name) => !/^[a-z_][a-z0-9_]*$/.test(name))).toEqual([])
  })

  test.skipIf(HEADERS[arch] === undefined)('are those of the kernel headers on this machine', () => {
    const header = headerNumbers(HEADERS[arch] ?? '')
    const ours = new Map([...table].filter(([name]) => header.has(name)))
    const newest = Math.max(...table.values())
    // A header may be newer than our tables.
    const theirs = new Map([...header].filter(([name, number]) => isOurs(name, number) && number <= newest))
    expect(theirs.size).toBeGreaterThan(250)
    expect(ours).toEqual(theirs)
  })

  test('have the same numbers on both machines since number 424', () => {
    const recent = (all: ReadonlyMap<string, number>) => new Map([...all].filter(([, number]) => number >= 424))
    expect(recent(table)).toEqual(recent(syscallTable('x64')))
    expect(recent(table).get('pidfd_send_signal')).toBe(424)
    expect(recent(table).get('mseal')).toBe(462)
    expect(recent(table).get('listns')).toBe(470)
  })
})

test.each([...SECCOMP_PROFILE_NAMES])('profile %s lists only calls that one of the machines has, each once', (name) => {
  const { allow, inspect } = seccompProfile(name, true)
  const listed = [...allow, ...Object.keys(inspect)].filter((word) => word !== '')
  const known = new Set([...syscallTable('x64').keys(), ...syscallTable('arm64').keys()])
  expect(listed.filter((call) => !known.has(call))).toEqual([])
  expect(listed.filter((call, i) => listed.indexOf(call) !== i)).toEqual([])
})
