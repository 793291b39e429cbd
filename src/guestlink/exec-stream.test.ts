import { describe, expect, test } from 'bun:test'
import { failure, type PeerLink, visit } from '../../test/support/guest-peer.ts'
import type { ExecChunk } from '../contract/sandbox-operations.ts'
import { FRAME, INITIAL_CREDIT_BYTES, MAX_DATA_BYTES } from '../contract/guest-protocol.ts'
import { decodeNumber } from './frame.ts'

const open = { op: 'exec', id: 'a', argv: ['sh', '-c', 'x'], env: ['A=1'], cwd: '/w' } as const
const exited = { ended: 'exited', status: 0, duration_ms: 5 } as const

/** The peer begins what was asked for last; resolves with the stream. */
async function start(link: PeerLink): Promise<number> {
  const { stream } = await link.expect(FRAME.open)
  link.json(FRAME.event, stream, { event: 'started', pid: 42 })
  return stream
}

async function textOf(chunks: AsyncIterable<ExecChunk>): Promise<string[]> {
  const seen: string[] = []
  for await (const chunk of chunks) {
    seen.push('gap' in chunk ? `${chunk.channel} gap ${chunk.offset}` : `${chunk.channel} ${Buffer.from(chunk.bytes).toString()}`)
  }
  return seen
}

describe('a command', () => {
  test('is asked for as it is, and gives its pid, its output and its end', async () => {
    await using at = await visit()
    const exec = at.guest.exec(open)
    const { stream, body } = await at.link.expectJson(FRAME.open)
    expect(body).toEqual({ ...open, argv: [...open.argv], env: [...open.env] })
    at.link.json(FRAME.event, stream, { event: 'started', pid: 42 })
    at.link.data(stream, 1, 'out')
    at.link.data(stream, 2, 'err')
    at.link.send(FRAME.eof, stream, Uint8Array.of(1))
    at.link.send(FRAME.eof, stream, Uint8Array.of(2))
    at.link.json(FRAME.end, stream, { ...exited, max_rss: 4096 })
    expect(await exec.started).toBe(42)
    expect(await textOf(exec.output)).toEqual(['stdout out', 'stderr err'])
    expect(await exec.result).toEqual({ ...exited, max_rss: 4096 })
  })

  test('that cannot be started fails all that waits for it', async () => {
    await using at = await visit()
    const exec = at.guest.exec(open)
    const { stream } = await at.link.expect(FRAME.open)
    at.link.json(FRAME.error, stream, { code: 'command_not_found', message: 'sh: not found' })
    expect(await Promise.all([exec.started, exec.result, textOf(exec.output)].map(failure))).toEqual(Array(3).fill('command_not_found'))
  })

  test('gets its stdin as its credit allows, then the end of it', async () => {
    await using at = await visit()
    const exec = at.guest.exec({ ...open, stdin: true })
    const stream = await start(at.link)
    const size = INITIAL_CREDIT_BYTES + 10
    const written = exec.write(new Uint8Array(size).fill(7))
    exec.closeStdin()
    for (let frame = 0; frame < INITIAL_CREDIT_BYTES / MAX_DATA_BYTES; frame++) await at.link.expect(FRAME.data)
    const ping = at.guest.connection.ping()
    at.link.send(FRAME.pong, 0, (await at.link.expect(FRAME.ping)).bytes)
    await ping
    expect(at.link.dataBytes).toBe(INITIAL_CREDIT_BYTES)
    at.link.send(FRAME.credit, stream, Uint8Array.of(100, 0, 0, 0))
    await written
    expect((await at.link.expect(FRAME.data)).bytes).toHaveLength(10)
    expect((await at.link.expect(FRAME.eof)).channel).toBe(0)
  })

  test('that was opened without stdin has none', async () => {
    await using at = await visit()
    const exec = at.guest.exec(open)
    await start(at.link)
    expect(await failure(exec.write(new Uint8Array(1)))).toBe('invalid_argument')
    exec.closeStdin()
    exec.resize(80, 24)
    expect((await at.link.expectJson(FRAME.event)).body).toEqual({ event: 'resize', cols: 80, rows: 24 })
  })

  test('is signalled at once, though it does not read its stdin', async () => {
    await using at = await visit()
    const exec = at.guest.exec({ ...open, stdin: true })
    const stream = await start(at.link)
    const written = exec.write(new Uint8Array(2 * INITIAL_CREDIT_BYTES))
    for (let frame = 0; frame < INITIAL_CREDIT_BYTES / MAX_DATA_BYTES; frame++) await at.link.expect(FRAME.data)
    exec.signal(2)
    expect(await at.link.expectJson(FRAME.event)).toEqual({ stream, body: { event: 'signal', signal: 2 } })
    at.link.json(FRAME.end, stream, { ended: 'signaled', signal: 2, duration_ms: 1 })
    await written
    expect(await exec.result).toEqual({ ended: 'signaled', signal: 2, duration_ms: 1 })
    await exec.write(new Uint8Array(1))
  })

  test('is canceled by its caller or the signal, and still tells how it ended and what it said', async () => {
    for (const how of ['cancel', 'abort'] as const) {
      await using at = await visit()
      const abort = new AbortController()
      const exec = at.guest.exec(open, abort.signal)
      const stream = await start(at.link)
      if (how === 'abort') abort.abort()
      else exec.cancel()
      exec.cancel()
      await at.link.expect(FRAME.cancel)
      at.link.data(stream, 1, 'last words')
      at.link.json(FRAME.end, stream, { ended: 'canceled', duration_ms: 1 })
      expect(await textOf(exec.output)).toEqual(['stdout last words'])
      expect(await exec.result).toEqual({ ended: 'canceled', duration_ms: 1 })
    }
  })

  test('that is canceled before it starts has an end without a beginning', async () => {
    await using at = await visit()
    const exec = at.guest.exec(open)
    const { stream } = await at.link.expect(FRAME.open)
    exec.cancel()
    await at.link.expect(FRAME.cancel)
    at.link.json(FRAME.end, stream, { ended: 'canceled', duration_ms: 1 })
    expect(await exec.result).toEqual({ ended: 'canceled', duration_ms: 1 })
    expect(await failure(exec.started)).toBe('canceled')
  })

  test('whose reader takes nothing has no more than its credit on the way, and gets it back as that is read', async () => {
    await using at = await visit()
    const exec = at.guest.exec(open)
    const stream = await start(at.link)
    const block = new Uint8Array(MAX_DATA_BYTES)
    const beforeStarted = Buffer.byteLength('{"event":"started","pid":42}')
    for (let sent = 0; sent < 3; sent++) at.link.data(stream, 1, block)
    at.link.data(stream, 2, block.subarray(beforeStarted))
    expect(await exec.started).toBe(42)
    let given = 0
    const reader = exec.output[Symbol.asyncIterator]()
    for (let chunk = 0; chunk < 4; chunk++) await reader.next()
    while (given < 3 * MAX_DATA_BYTES) given += decodeNumber((await at.link.expect(FRAME.credit)).bytes)
    for (let sent = 0; sent < 3; sent++) at.link.data(stream, 1, block)
    at.link.json(FRAME.end, stream, exited)
    expect(await exec.result).toEqual(exited)
  })

  test('whose reader leaves goes on to its end', async () => {
    await using at = await visit()
    const exec = at.guest.exec(open)
    const stream = await start(at.link)
    at.link.data(stream, 1, 'first')
    for await (const _ of exec.output) break
    for (let round = 0; round < 8; round++) {
      at.link.data(stream, 1, new Uint8Array(MAX_DATA_BYTES))
      await at.link.expect(FRAME.credit)
    }
    at.link.json(FRAME.end, stream, exited)
    expect(await exec.result).toEqual(exited)
  })

  test('that was detached can be left alone', async () => {
    await using at = await visit()
    const exec = at.guest.exec({ ...open, detach: true })
    const stream = await start(at.link)
    await exec.started
    exec.cancel()
    await at.link.expect(FRAME.cancel)
    at.link.json(FRAME.end, stream, { running: true })
    expect(await failure(exec.result)).toBe('canceled')
    expect(await textOf(exec.output)).toEqual([])
  })

  test.each([
    ['starts twice', { event: 'started', pid: 43 }],
    ['has an unknown event', { event: 'danced' }],
    ['moves its stdin', { event: 'offset', channel: 0, offset: 1 }],
  ])('that %s ends the connection', async (_what, event) => {
    await using at = await visit()
    const exec = at.guest.exec(open)
    const stream = await start(at.link)
    at.link.json(FRAME.event, stream, event)
    expect(await failure(exec.result)).toBe('sandbox_lost')
    expect((await at.guest.closed).error.message).toContain('broke the guest protocol')
  })

  test('that ends before it starts, or in a way that makes no sense, ends the connection', async () => {
    for (const end of [exited, { ended: 'exited' }, { running: true }]) {
      await using at = await visit()
      const exec = at.guest.exec(open)
      at.link.json(FRAME.end, (await at.link.expect(FRAME.open)).stream, end)
      expect(await Promise.all([exec.started, exec.result].map(failure))).toEqual(['sandbox_lost', 'sandbox_lost'])
      await at.guest.closed
    }
  })
})

describe('a visit to a command', () => {
  test('begins where it was asked to, and tells of what is missing', async () => {
    await using at = await visit()
    const exec = at.guest.attach({ op: 'attach', id: 'a', stdout: 100 })
    const stream = await start(at.link)
    at.link.json(FRAME.event, stream, { event: 'offset', channel: 1, offset: 100 })
    at.link.data(stream, 1, 'abc')
    at.link.json(FRAME.event, stream, { event: 'offset', channel: 2, offset: 7 })
    at.link.data(stream, 2, 'x')
    at.link.json(FRAME.event, stream, { event: 'offset', channel: 1, offset: 500 })
    at.link.data(stream, 1, 'def')
    at.link.json(FRAME.event, stream, { event: 'offset', channel: 1, offset: 503 })
    at.link.json(FRAME.end, stream, exited)
    expect(await textOf(exec.output)).toEqual(['stdout abc', 'stderr gap 7', 'stderr x', 'stdout gap 500', 'stdout def'])
    expect(await exec.result).toEqual(exited)
  })

  test('ends when it is canceled, and the command goes on', async () => {
    await using at = await visit()
    const exec = at.guest.attach({ op: 'attach', id: 'a' })
    const stream = await start(at.link)
    exec.cancel()
    await at.link.expect(FRAME.cancel)
    at.link.json(FRAME.end, stream, { running: true })
    expect(await failure(exec.result)).toBe('canceled')
  })

  test('that only reads what is there ends without a result while the command runs', async () => {
    await using at = await visit()
    const log = at.guest.attach({ op: 'attach', id: 'a', follow: false })
    const stream = await start(at.link)
    at.link.data(stream, 1, 'so far')
    at.link.json(FRAME.end, stream, { running: true })
    expect(await textOf(log.output)).toEqual(['stdout so far'])
    expect(await log.result).toBeUndefined()
  })

  test('to a command that is not there fails with exec_not_found', async () => {
    await using at = await visit()
    const exec = at.guest.attach({ op: 'attach', id: 'b' })
    at.link.json(FRAME.error, (await at.link.expect(FRAME.open)).stream, { code: 'not_found', message: 'no command b' })
    expect(await failure(exec.started)).toBe('exec_not_found')
  })
})
