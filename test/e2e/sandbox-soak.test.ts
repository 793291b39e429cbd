import { afterAll, beforeAll, expect, test } from 'bun:test'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { startDaemon, type TestDaemon } from '../support/daemon.ts'

/** Rounds of a whole life. `AGENTKERNEL_SOAK=1000` makes it long; CI has the short one. */
const ROUNDS = Number(process.env['AGENTKERNEL_SOAK'] ?? '25')
const AT_ONCE = 5
/** What a process of the daemon's kind may take and give back meanwhile. */
const TOLERATED_DESCRIPTORS = 8

let daemon: TestDaemon
beforeAll(async () => {
  daemon = await startDaemon()
})
afterAll(() => daemon.dispose())

async function ask(method: string, path: string, body?: object): Promise<unknown> {
  const reply = await daemon.fetch(path, { method, ...(body === undefined ? {} : { body: JSON.stringify(body) }) })
  const answer = (await reply.json()) as { success: boolean; error?: string; data: unknown }
  expect(answer).toMatchObject({ success: true })
  return answer.data
}

async function life(name: string): Promise<void> {
  await ask('POST', '/sandboxes', { name })
  await Promise.all(
    [1, 2, 3].map((n) => ask('POST', `/sandboxes/${name}/exec`, { command: ['sh', '-c', `echo ${n}; head -c 300000 /dev/zero`] })),
  )
  await ask('POST', `/sandboxes/${name}/exec/detach`, { command: ['sleep', '60'] })
  await ask('PUT', `/sandboxes/${name}/files/workspace/f`, { content: 'x' })
  await ask('POST', `/sandboxes/${name}/stop`)
  await ask('POST', `/sandboxes/${name}/start`)
  await ask('GET', `/sandboxes/${name}/files/workspace/f`)
  await ask('DELETE', `/sandboxes/${name}`)
}

/** What a daemon holds: descriptors, children, and what is on disk of its sandboxes. */
function held(): { descriptors: number; children: number; folders: string[]; sockets: string[]; mounts: number } {
  return {
    descriptors: readdirSync(`/proc/${daemon.pid}/fd`).length,
    children: readFileSync(`/proc/${daemon.pid}/task/${daemon.pid}/children`, 'utf8').split(' ').filter(Boolean).length,
    folders: readdirSync(join(daemon.dataDir, 'sandboxes')),
    sockets: readdirSync(daemon.orders.runtimeDir).filter((name) => !name.startsWith('daemon-')),
    mounts: readFileSync('/proc/self/mountinfo', 'utf8').split('\n').length,
  }
}

test(
  `${ROUNDS} lives of sandboxes leave a daemon that holds no more than before`,
  async () => {
    // As many at once as later: the connections of the client are the daemon's descriptors too.
    await Promise.all(Array.from({ length: AT_ONCE }, (_, i) => life(`first-${i}`)))
    const before = held()
    for (let round = 0; round < ROUNDS; round += AT_ONCE) {
      await Promise.all(Array.from({ length: Math.min(AT_ONCE, ROUNDS - round) }, (_, i) => life(`soak-${round + i}`)))
    }
    const after = held()
    expect(after.folders).toEqual([])
    expect(after.sockets).toEqual([])
    expect(after.children).toBe(before.children)
    expect(after.mounts).toBe(before.mounts)
    expect(after.descriptors).toBeLessThanOrEqual(before.descriptors + TOLERATED_DESCRIPTORS)
  },
  60_000 + ROUNDS * 2_000,
)
