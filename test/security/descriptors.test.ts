import { describe, expect, test } from 'bun:test'
import { chownSync, readdirSync, readFileSync, readlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { forBothCallers } from './attack.ts'
import { environmentOf, run, runCommand } from './callers.ts'
import type { World } from './world.ts'

/** A file of the caller beside the project, which the sandbox must not get more of than the caller gave. */
function makeFile(world: World, name: string, content: string): string {
  const path = join(world.dir, 'home', name)
  writeFileSync(path, content)
  chownSync(path, world.caller.uid, world.caller.uid)
  return path
}

const processes = (): string[] => readdirSync('/proc').filter((name) => /^\d+$/.test(name))

function readProc(pid: string, file: string): string {
  try {
    return readFileSync(`/proc/${pid}/${file}`, 'latin1')
  } catch {
    return ''
  }
}

/** Processes of bubblewrap and of our helper on this machine; those of others who work here too may be among them. */
function ourProcesses(): string[] {
  return processes().filter((pid) => /^(bwrap|agentkernel-gue|init)/.test(readProc(pid, 'comm')) && pid !== '1')
}

/** Waits until something of the sandbox shows, for as long as the test may take. */
async function until<T>(look: () => T | undefined): Promise<T> {
  for (;;) {
    const found = look()
    if (found !== undefined) return found
    await Bun.sleep(2)
  }
}

describe('descriptors and what the host can see', () => {
  forBothCallers('descriptors', (world) => {
    test('S22 only the three streams are open in the command', async () => {
      const leak = makeFile(world(), 'open-elsewhere', 'CANARY')
      const { stdout } = await run(world(), ['/bin/sh', '-c', 'for fd in /proc/self/fd/*; do readlink "$fd"; done; cat <&9'], {
        wrapper: `exec 9< ${leak} 8</ 7>>${leak}; exec "$@"`,
      })
      const targets = stdout
        .trim()
        .split('\n')
        .filter((line) => !/^(pipe:\[\d+\]|\/dev\/null)$/.test(line))
      // The shell's own look at the folder may show as one more.
      expect(targets.filter((line) => !/^\/proc\/\d+\/fd$/.test(line))).toEqual([])
      expect(stdout).not.toContain('CANARY')
    })

    test('S22 a folder as standard input opens nothing of the host', async () => {
      const { stdout } = await run(
        world(),
        ['/bin/sh', '-c', 'ls /proc/self/fd/0/etc; cat /proc/self/fd/0/etc/passwd; cat <&0; echo end'],
        { wrapper: 'exec "$@" < /' },
      )
      expect(stdout).toBe('end\n')
    })

    test('S22 a file as standard output cannot be read back', async () => {
      const path = makeFile(world(), 'log', 'CANARY of earlier\n')
      const script = 'cat /proc/self/fd/1 >&2 & sleep 0.2; kill $! 2>/dev/null; readlink /proc/self/fd/1 >&2; echo written'
      const { stderr } = await run(world(), ['/bin/sh', '-c', script], { wrapper: `exec "$@" >> ${path}` })
      expect(stderr).not.toContain('CANARY')
      expect(stderr).not.toContain(path)
      expect(readFileSync(path, 'utf8')).toBe('CANARY of earlier\nwritten\n')
    })

    test('S22 a file as standard error cannot be truncated or written elsewhere', async () => {
      const path = makeFile(world(), 'errors', 'before\n')
      const script =
        'import os\nos.write(2, b"after\\n")\ntry:\n  os.ftruncate(2, 0)\nexcept OSError: pass\ntry:\n  os.lseek(2, 0, 0)\nexcept OSError: pass\nos.write(2, b"end\\n")'
      await run(world(), ['/usr/bin/python3', '-c', script], { flags: ['-q'], wrapper: `exec "$@" 2>> ${path}` })
      expect(readFileSync(path, 'utf8')).toBe('before\nafter\nend\n')
    })

    test('S22 a file as standard input cannot be written', async () => {
      const path = makeFile(world(), 'input', 'original\n')
      const script = '(echo changed > /proc/self/fd/0) & sleep 0.2; kill $! 2>/dev/null; readlink /proc/self/fd/0; head -n 1'
      const { stdout } = await run(world(), ['timeout', '-s', 'KILL', '5', '/bin/sh', '-c', script], { wrapper: `exec "$@" < ${path}` })
      expect(stdout).not.toContain(path)
      expect(readFileSync(path, 'utf8')).toBe('original\n')
    })

    test('S23 no value of -e shows in the arguments or environments of our processes on the host', async () => {
      const command = runCommand(world(), ['sleep', '60'], { flags: ['-e', 'TOKEN=CANARY-given-with-e'] })
      const env = environmentOf(world(), 'CANARY-of-the-environment')
      const child = Bun.spawn(command, { cwd: world().project, env, stdin: 'ignore', stdout: 'ignore', stderr: 'ignore' })
      try {
        await until(() =>
          processes().find(
            (pid) => readProc(pid, 'environ').includes('CANARY-given-with-e') && readProc(pid, 'cmdline').startsWith('sleep'),
          ),
        )
        const told = ourProcesses().filter((pid) => /CANARY-(given|of-the)/.test(readProc(pid, 'cmdline') + readProc(pid, 'environ')))
        expect(told).toEqual([])
      } finally {
        child.kill()
        await child.exited
      }
    })

    test('S24 the command is not root on the host', async () => {
      const marker = `${100_000 + Math.floor(Math.random() * 1e6)}`
      const child = Bun.spawn(runCommand(world(), ['sleep', marker]), {
        cwd: world().project,
        env: environmentOf(world(), 'x'),
        stdin: 'ignore',
        stdout: 'ignore',
        stderr: 'ignore',
      })
      try {
        const pid = await until(() => processes().find((name) => readProc(name, 'cmdline') === `sleep\0${marker}\0`))
        const ids = /^Uid:\t(.*)$/m.exec(readProc(pid, 'status'))?.[1]?.split('\t').map(Number) ?? []
        const groups = /^Groups:\t(.*)$/m.exec(readProc(pid, 'status'))?.[1]?.trim()
        if (world().caller.uid === 0) {
          expect(Math.min(...ids)).toBeGreaterThanOrEqual(100_000)
          expect(groups).toBe('')
        } else expect(new Set(ids)).toEqual(new Set([world().caller.uid]))
        const namespaces = ['user', 'mnt', 'pid', 'net', 'ipc', 'uts', 'cgroup'].map((name) => [
          name,
          link(pid, name) === link('self', name),
        ])
        expect(namespaces.filter(([, same]) => same)).toEqual([])
      } finally {
        child.kill()
        await child.exited
      }
    })
  })
})

function link(pid: string, namespace: string): string {
  return readlinkSync(`/proc/${pid}/ns/${namespace}`)
}
