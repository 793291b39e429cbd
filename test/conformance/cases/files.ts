import { access } from 'node:fs/promises'
import { expect } from 'bun:test'
import type { ConformanceCase } from '../kit.ts'

const MIB = 1024 ** 2

/** The root file system and /tmp. */
export const fileCases: readonly ConformanceCase[] = [
  {
    name: 'a read-only root refuses every write outside /tmp',
    run: async ({ sh }) => {
      const script = `for d in / /usr /usr/bin /etc /bin /lib /var /opt; do (: > $d/.conformance) 2>/dev/null && echo "wrote $d" && rm $d/.conformance; done; : > /tmp/x && echo tmp`
      expect(await sh(script, { permissions: { readOnlyRoot: true } })).toBe('tmp\n')
    },
  },
  {
    name: 'a root that is not read-only can be written without changing the host',
    run: async ({ sh }) => {
      const name = `/conformance-${crypto.randomUUID()}`
      await sh(`echo x > ${name} 2>/dev/null; echo x > /usr${name} 2>/dev/null; true`)
      for (const path of [name, `/usr${name}`]) await expect(access(path)).rejects.toThrow()
    },
  },
  {
    name: '/tmp is private, empty and writable',
    run: async ({ sh, tempDir }) => {
      // On the host this folder is in /tmp, or wherever the host keeps its temporary files.
      const folder = await tempDir()
      expect(await sh(`ls -A /tmp; echo x > /tmp/mine; test -e ${folder} || echo hidden`)).toBe('hidden\n')
      expect(await sh('ls -A /tmp')).toBe('')
    },
  },
  {
    name: '/tmp holds no more than its limit',
    run: async ({ sh }) => {
      const fill = (bytes: number): string => `head -c ${bytes} /dev/zero > /tmp/fill 2>/dev/null; wc -c < /tmp/fill`
      const permissions = { tmpBytes: 4 * MIB }
      expect(Number(await sh(fill(16 * MIB), { permissions }))).toBeLessThanOrEqual(4 * MIB)
      expect(Number(await sh(fill(2 * MIB), { permissions }))).toBe(2 * MIB)
    },
  },
  {
    name: 'a program can be started from /tmp when the permissions say so',
    run: async ({ sh }) => expect(await sh(FROM_TMP, { permissions: { tmpExec: true } })).toBe('ran\nstatus 0\n'),
  },
  {
    name: 'no program can be started from /tmp when it is noexec',
    run: async ({ sh }) => expect(await sh(FROM_TMP, { permissions: { tmpExec: false } })).toBe('status 126\n'),
  },
]

const FROM_TMP = `printf '#!/bin/sh\\necho ran\\n' > /tmp/program; chmod +x /tmp/program; /tmp/program 2>/dev/null; echo "status $?"`
