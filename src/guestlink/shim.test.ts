import { describe, expect, test } from 'bun:test'
import { failure } from '../../test/support/guest-peer.ts'
import { startShim } from '../../test/support/shim-process.ts'
import type { ExecOpen } from '../contract/guest-protocol.ts'
import type { ExecChunk } from '../contract/sandbox-operations.ts'
import { GuestPool } from './guest-pool.ts'

/** The real shim, with an agent on this machine: what outlives a connection. */
const shell = (id: string, script: string, more: Partial<ExecOpen> = {}): ExecOpen => ({
  op: 'exec',
  id,
  argv: ['/bin/sh', '-c', script],
  env: ['PATH=/usr/bin:/bin'],
  cwd: '/',
  ...more,
})

async function textOf(chunks: AsyncIterable<ExecChunk>): Promise<string> {
  let text = ''
  for await (const chunk of chunks) text += 'gap' in chunk ? `<gap ${chunk.offset}>` : Buffer.from(chunk.bytes).toString()
  return text
}

describe('a command that a shim keeps', () => {
  test('can be read again, from any offset, and is listed with its end', async () => {
    await using shim = await startShim()
    const guest = await shim.connect()
    const exec = guest.exec(shell('a', 'printf 0123456789; printf oops >&2; exit 7'))
    expect((await textOf(exec.output)).length).toBe(14)
    const end = await exec.result
    expect(end).toMatchObject({ ended: 'exited', status: 7 })
    const again = guest.attach({ op: 'attach', id: 'a', stdout: 4, stderr: 4 })
    expect(await textOf(again.output)).toBe('456789')
    expect(await again.result).toEqual(end)
    expect(await again.started).toBe(await exec.started)
    expect(await guest.execList()).toEqual([
      expect.objectContaining({ id: 'a', running: false, result: end, stdout: { start: 0, end: 10 }, stderr: { start: 0, end: 4 } }),
    ])
    await guest.execRemove('a')
    expect(await guest.execList()).toEqual([])
    expect(await failure(guest.attach({ op: 'attach', id: 'a' }).started)).toBe('exec_not_found')
    expect(await failure(guest.execSignal('a', 9))).toBe('exec_not_found')
    await guest.connection.bye()
  })

  test('goes on when its connection is lost, and is found by the next one', async () => {
    await using shim = await startShim()
    const pool = new GuestPool({ role: 'client', version: '0.0.0-test' })
    const first = await pool.get(shim.socketPath)
    const exec = first.exec(shell('a', 'echo one; read line; echo "two $line"', { stdin: true }))
    for await (const _ of exec.output) break
    await pool.drop(shim.socketPath)
    expect(await failure(exec.result)).toBe('sandbox_lost')
    const second = await pool.get(shim.socketPath)
    expect(second).not.toBe(first)
    const visit = second.attach({ op: 'attach', id: 'a', stdout: 4, stdin: true })
    await visit.write(Buffer.from('three\n'))
    expect(await textOf(visit.output)).toBe('two three\n')
    expect(await visit.result).toMatchObject({ ended: 'exited', status: 0 })
    await pool.close()
  })

  test('goes on when it was detached and is left, and a look at its log does not wait for it', async () => {
    await using shim = await startShim()
    const guest = await shim.connect()
    const exec = guest.exec(shell('a', 'echo begun; exec sleep 1000', { detach: true }))
    for await (const _ of exec.output) break
    exec.cancel()
    expect(await failure(exec.result)).toBe('canceled')
    const log = guest.attach({ op: 'attach', id: 'a', follow: false })
    expect(await textOf(log.output)).toBe('begun\n')
    expect(await log.result).toBeUndefined()
    expect(await guest.execList()).toEqual([expect.objectContaining({ id: 'a', running: true, detach: true })])
    const visit = guest.attach({ op: 'attach', id: 'a' })
    await visit.started
    visit.cancel()
    expect(await failure(visit.result)).toBe('canceled')
    await guest.execSignal('a', 9)
    expect(await guest.attach({ op: 'attach', id: 'a' }).result).toMatchObject({ ended: 'signaled', signal: 9 })
    await guest.connection.bye()
  })

  test('has an id of its own', async () => {
    await using shim = await startShim()
    const guest = await shim.connect()
    await guest.exec(shell('a', 'true')).result
    expect(await failure(guest.exec(shell('a', 'true')).started)).toBe('already_exists')
    expect(await failure(guest.exec(shell('no good', 'true')).started)).toBe('invalid_argument')
    await guest.connection.bye()
  })

  test('is one of hundreds that a list holds', async () => {
    await using shim = await startShim()
    const guest = await shim.connect()
    const long = 'x'.repeat(3_000)
    await Promise.all(Array.from({ length: 100 }, (_, index) => guest.exec(shell(`c${index}`, `true ${long}`)).result))
    const list = await guest.execList()
    expect(list.map(({ id }) => id).toSorted()).toEqual(Array.from({ length: 100 }, (_, index) => `c${index}`).toSorted())
    await guest.connection.bye()
  })
})

test('the end of a sandbox is a lost connection', async () => {
  await using shim = await startShim()
  const pool = new GuestPool({ role: 'client', version: '0.0.0-test' })
  const lost = Promise.withResolvers<string>()
  pool.onLost(shim.socketPath, (error) => lost.resolve(error.code))
  const guest = await pool.get(shim.socketPath)
  const exec = guest.exec(shell('a', 'exec sleep 1000'))
  await exec.started
  await guest.shutdown(1_000)
  expect(await lost.promise).toBe('sandbox_lost')
  expect(await failure(pool.get(shim.socketPath))).toBe('sandbox_lost')
  await pool.close()
})
