import { afterEach, describe, expect, test } from 'bun:test'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { crashPoints } from '../../src/engine/sandboxes/steps.ts'
import type { SandboxInfo } from '../../src/contract/sandboxes.ts'
import { startDaemon, type TestDaemon } from '../support/daemon.ts'

/**
 * Kills the daemon at every point of a sandbox's life that the step list names, and looks at what the next daemon makes of it. A new
 * step is walked as soon as it is in the list.
 */
let daemon: TestDaemon | undefined
afterEach(async () => {
  await daemon?.dispose()
  daemon = undefined
})

/** One life: made, used, stopped, started, removed. The daemon dies somewhere in it. */
async function live({ fetch: ask }: TestDaemon): Promise<void> {
  const post = async (path: string, body: unknown = {}): Promise<void> => {
    const reply = await ask(path, { method: 'POST', body: JSON.stringify(body) })
    expect(await reply.json()).toMatchObject({ success: true })
  }
  await post('/sandboxes', { name: 'walked' })
  await post('/sandboxes/walked/exec', { command: ['sh', '-c', 'echo kept >/workspace/file'] })
  await post('/sandboxes/walked/stop')
  await post('/sandboxes/walked/start')
  await ask('/sandboxes/walked', { method: 'DELETE' })
}

async function listed({ fetch: ask }: TestDaemon): Promise<SandboxInfo[]> {
  return ((await (await ask('/sandboxes')).json()) as { data: SandboxInfo[] }).data
}

/** Whatever of a daemon's sandboxes is still there: processes, sockets, folders, control groups. */
function leftOf({ home, dataDir, orders }: TestDaemon, ids: readonly string[]): string[] {
  const processes = readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid)
    .filter((pid) => commandLine(pid).includes(home) && !commandLine(pid).includes('__daemon'))
    .map((pid) => `process ${pid}: ${commandLine(pid)}`)
  const sockets = existsSync(orders.runtimeDir) ? readdirSync(orders.runtimeDir).filter((name) => !name.startsWith('daemon-')) : []
  const folder = join(dataDir, 'sandboxes')
  const folders = existsSync(folder) ? readdirSync(folder) : []
  const mounts = readFileSync('/proc/self/mountinfo', 'utf8')
    .split('\n')
    .filter((line) => line.includes(home))
  return [...processes, ...sockets, ...folders, ...mounts, ...groupsOf(ids)]
}

function commandLine(pid: string): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ')
  } catch {
    return ''
  }
}

function groupsOf(ids: readonly string[]): string[] {
  return ['/sys/fs/cgroup/memory/agentkernel', '/sys/fs/cgroup/pids/agentkernel', '/sys/fs/cgroup/agentkernel']
    .filter((root) => existsSync(root))
    .flatMap((root) => readdirSync(root).filter((name) => ids.some((id) => name.includes(id))))
}

describe('a daemon that is killed', () => {
  for (const point of crashPoints()) {
    test(`at ${point} leaves nothing that the next one cannot put right`, async () => {
      const first = await startDaemon({ built: true, crashAt: point })
      daemon = first
      await expect(live(first)).rejects.toThrow()
      // The sandbox that runs has its shim start a daemon; where none runs, we do.
      await first.end('SIGKILL')
      const next = await startDaemon({ built: true, home: first.home, takeOver: true })
      daemon = next
      const ids = (await listed(next)).map(({ uuid }) => uuid)
      for (const { name, status } of await listed(next)) {
        expect(['running', 'stopped']).toContain(status)
        if (status === 'stopped') await (await next.fetch(`/sandboxes/${name}/start`, { method: 'POST' })).body?.cancel()
        const reply = await next.fetch(`/sandboxes/${name}/exec`, { method: 'POST', body: JSON.stringify({ command: ['echo', 'alive'] }) })
        expect(await reply.json()).toMatchObject({ data: { output: 'alive\n' } })
        expect(await (await next.fetch(`/sandboxes/${name}`, { method: 'DELETE' })).json()).toMatchObject({ success: true })
      }
      expect(await listed(next)).toEqual([])
      expect(leftOf(next, ids)).toEqual([])
    }, 30_000)
  }
})
