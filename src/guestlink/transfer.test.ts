import { describe, expect, test } from 'bun:test'
import { failure, type PeerLink, visit } from '../../test/support/guest-peer.ts'
import { FRAME, INITIAL_CREDIT_BYTES, MAX_DATA_BYTES } from '../contract/guest-protocol.ts'

const entry = { name: 'f', path: '/f', type: 'file', size: 6, mode: 0o644, uid: 0, gid: 0, mtime_ms: 1 } as const

async function begin(link: PeerLink): Promise<number> {
  const { stream } = await link.expect(FRAME.open)
  link.json(FRAME.event, stream, { event: 'meta', entry })
  return stream
}

async function textOf(chunks: AsyncIterable<Uint8Array>): Promise<string> {
  return Buffer.concat(await Array.fromAsync(chunks)).toString()
}

async function* yields(...parts: (string | Uint8Array)[]): AsyncGenerator<Uint8Array> {
  for (const part of parts) yield typeof part === 'string' ? Buffer.from(part) : part
}

describe('a download', () => {
  test('gives the entry first, then the content', async () => {
    await using at = await visit()
    const reading = at.guest.read('/f', { offset: 1, length: 6 })
    const { stream, body } = await at.link.expectJson(FRAME.open)
    expect(body).toEqual({ op: 'read', path: '/f', offset: 1, length: 6 })
    at.link.json(FRAME.event, stream, { event: 'meta', entry })
    const file = await reading
    expect(file.entry).toEqual(entry)
    at.link.data(stream, 1, 'abc')
    at.link.data(stream, 1, 'def')
    at.link.send(FRAME.eof, stream, Uint8Array.of(1))
    at.link.json(FRAME.end, stream, { size: 6 })
    expect(await textOf(file.bytes)).toBe('abcdef')
  })

  test('of a file that is not there fails before it begins', async () => {
    await using at = await visit()
    const reading = failure(at.guest.read('/f'))
    at.link.json(FRAME.error, (await at.link.expect(FRAME.open)).stream, { code: 'not_found', message: '/f' })
    expect(await reading).toBe('file_not_found')
  })

  test('that fails in the middle fails after what came', async () => {
    await using at = await visit()
    const reading = at.guest.read('/f')
    const stream = await begin(at.link)
    at.link.data(stream, 1, 'abc')
    at.link.json(FRAME.error, stream, { code: 'io', message: 'bad disk', errno: 5 })
    const seen: string[] = []
    const read = async () => {
      for await (const chunk of (await reading).bytes) seen.push(Buffer.from(chunk).toString())
    }
    expect(await failure(read())).toBe('file_access')
    expect(seen).toEqual(['abc'])
  })

  test('that is cut short is no file', async () => {
    await using at = await visit()
    const reading = at.guest.read('/f')
    const stream = await begin(at.link)
    at.link.data(stream, 1, 'abc')
    at.link.json(FRAME.end, stream, { size: 6 })
    expect(await failure(textOf((await reading).bytes))).toBe('sandbox_lost')
  })

  test('ends when its reader leaves or its signal is aborted', async () => {
    for (const how of ['leave', 'abort'] as const) {
      await using at = await visit()
      const abort = new AbortController()
      const reading = at.guest.read('/f', {}, abort.signal)
      const stream = await begin(at.link)
      at.link.data(stream, 1, 'abc')
      const { bytes } = await reading
      if (how === 'abort') {
        abort.abort()
        expect(await failure(textOf(bytes))).toBe('canceled')
      } else for await (const _ of bytes) break
      await at.link.expect(FRAME.cancel)
      at.link.data(stream, 1, 'still on the way')
      at.link.json(FRAME.error, stream, { code: 'io', message: 'canceled' })
      const ping = at.guest.connection.ping()
      at.link.send(FRAME.pong, 0, (await at.link.expect(FRAME.ping)).bytes)
      await ping
    }
  })

  test.each([
    ['content before its beginning', (link: PeerLink, stream: number) => link.data(stream, 1, 'abc')],
    ['an end before its beginning', (link: PeerLink, stream: number) => link.json(FRAME.end, stream, { size: 0 })],
    [
      'an entry that is none',
      (link: PeerLink, stream: number) => link.json(FRAME.event, stream, { event: 'meta', entry: { ...entry, size: 'x' } }),
    ],
    ['another event', (link: PeerLink, stream: number) => link.json(FRAME.event, stream, { event: 'started', pid: 1 })],
  ])('with %s ends the connection', async (_what, misbehave) => {
    await using at = await visit()
    const reading = failure(at.guest.read('/f'))
    misbehave(at.link, (await at.link.expect(FRAME.open)).stream)
    expect(await reading).toBe('sandbox_lost')
    expect((await at.guest.closed).error.message).toContain('broke the guest protocol')
  })

  test('of a tar stream begins with its first bytes, and fails early when there are none', async () => {
    await using at = await visit()
    const taking = at.guest.tarOut('/d')
    const { stream, body } = await at.link.expectJson(FRAME.open)
    expect(body).toEqual({ op: 'tar_out', path: '/d' })
    at.link.data(stream, 1, 'tar')
    const bytes = await taking
    at.link.json(FRAME.end, stream, { files: 1, skipped: 2 })
    expect(await textOf(bytes)).toBe('tar')
    expect(await bytes.summary).toEqual({ files: 1, skipped: 2, changed: 0 })
    const missing = failure(at.guest.tarOut('/e'))
    at.link.json(FRAME.error, (await at.link.expect(FRAME.open)).stream, { code: 'path_forbidden', message: '/e' })
    expect(await missing).toBe('path_forbidden')
  })
})

describe('an upload', () => {
  test('sends what its source yields, then the end, and resolves with the answer', async () => {
    await using at = await visit()
    const writing = at.guest.write('/f', yields('abc', '', new Uint8Array(MAX_DATA_BYTES + 1)), { mode: 0o600, parents: true })
    const { stream, body } = await at.link.expectJson(FRAME.open)
    expect(body).toEqual({ op: 'write', path: '/f', mode: 0o600, parents: true })
    expect(Buffer.from((await at.link.expect(FRAME.data)).bytes).toString()).toBe('abc')
    expect((await at.link.expect(FRAME.data)).bytes).toHaveLength(MAX_DATA_BYTES)
    expect((await at.link.expect(FRAME.data)).bytes).toHaveLength(1)
    await at.link.expect(FRAME.eof)
    at.link.json(FRAME.end, stream, { size: MAX_DATA_BYTES + 4 })
    expect(await writing).toBe(MAX_DATA_BYTES + 4)
  })

  test('of a tar stream resolves with what was unpacked', async () => {
    await using at = await visit()
    const unpacking = at.guest.tarIn('/d', yields('tar'))
    const { stream } = await at.link.expect(FRAME.open)
    await at.link.expect(FRAME.data)
    await at.link.expect(FRAME.eof)
    at.link.json(FRAME.end, stream, { files: 2, size: 9 })
    expect(await unpacking).toEqual({ files: 2, size: 9 })
  })

  test('that fails over there stops its source, also one that has nothing to say', async () => {
    for (const block of [new Uint8Array(INITIAL_CREDIT_BYTES * 2), undefined]) {
      await using at = await visit()
      const returned = Promise.withResolvers<void>()
      const source: AsyncIterable<Uint8Array> = {
        [Symbol.asyncIterator]: () => ({
          next: () => (block === undefined ? new Promise(() => undefined) : Promise.resolve({ done: false, value: block })),
          return: () => {
            returned.resolve()
            return Promise.resolve({ done: true, value: undefined })
          },
        }),
      }
      const writing = failure(at.guest.write('/f', source))
      at.link.json(FRAME.error, (await at.link.expect(FRAME.open)).stream, { code: 'no_space', message: 'full' })
      expect(await writing).toBe('disk_full')
      await returned.promise
    }
  })

  test('is given up when its source fails, with what that says', async () => {
    await using at = await visit()
    async function* broken(): AsyncGenerator<Uint8Array> {
      yield Buffer.from('abc')
      await Promise.reject(new TypeError('the client went away'))
    }
    const writing = failure(at.guest.write('/f', broken()))
    await at.link.expect(FRAME.open)
    await at.link.expect(FRAME.data)
    await at.link.expect(FRAME.cancel)
    expect(String(await writing)).toContain('the client went away')
  })

  test('is given up when its signal is aborted', async () => {
    await using at = await visit()
    const abort = new AbortController()
    const writing = failure(at.guest.write('/f', yields(new Uint8Array(INITIAL_CREDIT_BYTES + 1)), {}, abort.signal))
    await at.link.expect(FRAME.open)
    for (let frame = 0; frame < INITIAL_CREDIT_BYTES / MAX_DATA_BYTES; frame++) await at.link.expect(FRAME.data)
    abort.abort()
    expect(await writing).toBe('canceled')
    await at.link.expect(FRAME.cancel)
  })
})
