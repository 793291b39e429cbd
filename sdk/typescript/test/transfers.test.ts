import { describe, expect, test } from 'bun:test'
import { AgentKernel, NetworkError, NotFoundError, StreamError } from '../src/index.ts'
import { data, FixtureServer, moment, refusal } from './fixture-server.ts'

const clientOf = (server: FixtureServer): AgentKernel => new AgentKernel({ baseUrl: server.url })

describe('a download', () => {
  const content = Buffer.from('0123456789')
  const ranged = (header: string | null): Response => {
    const [first = '', last = ''] = header === null ? [] : header.replace('bytes=', '').split('-')
    const from = Number(first)
    const to = last === '' ? content.length - 1 : Math.min(Number(last), content.length - 1)
    if (header === null) return new Response(content)
    return new Response(content.subarray(from, to + 1), {
      status: 206,
      headers: { 'Content-Range': `bytes ${from}-${to}/${content.length}` },
    })
  }

  test('gives the whole, or a part', async () => {
    using server = new FixtureServer(({ headers }) => ranged(headers.get('range')))
    const client = clientOf(server)
    const whole = await client.readStream('box', 'a.txt')
    expect(whole).toMatchObject({ size: 10, offset: 0, totalSize: 10 })
    expect(Buffer.concat(await Array.fromAsync(whole)).toString()).toBe('0123456789')
    expect(server.last.headers.has('range')).toBe(false)
    const part = await client.readStream('box', '/a.txt', { offset: 2, length: 3 })
    expect(part).toMatchObject({ size: 3, offset: 2, totalSize: 10 })
    expect(await new Response(part.stream).text()).toBe('234')
    const rest = await client.readStream('box', '/a.txt', { offset: 8 })
    expect(Buffer.concat(await Array.fromAsync(rest)).toString()).toBe('89')
    expect(server.seen.map(({ headers }) => headers.get('range'))).toEqual([null, 'bytes=2-4', 'bytes=8-'])
    expect(server.last.path).toBe('/sandboxes/box/raw/a.txt')
  })

  test('never passes the whole off as a part', async () => {
    using server = new FixtureServer(() => new Response(content))
    await expect(clientOf(server).readStream('box', '/a', { offset: 3 })).rejects.toBeInstanceOf(StreamError)
  })

  test('of nothing, or from nowhere, is not asked for', async () => {
    using server = new FixtureServer(() => new Response(content))
    for (const options of [{ length: 0 }, { offset: -1 }, { offset: 1.5 }]) {
      await expect(clientOf(server).readStream('box', '/a', options)).rejects.toMatchObject({ code: 'invalid_argument' })
    }
    expect(server.seen).toEqual([])
  })

  test('of what is not there throws before the first byte', async () => {
    using server = new FixtureServer(() => refusal(404, { error: 'no file', code: 'file_not_found' }))
    await expect(clientOf(server).readStream('box', '/a')).rejects.toBeInstanceOf(NotFoundError)
  })

  test('that breaks off does not pass for the whole', async () => {
    using server = new FixtureServer(() => {
      async function* broken(): AsyncGenerator<Uint8Array> {
        yield content
        throw new RangeError('the file shrank')
      }
      return new Response(broken() as unknown as ReadableStream)
    })
    await expect(
      clientOf(server)
        .readStream('box', '/a')
        .then((body) => Array.fromAsync(body)),
    ).rejects.toBeInstanceOf(NetworkError)
  })

  test('ends at the server when its reader leaves or closes it', async () => {
    for (const leave of ['loop', 'close', 'cancel'] as const) {
      const gone = moment()
      using server = new FixtureServer((_seen, request) => {
        request.signal.addEventListener('abort', () => gone.reach())
        async function* endless(): AsyncGenerator<Uint8Array> {
          for (;;) {
            yield content
            await Bun.sleep(0)
          }
        }
        return new Response(endless() as unknown as ReadableStream)
      })
      const body = await clientOf(server).tarOut('box', '/a')
      if (leave === 'loop') for await (const _ of body) break
      else if (leave === 'close') body.close()
      else {
        const reader = body.stream.getReader()
        await reader.read()
        await reader.cancel()
      }
      await gone.reached
    }
  })

  test('holds the server up while nobody reads', async () => {
    const piece = new Uint8Array(1 << 20)
    let sent = 0
    using server = new FixtureServer(() => {
      async function* endless(): AsyncGenerator<Uint8Array> {
        for (; sent < 2000; sent += 1) yield piece
      }
      return new Response(endless() as unknown as ReadableStream)
    })
    const body = await clientOf(server).readStream('box', '/a')
    for await (const _ of body) {
      // The server runs dry of room long before it has sent all: wait until it sends no more.
      for (let before = -1; before !== sent;) {
        before = sent
        await Bun.sleep(50)
      }
      break
    }
    expect(sent).toBeLessThan(200)
  })

  test('of a command output says where it begins', async () => {
    using server = new FixtureServer(() => new Response('late', { headers: { 'X-Log-Offset': '100', 'X-Log-End': '104' } }))
    const body = await clientOf(server).detachedOutput('box', 'e1', { stream: 'stderr', offset: 7, follow: true })
    expect(body).toMatchObject({ offset: 100, totalSize: 104 })
    expect(Buffer.concat(await Array.fromAsync(body)).toString()).toBe('late')
    expect([...server.last.query]).toEqual([
      ['stream', 'stderr'],
      ['offset', '7'],
      ['follow', 'true'],
    ])
  })
})

describe('an upload', () => {
  test('sends bytes as they come, as raw bytes', async () => {
    using server = new FixtureServer(({ body }) => data({ path: '/a', written: body.length }))
    async function* pieces(): AsyncGenerator<string> {
      for (const piece of ['one ', 'two ', 'three']) yield piece
    }
    const client = clientOf(server)
    expect(await client.writeStream('box', '/a', pieces(), { mode: 0o755 })).toEqual({ path: '/a', written: 13 })
    expect(server.last).toMatchObject({ method: 'PUT', path: '/sandboxes/box/raw/a', body: 'one two three' })
    expect(server.last.headers.get('content-type')).toBe('application/octet-stream')
    expect(server.last.query.get('mode')).toBe('0755')
    await client.writeStream('box', 'b', new Uint8Array([104, 105]))
    expect(server.last).toMatchObject({ path: '/sandboxes/box/raw/b', body: 'hi' })
    expect(server.last.headers.get('content-length')).toBe('2')
  })

  test('unpacks a tar stream', async () => {
    using server = new FixtureServer(() => data({ files: 2, size: 30 }))
    expect(await clientOf(server).tarIn('box', '/dir', new Blob(['tar']).stream())).toEqual({ files: 2, size: 30 })
    expect(server.last).toMatchObject({ method: 'PUT', path: '/sandboxes/box/tar/dir', body: 'tar' })
  })

  test('takes no more from its source than the server takes', async () => {
    const piece = new Uint8Array(1 << 20)
    let taken = 0
    const enough = moment()
    using server = new FixtureServer(
      async (_seen, request) => {
        const reader = request.body!.getReader()
        await reader.read()
        await enough.reached
        await reader.cancel()
        return data({ path: '/a', written: 1 })
      },
      { rawBodies: true },
    )
    async function* endless(): AsyncGenerator<Uint8Array> {
      for (; taken < 2000; taken += 1) yield piece
    }
    const upload = clientOf(server).writeStream('box', '/a', endless())
    upload.catch(() => undefined)
    while (taken === 0) await Bun.sleep(1)
    for (let before = -1; before !== taken;) {
      before = taken
      await Bun.sleep(50)
    }
    expect(taken).toBeLessThan(200)
    enough.reach()
    await upload.catch(() => undefined)
  })

  test('whose source fails, fails with that error as its cause', async () => {
    using server = new FixtureServer(() => data({ path: '/a', written: 1 }))
    async function* failing(): AsyncGenerator<string> {
      yield 'x'
      throw new RangeError('disk on fire')
    }
    const error = await clientOf(server)
      .writeStream('box', '/a', failing())
      .catch((reason: unknown) => reason)
    expect(String(error) + String((error as Error).cause)).toContain('disk on fire')
  })

  test('with a mode that is none is not sent', async () => {
    using server = new FixtureServer(() => data({}))
    await expect(clientOf(server).writeStream('box', '/a', 'x', { mode: 0o17777 })).rejects.toMatchObject({ code: 'invalid_argument' })
    expect(server.seen).toEqual([])
  })
})
