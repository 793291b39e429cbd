import { describe, expect, test } from 'bun:test'
import {
  AgentKernel,
  AuthError,
  CommandFailedError,
  NetworkError,
  NotAvailableError,
  NotFoundError,
  TimeoutError,
  VERSION,
} from '../src/index.ts'
import { data, FixtureServer, moment, refusal } from './fixture-server.ts'

const clientOf = (server: FixtureServer, options: object = {}): AgentKernel => new AgentKernel({ baseUrl: server.url, ...options })

describe('a request', () => {
  test('says who asks, and brings the key', async () => {
    using server = new FixtureServer(() => data('ok'))
    expect(await clientOf(server, { apiKey: 'k-1' }).health()).toBe('ok')
    expect(server.last.headers.get('user-agent')).toBe(`agentkernel-nodejs-sdk/${VERSION}`)
    expect(server.last.headers.get('authorization')).toBe('Bearer k-1')
  })

  test('without a key sends no header for it', async () => {
    using server = new FixtureServer(() => data('ok'))
    await clientOf(server).health()
    expect(server.last.headers.has('authorization')).toBe(false)
  })

  test('with a body says that it is JSON, and leaves out what was not given', async () => {
    using server = new FixtureServer(() => data({ name: 'a' }))
    await clientOf(server).createSandbox('a', { image: undefined as never, vcpus: 2, labels: { team: 'x' } })
    expect(server.last.headers.get('content-type')).toBe('application/json')
    expect(JSON.parse(server.last.body)).toEqual({ name: 'a', vcpus: 2, labels: { team: 'x' } })
  })

  test('without a body sends none, which restoring a snapshot may', async () => {
    using server = new FixtureServer(() => data({ name: 'a' }))
    await clientOf(server).restoreSnapshot('snap')
    expect(server.last.body).toBe('')
    expect(server.last.headers.has('content-type')).toBe(false)
    await clientOf(server).restoreSnapshot('snap', { as_name: 'b' })
    expect(JSON.parse(server.last.body)).toEqual({ as_name: 'b' })
  })

  test('of a run asks for a prepared sandbox unless told otherwise', async () => {
    using server = new FixtureServer(() => data({ output: '2\n' }))
    const client = clientOf(server)
    expect(await client.run(['echo', '2'])).toEqual({ output: '2\n' })
    expect(JSON.parse(server.last.body)).toEqual({ command: ['echo', '2'], fast: true })
    await client.run(['echo', '2'], { profile: 'restrictive', fast: false, timeout: 5000, signal: AbortSignal.timeout(5000) })
    expect(JSON.parse(server.last.body)).toEqual({ command: ['echo', '2'], fast: false, profile: 'restrictive' })
  })

  test('to make a sandbox can be repeated safely', async () => {
    using server = new FixtureServer(() => data({ name: 'a' }, { status: 201 }))
    await clientOf(server).createSandbox('a', { idempotencyKey: 'key-1' })
    expect(server.last.headers.get('idempotency-key')).toBe('key-1')
    expect(JSON.parse(server.last.body)).toEqual({ name: 'a' })
  })

  test('goes through a fetch of the caller', async () => {
    using server = new FixtureServer(() => data('ok'))
    const asked: string[] = []
    const client = new AgentKernel({
      baseUrl: 'http://nowhere.invalid/base',
      fetch: (url, init) => {
        asked.push(`${init.method} ${url}`)
        return fetch(url.replace('http://nowhere.invalid/base', server.url), init)
      },
    })
    expect(await client.health()).toBe('ok')
    expect(asked).toEqual(['GET http://nowhere.invalid/base/health'])
  })

  test('to any route can be made', async () => {
    using server = new FixtureServer(() => data([1]))
    expect(await clientOf(server).request<number[]>('POST', '/new/route', { query: { a: 1 }, body: { b: 2 } })).toEqual([1])
    expect(server.last).toMatchObject({ method: 'POST', path: '/new/route', body: '{"b":2}' })
    expect(server.last.query.get('a')).toBe('1')
  })
})

describe('an answer', () => {
  test('is what its envelope holds, or all of it where it has none', async () => {
    using server = new FixtureServer(({ path }) =>
      path === '/openapi.json' ? Response.json({ openapi: '3.1.0' }) : data({ version: '1' }),
    )
    const client = clientOf(server)
    expect(await client.openapi()).toEqual({ openapi: '3.1.0' })
    expect((await client.status()).version).toBe('1')
  })

  test('of an older health check is the word in it', async () => {
    using server = new FixtureServer(() => Response.json({ status: 'ok' }))
    expect(await clientOf(server).health()).toBe('ok')
  })

  test('may be a sentence where newer servers say more', async () => {
    using server = new FixtureServer(({ path }) => {
      if (path.endsWith('/start')) return data('Sandbox started')
      if (path.endsWith('/stop'))
        return Response.json({ success: true, data: 'Sandbox stopped', sandbox: { name: 'a', status: 'stopped' } })
      if (path.endsWith('/files')) return data('Wrote 2 file(s)')
      return data({ name: 'a', status: 'running', backend: 'b' })
    })
    const client = clientOf(server)
    expect(await client.startSandbox('a')).toMatchObject({ status: 'running' })
    const before = server.seen.length
    expect(await client.stopSandbox('a')).toMatchObject({ status: 'stopped' })
    expect(server.seen).toHaveLength(before + 1)
    expect(await client.writeFiles('a', { '/x': '1', '/y': '2' })).toEqual({ written: 2 })
  })

  test('that a sandbox has no end holds no end', async () => {
    using server = new FixtureServer(() => data({ expires_at: null }))
    expect(await clientOf(server).extendTtl('a', { by: '0' })).toEqual({})
  })

  test('of status 2xx that says it failed is an error', async () => {
    using server = new FixtureServer(() => Response.json({ success: false, error: 'quietly broken' }))
    await expect(clientOf(server).status()).rejects.toMatchObject({ message: 'quietly broken', status: 200, name: 'AgentKernelError' })
  })

  test('may be empty', async () => {
    using server = new FixtureServer(() => new Response(null, { status: 204 }))
    await clientOf(server).removeSandbox('a')
  })

  test('that is no JSON is an error, not data', async () => {
    using server = new FixtureServer(() => new Response('<html>login</html>', { headers: { 'Content-Type': 'text/html' } }))
    await expect(clientOf(server).listSandboxes()).rejects.toThrow('not JSON')
  })

  test('that refuses is an error with the id of the request', async () => {
    using server = new FixtureServer(() =>
      Response.json(
        { success: false, error: 'Invalid API key', code: 'unauthorized' },
        { status: 401, headers: { 'X-Request-Id': 'r-9' } },
      ),
    )
    const error = await clientOf(server)
      .listSandboxes()
      .catch((reason: unknown) => reason)
    expect(error).toBeInstanceOf(AuthError)
    expect(error).toMatchObject({ requestId: 'r-9', status: 401 })
  })

  test('of a command that failed brings what it wrote', async () => {
    using server = new FixtureServer(() => refusal(409, { error: 'exit code 3', exit_code: 3, output: 'half\n' }))
    const error = await clientOf(server)
      .execInSandbox('a', ['false'])
      .catch((reason: unknown) => reason)
    expect(error).toBeInstanceOf(CommandFailedError)
    expect(error).toMatchObject({ exitCode: 3, output: 'half\n' })
  })

  test('that a feature comes later is an error of its own', async () => {
    using server = new FixtureServer(() => refusal(501, { error: 'snapshots are not available yet', code: 'not_available_yet' }))
    await expect(clientOf(server).takeSnapshot({ sandbox: 'a' })).rejects.toBeInstanceOf(NotAvailableError)
  })

  test('of an object is passed on as it is', async () => {
    using server = new FixtureServer(({ path }) =>
      path.endsWith('/text') ? new Response('plain') : Response.json({ success: true, n: 1 }),
    )
    expect(await clientOf(server).callObject('Counter', 'a', 'inc', { by: 1 })).toEqual({ success: true, n: 1 })
    expect(server.last.path).toBe('/objects/Counter/a/call/inc')
    expect(await clientOf(server).callObject('Counter', 'a', 'text')).toBe('plain')
  })
})

describe('a request that goes wrong', () => {
  test('fails with a network error when nobody listens', async () => {
    const server = new FixtureServer(() => data('ok'))
    const client = clientOf(server)
    server[Symbol.dispose]()
    const error = await client.health().catch((reason: unknown) => reason)
    expect(error).toBeInstanceOf(NetworkError)
    expect(error).toMatchObject({ status: 0, code: 'daemon_unreachable' })
    expect((error as Error).message).toStartWith('GET /health failed: ')
  })

  test('fails when the connection breaks before the answer', async () => {
    using server = new FixtureServer(() => {
      server[Symbol.dispose]()
      return new Promise(() => undefined)
    })
    await expect(clientOf(server).health()).rejects.toBeInstanceOf(NetworkError)
  })

  test('fails with a timeout when the answer does not come', async () => {
    using server = new FixtureServer(() => new Promise(() => undefined))
    const error = await clientOf(server, { timeout: 50 })
      .health()
      .catch((reason: unknown) => reason)
    expect(error).toBeInstanceOf(TimeoutError)
    expect(error).toMatchObject({ code: 'timed_out', message: 'no answer to GET /health within 50 ms' })
  })

  test('fails with a timeout when the answer begins and does not end', async () => {
    async function* half(): AsyncGenerator<string> {
      yield '{"success":true,'
      await new Promise(() => undefined)
    }
    using server = new FixtureServer(() => new Response(half() as unknown as ReadableStream))
    await expect(clientOf(server).status({ timeout: 50 })).rejects.toBeInstanceOf(TimeoutError)
  })

  test('ends with the reason of the caller, who may have given up before', async () => {
    const { reached, reach } = moment()
    using server = new FixtureServer(() => {
      reach()
      return new Promise(() => undefined)
    })
    const controller = new AbortController()
    const answer = clientOf(server).listSandboxes({ signal: controller.signal })
    await reached
    controller.abort(new RangeError('enough'))
    await expect(answer).rejects.toThrow('enough')
    await expect(clientOf(server).health({ signal: controller.signal })).rejects.toThrow('enough')
    expect(server.seen).toHaveLength(1)
  })

  test('leaves nothing behind on the signal of the caller', async () => {
    using server = new FixtureServer(({ path }) => (path === '/health' ? data('ok') : refusal(500, { error: 'no' })), {
      socket: { message: (socket) => socket.close() },
    })
    const { signal } = new AbortController()
    let listeners = 0
    const [add, remove] = [signal.addEventListener.bind(signal), signal.removeEventListener.bind(signal)]
    signal.addEventListener = (...args: Parameters<typeof add>): void => {
      listeners += 1
      add(...args)
    }
    signal.removeEventListener = (...args: Parameters<typeof remove>): void => {
      listeners -= 1
      remove(...args)
    }
    const client = clientOf(server)
    await client.health({ signal })
    await client.status({ signal }).catch(() => undefined)
    await client
      .runStream(['x'], { signal })
      .next()
      .catch(() => undefined)
    await client.readStream('a', '/b', { signal }).catch(() => undefined)
    await client.openExec('a', ['b'], { signal }).catch(() => undefined)
    expect(listeners).toBe(0)
  })

  test('is not sent when a name or path would lead elsewhere', async () => {
    using server = new FixtureServer(() => data(null))
    const client = clientOf(server)
    await expect(client.removeSandbox('')).rejects.toMatchObject({ code: 'invalid_argument' })
    await expect(client.removeSandbox('..')).rejects.toMatchObject({ code: 'invalid_argument' })
    await expect(client.readFile('a', '/../../other/files/x')).rejects.toMatchObject({ code: 'path_forbidden' })
    expect(server.seen).toEqual([])
  })

  test('is not repeated', async () => {
    using server = new FixtureServer(() => refusal(503, { error: 'busy', code: 'shutting_down' }))
    await expect(clientOf(server).run(['true'])).rejects.toMatchObject({ code: 'shutting_down', status: 503 })
    expect(server.seen).toHaveLength(1)
  })
})

describe('a session', () => {
  test('makes a sandbox, works in it, and removes it once', async () => {
    using server = new FixtureServer(({ path }) => (path.endsWith('/exec') ? data({ output: 'hi\n' }) : data({ name: 'box' })))
    {
      await using box = await clientOf(server).sandbox('box', { labels: { a: 'b' } })
      expect(box.name).toBe('box')
      expect((await box.run(['echo', 'hi'])).output).toBe('hi\n')
      expect((await box.exec(['echo', 'hi'], { workdir: '/tmp', env: ['A=1'], sudo: true })).output).toBe('hi\n')
      expect(JSON.parse(server.last.body)).toEqual({ command: ['echo', 'hi'], workdir: '/tmp', env: ['A=1'], sudo: true })
      expect((await box.info()).name).toBe('box')
      await Promise.all([box.remove(), box.remove()])
    }
    expect(server.seen.map(({ method, path }) => `${method} ${path}`)).toEqual([
      'POST /sandboxes',
      'POST /sandboxes/box/exec',
      'POST /sandboxes/box/exec',
      'GET /sandboxes/box',
      'DELETE /sandboxes/box',
    ])
  })

  test('is over when its sandbox is gone already', async () => {
    using server = new FixtureServer(({ method }) =>
      method === 'DELETE' ? refusal(404, { error: 'no', code: 'sandbox_not_found' }) : data({ name: 'box' }),
    )
    const box = await clientOf(server).sandbox('box')
    await box.remove()
    await box[Symbol.asyncDispose]()
    expect(server.seen.filter(({ method }) => method === 'DELETE')).toHaveLength(1)
  })

  test('that could not remove its sandbox says so, and tries again when asked again', async () => {
    let failures = 1
    using server = new FixtureServer(({ method }) => {
      if (method !== 'DELETE') return data({ name: 'box' })
      return failures-- > 0 ? refusal(503, { error: 'not now' }) : data('Sandbox removed')
    })
    const box = await clientOf(server).sandbox('box')
    await expect(box.remove()).rejects.toThrow('not now')
    await box.remove()
    expect(server.seen.filter(({ method }) => method === 'DELETE')).toHaveLength(2)
  })

  test('of a server without that route is not over', async () => {
    using server = new FixtureServer(({ method }) =>
      method === 'DELETE' ? refusal(404, { error: 'Not found', code: 'route_not_found' }) : data({ name: 'box' }),
    )
    const box = await clientOf(server).sandbox('box')
    await expect(box.remove()).rejects.toBeInstanceOf(NotFoundError)
  })
})
