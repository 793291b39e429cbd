import { describe, expect, test } from 'bun:test'
import { createRequire } from 'node:module'
import {
  AgentKernel,
  AuthError,
  NetworkError,
  NotFoundError,
  StreamError,
  TimeoutError,
  ValidationError,
  type WsConstructor,
} from '../src/index.ts'
import { type Peer, start, textOf, world } from './exec-peer.ts'
import { FixtureServer, refusal } from './fixture-server.ts'

// The package has no types of its own.
const WS = createRequire(import.meta.url)('ws') as WsConstructor

describe('an opened command', () => {
  test('is started with what was asked for, and gives its streams and its end', async () => {
    using at = world((message, peer) => {
      start(message, peer)
      peer.output(1, 'out')
      peer.output(2, 'err')
      peer.tell({ type: 'gap', stream: 'stdout', offset: 9 })
      peer.output(1, new Uint8Array())
      peer.tell({ type: 'invented_later' })
      peer.end(3)
    })
    const options = { env: ['A=1'], workdir: '/tmp', sudo: true, timeout_ms: 1000, tty: { cols: 80, rows: 24 } }
    await using session = await at.client.openExec('box', ['sh', '-i'], options)
    expect(session).toMatchObject({ id: 'e1', pid: 42 })
    expect(at.peer.messages).toEqual([{ type: 'exec', command: ['sh', '-i'], stdin: true, ...options }])
    expect(at.server.last.path).toBe('/sandboxes/box/exec/ws')
    expect(await textOf(session)).toBe('stdout:out;stderr:err;[gap 9]')
    expect(await session.result).toEqual({ exit_code: 3, ended: 'exited', duration_ms: 4 })
    await at.peer.closed.reached
  })

  test('brings the key in a header, and offers the protocol', async () => {
    using at = world(start)
    await using _session = await at.client.openExec('box', ['cat'])
    expect(at.server.last.headers.get('authorization')).toBe('Bearer se/cret+?')
    expect(at.server.last.headers.get('user-agent')).toStartWith('agentkernel-nodejs-sdk/')
    expect(at.server.last.headers.get('sec-websocket-protocol')).toBe('agentkernel.v1')
  })

  test('can be opened with the class of the package ws', async () => {
    using at = world(start, { ws: WS })
    await using session = await at.client.openExec('box', ['cat'])
    expect(session.pid).toBe(42)
    expect(at.server.last.headers.get('authorization')).toBe('Bearer se/cret+?')
  })

  test('can be opened by a function of the caller, with the key among the protocols where headers cannot be sent', async () => {
    const urls: string[] = []
    using at = world(start, {
      webSocket: (url: string, { protocolsWithKey }: { protocolsWithKey: string[] }) => {
        urls.push(url)
        return new WebSocket(url, protocolsWithKey)
      },
    })
    await using session = await at.client.openExec('box', ['cat'])
    expect(session.pid).toBe(42)
    expect(urls).toEqual([`${at.server.url.replace('http', 'ws')}/sandboxes/box/exec/ws`])
    const offered = at.server.last.headers.get('sec-websocket-protocol')!.split(', ')
    expect(offered).toEqual(['agentkernel.v1', `agentkernel.bearer.${Buffer.from('se/cret+?').toString('base64url')}`])
  })

  test('is signalled, resized, written to and told the end of its stdin, in that order', async () => {
    using at = world((message, peer) => {
      start(message, peer)
      if (!Buffer.isBuffer(message) && message.type === 'stdin_eof') peer.end()
    })
    await using session = await at.client.openExec('box', ['cat'])
    session.signal('SIGUSR1')
    session.signal(15)
    session.resize(100, 40)
    await session.write('héllo ')
    await session.write(new Uint8Array([0, 255]))
    session.closeStdin()
    await session.result
    expect(at.peer.messages.slice(1)).toEqual([
      { type: 'signal', signal: 10 },
      { type: 'signal', signal: 15 },
      { type: 'resize', cols: 100, rows: 40 },
      { type: 'stdin_eof' },
    ])
    expect(at.peer.stdin.map((bytes) => bytes[0])).toEqual([0, 0])
    expect(Buffer.concat(at.peer.stdin.map((bytes) => bytes.subarray(1)))).toEqual(Buffer.from([...Buffer.from('héllo '), 0, 255]))
    expect(() => session.signal(0)).toThrow(ValidationError)
    expect(() => session.signal(65)).toThrow(ValidationError)
  })

  test('is never sent more than it has room for', async () => {
    const total = 1_000_000
    let room = 262_144
    let got = 0
    let overdrawn = false
    using at = world((message, peer) => {
      start(message, peer)
      if (!Buffer.isBuffer(message)) return
      const size = message.length - 1
      got += size
      room -= size
      overdrawn ||= room < 0 || size > 262_144
      // Room comes back late and in odd portions.
      if (room < 100_000) {
        room += 77_777
        peer.tell({ type: 'stdin_credit', bytes: 77_777 })
      }
      if (got === total) peer.end()
    })
    await using session = await at.client.openExec('box', ['cat'])
    await Promise.all([session.write(new Uint8Array(total - 1)), session.write('x')])
    await session.result
    expect({ got, overdrawn }).toEqual({ got: total, overdrawn: false })
    expect(at.peer.stdin.at(-1)!.toString()).toEndWith('x')
  })

  test('waits with writing while there is no room, and hears of the end meanwhile', async () => {
    using at = world((message, peer) => {
      start(message, peer)
      if (Buffer.isBuffer(message)) peer.end(1)
    })
    await using session = await at.client.openExec('box', ['head', '-c1'])
    const write = session.write(new Uint8Array(1_000_000))
    await expect(write).rejects.toMatchObject({ message: 'the command has ended and reads no more' })
    await expect(session.write('more')).rejects.toBeInstanceOf(StreamError)
    expect(await session.result).toMatchObject({ exit_code: 1 })
  })

  test('takes a whole source, and stops without an error when it ends early', async () => {
    using at = world((message, peer) => {
      start(message, peer)
      if (!Buffer.isBuffer(message) && message.type === 'stdin_eof') peer.end()
    })
    await using session = await at.client.openExec('box', ['cat'])
    await session.pipe(['a', 'b'].map((text) => new TextEncoder().encode(text)))
    await session.result
    expect(at.peer.stdin.map((bytes) => bytes.subarray(1).toString())).toEqual(['a', 'b'])

    using other = world((message, peer) => {
      start(message, peer)
      if (Buffer.isBuffer(message)) peer.end(0)
    })
    await using early = await other.client.openExec('box', ['head'])
    async function* endless(): AsyncGenerator<string> {
      for (;;) yield 'y\n'.repeat(50_000)
    }
    await early.pipe(endless())
    expect((await early.result).exit_code).toBe(0)
  })

  test('is held up while its output is not read', async () => {
    const piece = new Uint8Array(1 << 20)
    let sent = 0
    let refused = false
    using at = world((message, peer) => {
      start(message, peer)
      // Bun tells by -1 that the client is behind.
      while (sent < 2000 && !refused) {
        sent += 1
        refused = peer.output(1, piece) === -1
      }
      if (!refused) peer.end()
    })
    await using session = await at.client.openExec('box', ['yes'])
    expect(session.id).toBe('e1')
    expect(refused).toBe(true)
    expect(sent).toBeLessThan(200)
    // And flows again once it is read.
    let got = 0
    for await (const chunk of session.output) {
      if ('bytes' in chunk) got += chunk.bytes.length
      if (got >= sent << 20) break
    }
    expect(got).toBe(sent << 20)
  })
})

describe('a command that was started elsewhere', () => {
  test('is come to from any point of its output', async () => {
    using at = world((message, peer) => {
      start(message, peer)
      peer.end()
    })
    await using session = await at.client.attachExec('box', 'e1', { stdout: 10, stdin: true })
    expect(at.peer.messages).toEqual([{ type: 'attach', stdout: 10, stderr: 0, stdin: true }])
    expect(at.server.last.path).toBe('/sandboxes/box/exec/detached/e1/ws')
    expect(await textOf(session)).toBe('')
  })
})

describe('a session that goes wrong', () => {
  const opened = async (answer: Peer['answer']): Promise<unknown> => {
    using at = world((message, peer) => {
      start(message, peer)
      answer(message, peer)
    })
    const session = await at.client.openExec('box', ['x'])
    const [output, result] = await Promise.allSettled([textOf(session), session.result])
    expect(output.status).toBe('rejected')
    expect((result as PromiseRejectedResult).reason).toBe((output as PromiseRejectedResult).reason)
    await at.peer.closed.reached
    return (result as PromiseRejectedResult).reason
  }

  test('fails where the server hangs up before the end', async () => {
    const error = await opened((_message, peer) => peer.hangUp())
    expect(error).toBeInstanceOf(StreamError)
    expect(String(error)).toContain('1012: the server restarts')
  })

  test('fails with what the server says', async () => {
    expect(await opened((_message, peer) => peer.tell({ type: 'error', code: 'sandbox_lost', message: 'gone', fix: 'f' }))).toMatchObject({
      code: 'sandbox_lost',
      fix: 'f',
      name: 'ServerError',
    })
  })

  test('fails on messages that are none, and closes the connection', async () => {
    for (const nonsense of [
      'nope',
      '[]',
      '{"type":"exit"}',
      '{"type":"stdin_credit","bytes":-5}',
      '{"type":"stdin_credit"}',
      new Uint8Array([7, 1]),
      new Uint8Array(),
    ]) {
      const error = await opened((_message, peer) => peer.raw(nonsense))
      expect(error).toBeInstanceOf(StreamError)
      expect(String(error)).toContain('the server sent')
    }
  })

  test('is not opened where the command cannot start', async () => {
    using at = world((_message, peer) => peer.tell({ type: 'error', code: 'sandbox_not_found', message: 'Sandbox not found', fix: 'f' }))
    await expect(at.client.openExec('box', ['x'])).rejects.toBeInstanceOf(NotFoundError)
    await at.peer.closed.reached
  })

  test('is explained where the server refuses the WebSocket', async () => {
    using server = new FixtureServer(() => refusal(401, { error: 'Invalid API key', code: 'unauthorized' }), {})
    // The fixture upgrades whatever asks; another address stands for one that does not.
    using proxy = new FixtureServer((seen) => (seen.path.endsWith('/ws') ? refusal(401, {}) : fetch(server.url + seen.path)))
    const client = new AgentKernel({ baseUrl: proxy.url, webSocket: (url) => new WebSocket(url.replace(/:\d+/, ':1')) })
    await expect(client.openExec('box', ['x'])).rejects.toBeInstanceOf(AuthError)
  })

  test('is a network error where nobody answers', async () => {
    const client = new AgentKernel({ baseUrl: 'http://127.0.0.1:1' })
    await expect(client.openExec('box', ['x'])).rejects.toBeInstanceOf(NetworkError)
  })

  test('is a timeout where the command does not start in time', async () => {
    using at = world(() => undefined)
    await expect(at.client.openExec('box', ['x'], { timeout: 50 })).rejects.toBeInstanceOf(TimeoutError)
    await at.peer.closed.reached
  })

  test('ends with the reason of the caller, before the start and after it', async () => {
    using at = world(start)
    const gone = AbortSignal.abort(new RangeError('never mind'))
    await expect(at.client.openExec('box', ['x'], { signal: gone })).rejects.toThrow('never mind')
    expect(at.server.seen).toEqual([])
    const controller = new AbortController()
    const session = await at.client.openExec('box', ['x'], { signal: controller.signal })
    controller.abort(new RangeError('enough'))
    await expect(session.result).rejects.toThrow('enough')
    await expect(textOf(session)).rejects.toThrow('enough')
    await expect(session.write('x')).rejects.toThrow('enough')
    await at.peer.closed.reached
  })

  test('is closed twice without harm', async () => {
    using at = world(start)
    const session = await at.client.openExec('box', ['x'])
    session.close()
    await session[Symbol.asyncDispose]()
    await expect(session.result).rejects.toMatchObject({ code: 'canceled' })
    session.signal('SIGTERM')
    session.resize(1, 1)
    await at.peer.closed.reached
  })

  test('says what to do where the runtime has no WebSocket', async () => {
    const global = globalThis as { WebSocket?: unknown }
    const before = global.WebSocket
    delete global.WebSocket
    try {
      const error = await new AgentKernel().openExec('box', ['x']).catch((reason: unknown) => reason)
      expect(error).toMatchObject({ code: 'usage', message: 'this runtime has no WebSocket' })
      expect((error as ValidationError).fix).toContain('`ws`')
    } finally {
      global.WebSocket = before
    }
  })
})

describe('a stream of a command with input', () => {
  test('goes over a WebSocket and yields the same events', async () => {
    using at = world((message, peer) => {
      start(message, peer)
      if (Buffer.isBuffer(message)) peer.output(1, message.subarray(1))
      else if (message.type === 'stdin_eof') peer.end()
    })
    const seen = await Array.fromAsync(at.client.execStream('box', ['cat'], { stdin: 'hi' }))
    expect(seen).toEqual([
      { type: 'started', id: 'e1', pid: 42 },
      { type: 'output', stream: 'stdout', data: 'hi', bytes: new Uint8Array([104, 105]) },
      { type: 'done', exit_code: 0, ended: 'exited', duration_ms: 4 },
    ])
    expect(at.peer.messages[0]).toMatchObject({ stdin: true })
  })

  test('on a terminal has no input unless there is some', async () => {
    using at = world((message, peer) => {
      start(message, peer)
      peer.end()
    })
    await Array.fromAsync(at.client.execStream('box', ['ls'], { tty: { cols: 80, rows: 24 } }))
    expect(at.peer.messages).toEqual([{ type: 'exec', command: ['ls'], stdin: false, tty: { cols: 80, rows: 24 } }])
  })

  test('ends the command when the loop is left, or its input fails', async () => {
    using at = world((message, peer) => {
      start(message, peer)
      peer.output(1, 'x')
    })
    for await (const event of at.client.execStream('box', ['yes'], { stdin: '' })) if (event.type === 'output') break
    await at.peer.closed.reached

    using other = world(start)
    async function* failing(): AsyncGenerator<string> {
      yield 'x'
      throw new RangeError('disk on fire')
    }
    await expect(Array.fromAsync(other.client.execStream('box', ['cat'], { stdin: failing() }))).rejects.toThrow('disk on fire')
    await other.peer.closed.reached
  })
})
