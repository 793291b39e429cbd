import { describe, expect, test } from 'bun:test'
import { failure, type PeerLink, visit } from '../../test/support/guest-peer.ts'
import { FRAME, INITIAL_CREDIT_BYTES } from '../contract/guest-protocol.ts'
import { ask } from './ask.ts'
import { decodeNumber } from './frame.ts'
import type { Guest } from './guest.ts'

const entry = { name: 'f', path: '/f', type: 'file', size: 6, mode: 0o644, uid: 0, gid: 0, mtime_ms: 1 } as const
const exec = {
  id: 'a',
  argv: ['sh'],
  pid: 1,
  tty: false,
  detach: false,
  started_at_ms: 1,
  running: true,
  stdout: { start: 0, end: 0 },
  stderr: { start: 0, end: 0 },
} as const

/** What each operation says, and makes of the answer. */
const operations: [string, (guest: Guest) => Promise<unknown>, object, object, unknown][] = [
  ['stat', (guest) => guest.stat('/f', { follow: false }), { op: 'stat', path: '/f', follow: false }, { entry }, entry],
  ['mkdir', (guest) => guest.mkdir('/d', { parents: true }), { op: 'mkdir', path: '/d', parents: true }, {}, undefined],
  ['move', (guest) => guest.move('/a', '/b', { overwrite: false }), { op: 'move', path: '/a', to: '/b', overwrite: false }, {}, undefined],
  ['remove', (guest) => guest.remove('/a', { recursive: true }), { op: 'remove', path: '/a', recursive: true }, {}, undefined],
  ['chmod', (guest) => guest.chmod('/a', 0o700), { op: 'chmod', path: '/a', mode: 0o700 }, {}, undefined],
  ['execSignal', (guest) => guest.execSignal('a', 9), { op: 'exec_signal', id: 'a', signal: 9 }, {}, undefined],
  ['execRemove', (guest) => guest.execRemove('a'), { op: 'exec_remove', id: 'a' }, {}, undefined],
  ['execList', (guest) => guest.execList(), { op: 'exec_list' }, { execs: [exec] }, [exec]],
  ['stats', (guest) => guest.stats(), { op: 'stats' }, { processes: [], truncated: false }, { processes: [], truncated: false }],
  ['shutdown', (guest) => guest.shutdown(100), { op: 'shutdown', grace_ms: 100 }, {}, undefined],
]

describe('an operation', () => {
  test.each(operations)('%s asks for what it was told and gives the answer', async (_name, run, request, answer, expected) => {
    await using at = await visit()
    const running = run(at.guest)
    const { stream, body } = await at.link.expectJson(FRAME.open)
    expect(body).toEqual(request as never)
    at.link.json(FRAME.end, stream, answer)
    expect(await running).toEqual(expected)
  })

  test.each(operations)('%s ends the connection when it is answered with content or an event', async (_name, run) => {
    for (const misbehave of [
      (link: PeerLink, stream: number) => link.data(stream, 1, 'x'),
      (link: PeerLink, stream: number) => link.json(FRAME.event, stream, { event: 'started', pid: 1 }),
    ]) {
      await using at = await visit()
      const running = failure(run(at.guest))
      misbehave(at.link, (await at.link.expect(FRAME.open)).stream)
      expect(await running).toBe('sandbox_lost')
    }
  })

  test('that is not answered in time is given up', async () => {
    await using at = await visit()
    const asked = failure(
      ask(at.guest.connection, { op: 'stat', path: '/' }, { feature: 'files', signal: undefined, limitMs: 10, read: () => 1 }),
    )
    await at.link.expect(FRAME.open)
    expect(await asked).toBe('timed_out')
    await at.link.expect(FRAME.cancel)
  })

  test('whose caller gives up is canceled over there, and its late answer is dropped', async () => {
    await using at = await visit()
    const abort = new AbortController()
    const asked = failure(at.guest.stat('/', {}, abort.signal))
    const { stream } = await at.link.expect(FRAME.open)
    abort.abort()
    expect(await asked).toBe('canceled')
    await at.link.expect(FRAME.cancel)
    at.link.json(FRAME.end, stream, { nonsense: true })
    const next = at.guest.stat('/f')
    at.link.json(FRAME.end, (await at.link.expect(FRAME.open)).stream, { entry })
    expect(await next).toEqual(entry)
  })
})

describe('a list', () => {
  test('of names comes in as many parts as it needs, and gives back their credit', async () => {
    await using at = await visit()
    const listing = at.guest.list('/d')
    const { stream } = await at.link.expect(FRAME.open)
    const entries = Array.from({ length: 100 }, (_, index) => ({ ...entry, name: `${index}` }))
    for (let part = 0; part < 40; part++) at.link.json(FRAME.event, stream, { event: 'entries', entries })
    await at.link.expect(FRAME.credit)
    at.link.json(FRAME.end, stream, {})
    expect(await listing).toHaveLength(4_000)
  })

  test('of more names than anybody wants is refused, and no more is asked for', async () => {
    await using at = await visit()
    const listing = failure(at.guest.list('/d'))
    const { stream } = await at.link.expect(FRAME.open)
    const part = { event: 'entries', entries: Array.from({ length: 400 }, () => entry) }
    const cost = JSON.stringify(part).length
    const hose = async () => {
      for (let room = INITIAL_CREDIT_BYTES; ;) {
        for (; room >= cost; room -= cost) at.link.json(FRAME.event, stream, part)
        const frame = await at.link.next()
        if (frame.type === FRAME.cancel) return
        room += decodeNumber(frame.bytes)
      }
    }
    await hose()
    expect(await listing).toBe('payload_too_large')
  })

  test('of commands may come in parts too', async () => {
    await using at = await visit()
    const listing = at.guest.execList()
    const { stream } = await at.link.expect(FRAME.open)
    at.link.json(FRAME.event, stream, { event: 'execs', execs: [exec] })
    at.link.json(FRAME.end, stream, { execs: [{ ...exec, id: 'b' }] })
    expect((await listing).map(({ id }) => id)).toEqual(['a', 'b'])
  })
})

describe('a watch', () => {
  test('says when it is ready, then what changes, until its reader leaves', async () => {
    await using at = await visit()
    const watch = at.guest.watch('/d', { recursive: true })
    const { stream, body } = await at.link.expectJson(FRAME.open)
    expect(body).toEqual({ op: 'watch', path: '/d', recursive: true })
    at.link.json(FRAME.event, stream, { event: 'ready' })
    await watch.ready
    at.link.json(FRAME.event, stream, { event: 'change', kind: 'created', path: '/d/a' })
    at.link.json(FRAME.event, stream, { event: 'overflow' })
    const seen = []
    for await (const change of watch) {
      seen.push(change)
      if (change.kind === 'overflow') break
    }
    expect(seen).toEqual([
      { kind: 'created', path: '/d/a' },
      { kind: 'overflow', path: '/d' },
    ])
    await at.link.expect(FRAME.cancel)
  })

  test('ends in good order when its signal is aborted or nothing is left to watch', async () => {
    for (const how of ['abort', 'end'] as const) {
      await using at = await visit()
      const abort = new AbortController()
      const watch = at.guest.watch('/d', {}, abort.signal)
      const { stream } = await at.link.expect(FRAME.open)
      at.link.json(FRAME.event, stream, { event: 'ready' })
      await watch.ready
      if (how === 'abort') abort.abort()
      else at.link.json(FRAME.end, stream, {})
      expect(await Array.fromAsync(watch)).toEqual([])
    }
  })

  test('of a path that is not there fails', async () => {
    await using at = await visit()
    const watch = at.guest.watch('/d')
    at.link.json(FRAME.error, (await at.link.expect(FRAME.open)).stream, { code: 'not_found', message: '/d' })
    expect(await failure(watch.ready)).toBe('file_not_found')
    expect(await failure(Array.fromAsync(watch))).toBe('file_not_found')
  })
})

describe('a connection to a port', () => {
  async function connect(at: { guest: Guest; link: PeerLink }) {
    const connecting = at.guest.connectPort({ port: 8080 })
    const { stream, body } = await at.link.expectJson(FRAME.open)
    expect(body).toEqual({ op: 'connect', port: 8080 })
    at.link.json(FRAME.event, stream, { event: 'connected' })
    return { stream, port: await connecting }
  }

  test('goes both ways, and each way ends by itself', async () => {
    await using at = await visit()
    const { stream, port } = await connect(at)
    at.link.data(stream, 1, 'hello')
    at.link.send(FRAME.eof, stream, Uint8Array.of(1))
    expect(Buffer.concat(await Array.fromAsync(port.input)).toString()).toBe('hello')
    expect(await port.write(Buffer.from('bye'))).toBe(true)
    expect(Buffer.from((await at.link.expect(FRAME.data)).bytes).toString()).toBe('bye')
    port.end()
    await at.link.expect(FRAME.eof)
    at.link.json(FRAME.end, stream, {})
    await port.closed
    expect(await port.write(Buffer.from('more'))).toBe(false)
  })

  test('where nobody listens is not found', async () => {
    await using at = await visit()
    const connecting = failure(at.guest.connectPort({ path: '/run/s' }))
    at.link.json(FRAME.error, (await at.link.expect(FRAME.open)).stream, { code: 'refused', message: 'nobody' })
    expect(await connecting).toBe('not_found')
  })

  test('can be given up, which ends what waits for it', async () => {
    await using at = await visit()
    const { port } = await connect(at)
    const stuck = port.write(new Uint8Array(1 << 20))
    port.close()
    expect(await stuck).toBe(false)
    await port.closed
    expect(await failure(Array.fromAsync(port.input))).toBe('canceled')
  })
})
