import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { DetachedCommand, ExecResult, SandboxInfo } from '../../src/contract/sandboxes.ts'
import { startDaemon, type TestDaemon } from '../support/daemon.ts'

/** What goes wrong in the life of sandboxes that stay. After each, what is said must be true, and nothing may be left. */
let daemon: TestDaemon
beforeAll(async () => {
  daemon = await startDaemon()
})
afterAll(() => daemon.dispose())

interface Answer<T> {
  readonly success: boolean
  readonly data: T
  readonly code?: string
  readonly status: number
}

async function ask<T>(method: string, path: string, body?: unknown, init: RequestInit = {}): Promise<Answer<T>> {
  const reply = await daemon.fetch(path, { method, ...(body === undefined ? {} : { body: JSON.stringify(body) }), ...init })
  return { ...((await reply.json()) as Answer<T>), status: reply.status }
}
const create = (name: string, more: object = {}) => ask<SandboxInfo>('POST', '/sandboxes', { name, ...more })
const exec = (name: string, ...command: string[]) => ask<ExecResult>('POST', `/sandboxes/${name}/exec`, { command })
const remove = (name: string) => ask('DELETE', `/sandboxes/${name}`)
const statusOf = async (name: string) => (await ask<SandboxInfo>('GET', `/sandboxes/${name}`)).data.status

async function eventually(condition: () => Promise<boolean> | boolean, what: string): Promise<void> {
  for (const deadline = performance.now() + 10_000; performance.now() < deadline; await Bun.sleep(20)) if (await condition()) return
  throw new RangeError(`did not happen: ${what}`)
}

/** Processes below a sandbox's shim, the shim first. */
function processesOf(shim: number): number[] {
  const children = (pid: number): number[] =>
    readdirSync(`/proc/${pid}/task`).flatMap((task) =>
      readFileSync(`/proc/${pid}/task/${task}/children`, 'utf8')
        .split(' ')
        .filter((text) => text !== '')
        .map(Number),
    )
  const below = (pid: number): number[] => [pid, ...children(pid).flatMap(below)]
  return below(shim)
}

/** The shims of this daemon's sandboxes, from what they write of themselves. */
function shimOf(uuid: string): number {
  for (const name of readdirSync(daemon.orders.runtimeDir)) {
    try {
      const facts = JSON.parse(readFileSync(join(daemon.orders.runtimeDir, name, 'shim.json'), 'utf8')) as { pid: number; sandbox: string }
      if (facts.sandbox === uuid) return facts.pid
    } catch {
      continue
    }
  }
  throw new RangeError(`no shim for ${uuid}`)
}

const alive = (pid: number): boolean => {
  try {
    return !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'))
  } catch {
    return false
  }
}

describe('a process that is killed', () => {
  for (const which of ['shim', 'outermost process', 'process 1'] as const) {
    test(`(${which}) ends the sandbox, which says so, keeps its files and starts again`, async () => {
      const { data } = await create('victim')
      await exec('victim', 'sh', '-c', 'echo kept >/workspace/f')
      const all = processesOf(shimOf(data.uuid))
      const target = { shim: all[0]!, 'outermost process': all[1]!, 'process 1': all.at(-1)! }[which]
      process.kill(target, 'SIGKILL')
      await eventually(async () => (await statusOf('victim')) === 'stopped', 'the sandbox is stopped')
      await eventually(() => all.every((pid) => !alive(pid)), 'every process of it is gone')
      expect(await ask('POST', '/sandboxes/victim/start')).toMatchObject({ success: true })
      expect((await exec('victim', 'cat', '/workspace/f')).data.output).toBe('kept\n')
      expect(await remove('victim')).toMatchObject({ success: true })
    }, 20_000)
  }

  test('a command that runs meanwhile ends with an error, and so do those who wait for it', async () => {
    const { data } = await create('victim')
    const idle = processesOf(shimOf(data.uuid)).length
    const waiting = exec('victim', 'sleep', '60')
    await eventually(async () => processesOf(shimOf(data.uuid)).length > idle, 'the command runs')
    process.kill(shimOf(data.uuid), 'SIGKILL')
    expect(await waiting).toMatchObject({ success: false })
    await remove('victim')
  }, 20_000)
})

describe('two requests at once', () => {
  test('for one name make one sandbox', async () => {
    const replies = await Promise.all(Array.from({ length: 5 }, () => create('same')))
    expect(replies.filter(({ success }) => success).length).toBe(1)
    expect(replies.filter(({ code }) => code === 'already_exists').length).toBe(4)
    await remove('same')
  })

  test('with one idempotency key get one reply', async () => {
    const headers = { 'idempotency-key': 'key-1' }
    const replies = await Promise.all(
      Array.from({ length: 3 }, () => ask<SandboxInfo>('POST', '/sandboxes', { name: 'keyed' }, { headers })),
    )
    expect(new Set(replies.map(({ data }) => data.uuid)).size).toBe(1)
    expect(await ask('POST', '/sandboxes', { name: 'other' }, { headers })).toMatchObject({ code: 'idempotency_mismatch' })
    await remove('keyed')
  })

  test('to make and to remove leave nothing', async () => {
    for (let i = 0; i < 5; i++) {
      const making = create('fleeting')
      await Bun.sleep(i * 5)
      await eventually(async () => [200, 404].includes((await remove('fleeting')).status), 'it is removed')
      await making
      expect((await remove('fleeting')).status === 200 || (await ask('GET', '/sandboxes/fleeting')).status === 404).toBe(true)
      expect(await ask('GET', '/sandboxes/fleeting')).toMatchObject({ status: 404 })
    }
    expect(readdirSync(join(daemon.dataDir, 'sandboxes'))).toEqual([])
  }, 30_000)

  test('to stop and to start end in one state, which is true', async () => {
    await create('torn')
    await Promise.all([
      ask('POST', '/sandboxes/torn/stop'),
      ask('POST', '/sandboxes/torn/start'),
      ask('POST', '/sandboxes/torn/stop'),
      exec('torn', 'true'),
    ])
    const status = await statusOf('torn')
    expect(['running', 'stopped']).toContain(status)
    expect((await exec('torn', 'true')).success).toBe(status === 'running')
    await remove('torn')
  })
})

describe('output', () => {
  test('ends with the command although a grandchild holds the stream open', async () => {
    await create('held')
    const began = performance.now()
    const { data } = await exec('held', 'sh', '-c', 'sleep 30 & echo done')
    expect(data.output).toBe('done\n')
    expect(performance.now() - began).toBeLessThan(10_000)
    await remove('held')
  })

  test('of 100 MB whose reader stops holds up nobody else, and is whole when it goes on', async () => {
    await create('loud')
    const started = await ask<DetachedCommand>('POST', '/sandboxes/loud/exec/detach', {
      command: ['sh', '-c', 'head -c 100000000 /dev/zero; echo end >&2'],
    })
    const reply = await daemon.fetch(`/sandboxes/loud/exec/detached/${started.data.id}/output?stream=stdout&follow=true`)
    const reader = reply.body!.getReader()
    let seen = (await reader.read()).value?.length ?? 0
    expect((await exec('loud', 'echo', 'free')).data.output).toBe('free\n')
    for (let part = await reader.read(); !part.done; part = await reader.read()) seen += part.value.length
    expect(seen).toBe(100_000_000)
    await remove('loud')
  }, 30_000)

  test('that is too long for JSON says so and names where the whole is', async () => {
    await create('long')
    const { data } = await exec('long', 'head', '-c', '20000000', '/dev/zero')
    expect(data).toMatchObject({ truncated: true, exit_code: 0 })
    expect(data.stdout.length).toBe(16 * 1024 ** 2)
    const whole = await daemon.fetch(data.output_url!)
    let seen = 0
    for await (const part of whole.body!) seen += part.length
    expect(seen).toBe(20_000_000)
    await remove('long')
  }, 30_000)
})

test('a client that leaves in the middle of a command ends it', async () => {
  const { data } = await create('left')
  const idle = processesOf(shimOf(data.uuid)).length
  const leaving = new AbortController()
  const gone = daemon.fetch('/sandboxes/left/exec', {
    method: 'POST',
    body: JSON.stringify({ command: ['sh', '-c', 'trap "" HUP TERM; sleep 60 & wait; sleep 60'] }),
    signal: leaving.signal,
  })
  await eventually(async () => processesOf(shimOf(data.uuid)).length > idle + 1, 'the command runs')
  leaving.abort()
  await expect(gone).rejects.toThrow()
  await eventually(async () => processesOf(shimOf(data.uuid)).length <= idle, 'the command is gone')
  await remove('left')
}, 20_000)

describe('a daemon that comes back', () => {
  test('finds its sandboxes as they were, and commands that went on', async () => {
    const first = await startDaemon()
    const send = async (next: TestDaemon, method: string, path: string, body?: unknown) =>
      (await (await next.fetch(path, { method, ...(body === undefined ? {} : { body: JSON.stringify(body) }) })).json()) as { data: never }
    await send(first, 'POST', '/sandboxes', { name: 'kept' })
    const { data: detached } = (await send(first, 'POST', '/sandboxes/kept/exec/detach', {
      command: ['sh', '-c', 'echo before; read line </workspace/fifo || sleep 1; echo after'],
    })) as { data: DetachedCommand }
    await first.end('SIGKILL')
    const second = await startDaemon({ home: first.home })
    try {
      expect((await send(second, 'GET', '/sandboxes/kept')) as unknown).toMatchObject({ data: { status: 'running' } })
      const reply = await second.fetch(`/sandboxes/kept/exec/detached/${detached.id}/output?stream=stdout&follow=true`)
      expect(await reply.text()).toBe('before\nafter\n')
    } finally {
      await second.dispose()
    }
  }, 30_000)

  test('after a reboot does not take a stranger for a sandbox', async () => {
    const first = await startDaemon()
    await (await first.fetch('/sandboxes', { method: 'POST', body: JSON.stringify({ name: 'old' }) })).body?.cancel()
    await first.end('SIGKILL')
    // What a reboot does: every process is gone, and the numbers in the handle belong to somebody else.
    for (const name of readdirSync(first.orders.runtimeDir)) {
      try {
        const { pid } = JSON.parse(readFileSync(join(first.orders.runtimeDir, name, 'shim.json'), 'utf8')) as { pid: number }
        process.kill(pid, 'SIGKILL')
      } catch {
        continue
      }
    }
    const second = await startDaemon({ home: first.home })
    try {
      expect(await (await second.fetch('/sandboxes/old')).json()).toMatchObject({ data: { status: 'stopped' } })
    } finally {
      await second.dispose()
    }
  }, 30_000)
})

test('a sandbox whose time is up is removed without anybody asking', async () => {
  await create('brief', { ttl: '1s' })
  await eventually(async () => (await ask('GET', '/sandboxes/brief')).status === 404, 'it is gone')
})

test('a sandbox that nobody uses is stopped, then archived; recovered, it starts again', async () => {
  await create('idle', { lifecycle: { auto_stop_after_seconds: 1, auto_archive_after_seconds: 2 } })
  await eventually(async () => (await statusOf('idle')) === 'archived', 'it is archived')
  expect(await ask('POST', '/sandboxes/idle/start')).toMatchObject({ code: 'sandbox_archived' })
  expect(await ask('POST', '/sandboxes/idle/recover')).toMatchObject({ success: true })
  expect(await ask('POST', '/sandboxes/idle/start')).toMatchObject({ success: true })
  await remove('idle')
}, 20_000)
