import { describe, expect, test } from 'bun:test'
import { AgentKernel, type ExecStreamEvent, NetworkError, StreamError } from '../src/index.ts'
import { data, events, FixtureServer, moment, refusal } from './fixture-server.ts'

const clientOf = (server: FixtureServer): AgentKernel => new AgentKernel({ baseUrl: server.url })
const started = ['started', { command: ['x'], fast: false, exec_id: 'e1' }] as const
const done = ['done', { exit_code: 0, success: true, ended: 'exited', duration_ms: 5, exec_id: 'e1' }] as const

describe('a streamed run', () => {
  test('yields what the server says, and ends with its last word', async () => {
    const sent = [started, ['progress', { stage: 'sandbox_created' }], ['output', { data: 'hi\n', stream: 'stdout' }], done] as const
    using server = new FixtureServer(() => events([...sent, ['output', { data: 'never' }]]))
    const seen = await Array.fromAsync(clientOf(server).runStream(['x'], { profile: 'restrictive' }))
    expect(seen).toEqual(sent.map(([type, fields]) => ({ type, data: { ...fields } }) as never))
    expect(JSON.parse(server.last.body)).toEqual({ command: ['x'], fast: true, profile: 'restrictive' })
    expect(server.last.headers.get('accept')).toBe('text/event-stream')
  })

  test('yields an error as its last event, as it always did', async () => {
    using server = new FixtureServer(() => events([['error', { message: 'no command' }]]))
    expect(await Array.fromAsync(clientOf(server).runStream(['x']))).toEqual([{ type: 'error', data: { message: 'no command' } }])
  })

  test('leaves out what it does not know', async () => {
    using server = new FixtureServer(() => events([['gap', { stream: 'stdout', offset: 9 }], ': ping\n\n', done]))
    expect((await Array.fromAsync(clientOf(server).runStream(['x']))).map(({ type }) => type)).toEqual(['done'])
  })

  test('that is refused throws', async () => {
    using server = new FixtureServer(() => refusal(400, { error: 'command is required', code: 'invalid_argument' }))
    await expect(clientOf(server).runStream([]).next()).rejects.toMatchObject({ name: 'ValidationError', message: 'command is required' })
  })

  test('that breaks off, is not JSON or no stream of events, throws a stream error', async () => {
    for (const reply of [
      () => events([started]),
      () => events(['event: output\ndata: nope\n\n']),
      () => events(['event: done\ndata: 1\n\n']),
      () => data('x'),
    ]) {
      using server = new FixtureServer(reply)
      await expect(Array.fromAsync(clientOf(server).runStream(['x']))).rejects.toBeInstanceOf(StreamError)
    }
  })

  test('ends at the server when the loop is left', async () => {
    const gone = moment()
    using server = new FixtureServer((_seen, request) => {
      request.signal.addEventListener('abort', () => gone.reach())
      return events(
        (async function* () {
          yield started
          await gone.reached
        })(),
      )
    })
    for await (const { type } of clientOf(server).runStream(['x'])) {
      expect(type).toBe('started')
      break
    }
    await gone.reached
  })

  test('ends with the reason of the caller', async () => {
    using server = new FixtureServer(() =>
      events(
        (async function* () {
          yield started
          await new Promise(() => undefined)
        })(),
      ),
    )
    const controller = new AbortController()
    const stream = clientOf(server).runStream(['x'], { signal: controller.signal })
    await stream.next()
    const next = stream.next()
    controller.abort(new RangeError('enough'))
    await expect(next).rejects.toThrow('enough')
  })
})

describe('a streamed command', () => {
  test('yields text and bytes of each channel, and how it ended', async () => {
    const sent = [
      started,
      ['output', { data: 'o\n', content: 'o\n', stream: 'stdout' }],
      ['gap', { stream: 'stderr', offset: 100 }],
      ['output', { content: 'e', stream: 'stderr' }],
      ['output', { data: '/wA=', stream: 'stdout', encoding: 'base64' }],
      ['done', { exit_code: 137, success: false, ended: 'signaled', signal: 9, duration_ms: 12, exec_id: 'e1', output: 'o' }],
    ] as const
    using server = new FixtureServer(() => events(sent))
    const seen = await Array.fromAsync(clientOf(server).execStream('box', ['x'], { env: ['A=1'], workdir: '/tmp', timeout_ms: 9 }))
    expect(seen).toEqual([
      { type: 'started', id: 'e1' },
      { type: 'output', stream: 'stdout', data: 'o\n', bytes: new TextEncoder().encode('o\n') },
      { type: 'gap', stream: 'stderr', offset: 100 },
      { type: 'output', stream: 'stderr', data: 'e', bytes: new TextEncoder().encode('e') },
      { type: 'output', stream: 'stdout', data: '\ufffd\0', bytes: new Uint8Array([0xff, 0]) },
      { type: 'done', exit_code: 137, ended: 'signaled', signal: 9, duration_ms: 12 },
    ] satisfies ExecStreamEvent[])
    expect(server.last.path).toBe('/sandboxes/box/exec/stream')
    expect(JSON.parse(server.last.body)).toEqual({ command: ['x'], env: ['A=1'], workdir: '/tmp', timeout_ms: 9 })
  })

  test('passes on what the server wants known', async () => {
    using server = new FixtureServer(() => events([['started', { exec_id: 'e1', warnings: ['no field `x`'] }], done]))
    expect((await clientOf(server).execStream('box', ['x']).next()).value).toEqual({
      type: 'started',
      id: 'e1',
      warnings: ['no field `x`'],
    })
  })

  test('gives a character that was cut in two once, as one', async () => {
    const [first, second] = [Buffer.from([0xc3]).toString('base64'), Buffer.from([0xa9]).toString('base64')]
    using server = new FixtureServer(() =>
      events([
        started,
        ['output', { data: first, encoding: 'base64' }],
        ['output', { data: 'x', stream: 'stderr' }],
        ['output', { data: second, encoding: 'base64' }],
        done,
      ]),
    )
    let text = ''
    for await (const event of clientOf(server).execStream('box', ['x']))
      if (event.type === 'output' && event.stream === 'stdout') text += event.data
    expect(text).toBe('é')
  })

  test('that fails on the way throws what went wrong', async () => {
    using server = new FixtureServer(() => events([started, ['error', { code: 'sandbox_lost', message: 'gone', fix: 'Start it.' }]]))
    await expect(Array.fromAsync(clientOf(server).execStream('box', ['x']))).rejects.toMatchObject({
      code: 'sandbox_lost',
      status: 502,
      fix: 'Start it.',
    })
  })

  test('that ends without a word, or says nonsense, throws a stream error', async () => {
    for (const items of [[started], [['done', {}]], [['output', {}]], [['output', { data: '*', encoding: 'base64' }]]] as const) {
      using server = new FixtureServer(() => events(items as never))
      await expect(Array.fromAsync(clientOf(server).execStream('box', ['x']))).rejects.toBeInstanceOf(StreamError)
    }
  })
})

describe('events of the server', () => {
  const event = (id: number): string =>
    `id: ${id}\nevent: sandbox.created\ndata: ${JSON.stringify({ id, event: 'sandbox.created', sandbox: 'a' })}\n\n`

  test('go on after a lost connection from the last one that was seen', async () => {
    let connections = 0
    using server = new FixtureServer(() => {
      connections += 1
      if (connections === 2) return refusal(503, { error: 'restarting', code: 'shutting_down' })
      return events(connections === 1 ? ['retry: 1\n', event(7), event(8)] : [event(9), event(10)])
    })
    const ids: number[] = []
    for await (const { id } of clientOf(server).events({ sandbox: 'a' })) {
      ids.push(id)
      if (id === 10) break
    }
    expect(ids).toEqual([7, 8, 9, 10])
    expect(server.seen.map(({ headers }) => headers.get('last-event-id'))).toEqual([null, '8', '8'])
    expect(server.last.query.get('sandbox')).toBe('a')
  })

  test('may begin after any of them', async () => {
    using server = new FixtureServer(() => events([event(5)]))
    for await (const _ of clientOf(server).events({ lastEventId: 4 })) break
    expect(server.last.headers.get('last-event-id')).toBe('4')
  })

  test('end when the server cannot be reached any more', async () => {
    const server = new FixtureServer(() => events(['retry: 1\n', event(1)]))
    const stream = clientOf(server).events({ reconnects: 2 })
    await stream.next()
    server[Symbol.dispose]()
    await expect(stream.next()).rejects.toBeInstanceOf(NetworkError)
  })

  test('end with what the server says went wrong, and outlast a restart', async () => {
    const error = (code: string): string => `event: error\ndata: ${JSON.stringify({ code, message: code })}\n\n`
    let connections = 0
    using server = new FixtureServer(() => {
      connections += 1
      return events(['retry: 1\n', connections === 1 ? event(3) + error('shutting_down') : error('store_failed')])
    })
    const stream = clientOf(server).events()
    expect((await stream.next()).value).toMatchObject({ id: 3 })
    await expect(stream.next()).rejects.toMatchObject({ code: 'store_failed', status: 500 })
    expect(server.last.headers.get('last-event-id')).toBe('3')
  })

  test('end at once when the server refuses', async () => {
    using server = new FixtureServer(() => refusal(401, { error: 'Invalid API key' }))
    await expect(clientOf(server).events().next()).rejects.toMatchObject({ name: 'AuthError' })
    expect(server.seen).toHaveLength(1)
  })

  test('end with the reason of the caller, also between two connections', async () => {
    using server = new FixtureServer(() => refusal(503, { error: 'restarting' }))
    const controller = new AbortController()
    const next = clientOf(server).events({ signal: controller.signal }).next()
    while (server.seen.length === 0) await Bun.sleep(1)
    controller.abort(new RangeError('enough'))
    await expect(next).rejects.toThrow('enough')
  })
})

test('changes of files come as they happen', async () => {
  using server = new FixtureServer(() =>
    events([
      ['ready', {}],
      ['change', { kind: 'created', path: '/a/b' }],
      ['change', { kind: 'overflow', path: '/a' }],
    ]),
  )
  expect(await Array.fromAsync(clientOf(server).watchFiles('box', '/a', { recursive: true }))).toEqual([
    { kind: 'created', path: '/a/b' },
    { kind: 'overflow', path: '/a' },
  ])
  expect(server.last.path).toBe('/sandboxes/box/watch')
  expect([...server.last.query]).toEqual([
    ['path', '/a'],
    ['recursive', 'true'],
  ])
})
