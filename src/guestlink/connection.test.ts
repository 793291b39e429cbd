import { describe, expect, test } from 'bun:test'
import fc from 'fast-check'
import { failure, GuestPeer, HELLO, visit } from '../../test/support/guest-peer.ts'
import { AppError, isAppError } from '../contract/errors.ts'
import { FRAME, type FrameType } from '../contract/guest-protocol.ts'
import { GuestConnection } from './connection.ts'
import { encodeFrame } from './frame.ts'

const options = { role: 'daemon', version: '1.2.3' } as const
const open = { op: 'exec', id: 'a', argv: ['true'], env: [], cwd: '/' } as const

describe('connecting', () => {
  test('says who we are and learns who they are', async () => {
    using peer = new GuestPeer()
    const connecting = GuestConnection.connect(peer.path, options)
    const link = await peer.accept()
    const said = await link.greet({ ...HELLO, role: 'agent', protocol: 9, later: { a: 1 } })
    const connection = await connecting
    expect(said).toMatchObject({ protocol: 1, role: 'daemon', version: '1.2.3', features: HELLO.features })
    expect(connection.peer).toEqual({ protocol: 9, role: 'agent', version: '0.0.0-test', features: [...HELLO.features] })
    await connection.bye()
  })

  test('fails when nobody listens, or the path is no socket', async () => {
    expect(await failure(GuestConnection.connect('/nowhere/at/all', options))).toBe('sandbox_lost')
    expect(await failure(GuestConnection.connect(import.meta.path, options))).toBe('sandbox_lost')
    expect(await failure(GuestConnection.connect(`/${'x'.repeat(300)}`, options))).toBe('sandbox_lost')
  })

  test('waits only so long for a greeting', async () => {
    using peer = new GuestPeer()
    expect(await failure(GuestConnection.connect(peer.path, { ...options, helloLimitMs: 20 }))).toBe('timed_out')
    await (
      await peer.accept()
    ).closed
  })

  test('ends when the caller gives up, before and meanwhile', async () => {
    using peer = new GuestPeer()
    expect(await failure(GuestConnection.connect(peer.path, { ...options, signal: AbortSignal.abort() }))).toBe('canceled')
    const abort = new AbortController()
    const connecting = GuestConnection.connect(peer.path, { ...options, signal: abort.signal })
    const link = await peer.accept()
    await link.expect(FRAME.hello)
    abort.abort()
    expect(await failure(connecting)).toBe('canceled')
    await link.closed
  })

  test.each([
    ['hangs up', undefined, /connection to the sandbox ended/],
    ['speaks an older version', { ...HELLO, protocol: 0 }, /version 0/],
    ['says no version', { ...HELLO, protocol: '1' }, /names no version/],
    ['is a client too', { ...HELLO, role: 'client' }, /no role that serves/],
    ['has no features', { ...HELLO, features: undefined }, /list of features/],
    ['has features that are no words', { ...HELLO, features: ['exec', 1] }, /list of features/],
    ['has more features than there are', { ...HELLO, features: Array.from({ length: 65 }, String) }, /list of features/],
    ['has a version as long as a book', { ...HELLO, version: 'x'.repeat(60_000) }, /version of the program/],
  ])('fails when the other side %s', async (_what, hello, reason) => {
    using peer = new GuestPeer()
    const connecting = GuestConnection.connect(peer.path, options)
    const link = await peer.accept()
    if (hello === undefined) link.hangUp()
    else await link.greet(hello)
    const error = await connecting.catch((thrown: unknown) => thrown)
    expect(isAppError(error, 'sandbox_lost')).toBe(true)
    expect(String(error)).toMatch(reason)
    await link.closed
  })

  test('fails with what the other side says of it', async () => {
    using peer = new GuestPeer()
    const connecting = GuestConnection.connect(peer.path, options)
    const link = await peer.accept()
    link.json(FRAME.error, 0, { code: 'protocol_version', message: 'too\u001b[31m new' })
    const error = (await connecting.catch((thrown: unknown) => thrown)) as AppError
    expect(error.message).toBe("the sandbox's side ended the connection: too [31m new")
    expect(error.fix).toContain('start it again')
  })

  test('tells the other side that its version is too old', async () => {
    using peer = new GuestPeer()
    const connecting = failure(GuestConnection.connect(peer.path, options))
    const link = await peer.accept()
    await link.greet({ ...HELLO, protocol: 0 })
    expect(await connecting).toBe('sandbox_lost')
    expect((await link.expectJson(FRAME.error)).body['code']).toBe('protocol_version')
  })

  test('refuses whatever comes before the greeting', async () => {
    using peer = new GuestPeer()
    const connecting = GuestConnection.connect(peer.path, options)
    const link = await peer.accept()
    link.send(FRAME.ping, 0, new Uint8Array(8))
    expect(await failure(connecting)).toBe('sandbox_lost')
  })
})

describe('a connection', () => {
  test('answers a ping with its bytes', async () => {
    await using at = await visit()
    at.link.send(FRAME.ping, 0, Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8))
    expect([...(await at.link.expect(FRAME.pong)).bytes]).toEqual([1, 2, 3, 4, 5, 6, 7, 8])
  })

  test('measures a ping, and gives one up that is not answered, however late the answer comes', async () => {
    await using at = await visit()
    const { connection } = at.guest
    const lost = connection.ping(10)
    const { bytes: late } = await at.link.expect(FRAME.ping)
    expect(await failure(lost)).toBe('timed_out')
    at.link.send(FRAME.pong, 0, late)
    const answered = connection.ping()
    at.link.send(FRAME.pong, 0, (await at.link.expect(FRAME.ping)).bytes)
    expect(await answered).toBeGreaterThan(0)
  })

  test('ends at an answer to a ping that nobody sent', async () => {
    await using at = await visit()
    at.link.send(FRAME.pong, 0, Uint8Array.of(255, 255, 255, 255, 255, 255, 255, 255))
    expect((await at.guest.closed).error.message).toContain('nobody sent')
    expect(await failure(at.guest.connection.ping())).toBe('sandbox_lost')
  })

  test('ends when somebody pings and pings and does not read', async () => {
    await using at = await visit()
    const pings = Buffer.concat(Array.from({ length: 4_000 }, () => encodeFrame(FRAME.ping, 0, new Uint8Array(8))))
    at.link.raw(pings)
    expect((await at.guest.closed).error.message).toContain('ping after ping')
  })

  test('fails everything that waits for it when it is lost', async () => {
    await using at = await visit()
    const { guest, link } = at
    const exec = guest.exec(open)
    const waiting = [exec.started, exec.result, guest.stat('/'), guest.read('/a'), guest.list('/'), guest.connection.ping()]
    const upload = guest.write('/a', forever())
    const watch = guest.watch('/')[Symbol.asyncIterator]().next()
    const output = exec.output[Symbol.asyncIterator]().next()
    const all = [...waiting, upload, watch, output].map(failure)
    await link.expect(FRAME.open)
    link.hangUp()
    const codes = await Promise.all(all)
    expect(new Set(codes)).toEqual(new Set(['sandbox_lost']))
    expect(await guest.closed).toMatchObject({ how: 'lost' })
    expect(guest.connection.isOpen).toBe(false)
    expect(await failure(guest.stat('/'))).toBe('sandbox_lost')
  })

  test('is lost as well when the other side leaves in good order', async () => {
    await using at = await visit()
    at.link.send(FRAME.bye, 0)
    expect(await at.guest.closed).toMatchObject({ how: 'lost', error: { code: 'sandbox_lost' } })
  })

  test('leaves with BYE, once, and fails what is open with the reason given', async () => {
    await using at = await visit()
    const exec = at.guest.exec(open)
    await at.link.expect(FRAME.open)
    const bye = at.guest.connection.bye(new AppError('shutting_down', 'now'))
    expect(await failure(exec.result)).toBe('shutting_down')
    await Promise.all([bye, at.guest.connection.bye()])
    await at.link.expect(FRAME.bye)
    await at.link.closed
    expect(await at.guest.closed).toMatchObject({ how: 'left', error: { code: 'shutting_down' } })
  })

  test('that cannot get rid of what waits leaves all the same', async () => {
    await using at = await visit()
    const { guest, link } = at
    const uploads = Array.from({ length: 8 }, () => failure(guest.write('/f', once(new Uint8Array(256 * 1024)))))
    await link.expect(FRAME.open)
    link.pause()
    await guest.connection.bye()
    expect(new Set(await Promise.all(uploads))).toEqual(new Set(['sandbox_lost']))
  })

  test('has 256 streams open at once, and the next ones wait for their turn in order', async () => {
    await using at = await visit()
    const { guest, link } = at
    const all = Array.from({ length: 259 }, (_, index) => failure(guest.stat(`/${index}`)))
    const numbers: number[] = []
    for (let count = 0; count < 256; count++) numbers.push((await link.expect(FRAME.open)).stream)
    expect(numbers).toEqual(Array.from({ length: 256 }, (_, index) => 1 + 2 * index))
    const ping = guest.connection.ping()
    // Nothing but the ping came: the others wait.
    link.send(FRAME.pong, 0, (await link.expect(FRAME.ping)).bytes)
    await ping
    for (const number of numbers) link.json(FRAME.error, number, { code: 'not_found', message: '' })
    for (const path of ['/256', '/257', '/258']) {
      const { stream, body } = await link.expectJson(FRAME.open)
      expect(body['path']).toBe(path)
      link.json(FRAME.error, stream, { code: 'not_found', message: '' })
    }
    expect(new Set(await Promise.all(all))).toEqual(new Set(['file_not_found']))
  })

  test('lets those who wait for a stream give up, and keeps their place for nobody', async () => {
    await using at = await visit()
    const { guest, link } = at
    const held = Array.from({ length: 256 }, () => failure(guest.stat('/held')))
    const abort = new AbortController()
    const waiting = [guest.stat('/', {}, abort.signal), guest.exec(open, abort.signal).result, guest.read('/', {}, abort.signal)].map(
      failure,
    )
    const exec = guest.exec({ ...open, stdin: true })
    const written = exec.write(Buffer.from('early'))
    exec.closeStdin()
    exec.signal(15)
    abort.abort()
    expect(await Promise.all(waiting)).toEqual(['canceled', 'canceled', 'canceled'])
    for (const _ of held) await link.expect(FRAME.open)
    link.json(FRAME.error, 1, { code: 'not_found', message: '' })
    const { stream, body } = await link.expectJson(FRAME.open)
    expect(body['op']).toBe('exec')
    expect((await link.expectJson(FRAME.event)).body).toEqual({ event: 'signal', signal: 15 })
    const data = await link.expect(FRAME.data)
    expect([data.stream, Buffer.from(data.bytes).toString()]).toEqual([stream, 'early'])
    await link.expect(FRAME.eof)
    await written
    await guest.connection.bye()
    expect(new Set(await Promise.all(held))).toEqual(new Set(['file_not_found', 'sandbox_lost']))
  })

  test('refuses an operation that is larger than a frame, and goes on', async () => {
    await using at = await visit()
    const huge = at.guest.exec({ ...open, argv: ['x'.repeat(3 << 20)] })
    expect(await failure(huge.started)).toBe('invalid_argument')
    void failure(at.guest.stat('/'))
    expect((await at.link.expectJson(FRAME.open)).body['op']).toBe('stat')
  })

  test('does not ask for what the other side did not name', async () => {
    await using at = await visit({ ...HELLO, features: ['exec'] })
    const { guest } = at
    const refused = [
      guest.stat('/'),
      guest.attach({ op: 'attach', id: 'a' }).result,
      guest.tarOut('/'),
      guest.tarIn('/', forever()),
      guest.watch('/').ready,
      guest.connectPort({ port: 1 }),
      guest.stats(),
      guest.shutdown(1),
      // It would give the command the network of the sandbox.
      guest.exec({ ...open, network: true }).started,
    ].map(failure)
    expect(new Set(await Promise.all(refused))).toEqual(new Set(['not_available_yet']))
  })
})

describe('a hostile other side', () => {
  const types = Object.values(FRAME)
  const json = fc.oneof(
    fc.json(),
    fc.constantFrom(
      '{"event":"started","pid":1}',
      '{"event":"offset","channel":1,"offset":7}',
      '{"ended":"exited","status":0,"duration_ms":1}',
    ),
  )
  const frame = fc
    .tuple(fc.constantFrom(...types), fc.constantFrom(0, 1, 3, 5, 7, 9, 11, 2, 99), fc.oneof(json, fc.uint8Array({ maxLength: 12 })))
    .map(([type, stream, payload]) => encodeFrame(type as FrameType, stream, Buffer.from(payload)))
  const bytes = fc.array(fc.oneof({ arbitrary: frame, weight: 9 }, { arbitrary: fc.uint8Array({ maxLength: 20 }), weight: 1 }), {
    minLength: 1,
    maxLength: 30,
  })

  test('makes every operation an error of ours or a result, whatever it sends', async () => {
    await fc.assert(
      fc.asyncProperty(bytes, async (sent) => {
        await using at = await visit()
        const { guest, link } = at
        const exec = guest.exec({ ...open, stdin: true })
        const read = guest.read('/a')
        const operations = [
          exec.started,
          exec.result,
          drain(exec.output),
          read.then(async (file) => drain(file.bytes)),
          guest.list('/'),
          drain(guest.watch('/')),
          guest.tarIn('/', forever()),
          guest.connectPort({ port: 80 }).then(async (port) => drain(port.input)),
        ].map(failure)
        for (let count = 0; count < 6; count++) await link.expect(FRAME.open)
        for (const part of sent) link.raw(part)
        link.hangUp()
        for (const outcome of await Promise.all(operations)) {
          expect(typeof outcome === 'string' || (outcome !== null && typeof outcome === 'object' && 'value' in outcome)).toBe(true)
          expect(outcome).not.toBe('internal')
        }
      }),
      { numRuns: 150 },
    )
  }, 60_000)
})

async function drain(chunks: AsyncIterable<unknown>): Promise<number> {
  let count = 0
  for await (const _ of chunks) count++
  return count
}

/** A source that has nothing to say and does not end. */
function forever(): AsyncIterable<Uint8Array> {
  return { [Symbol.asyncIterator]: () => ({ next: () => new Promise(() => undefined) }) }
}

async function* once(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes
}
