import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { connect } from 'node:net'
import { INITIAL_STDIN_CREDIT, type ServerMessage, SOCKET_STDERR, SOCKET_STDIN, SOCKET_STDOUT } from '../../src/contract/exec-socket.ts'
import { HttpDaemon } from './http-daemon.ts'
import { eventually, processesWith, within } from './kit.ts'

const MIB = 1024 ** 2
let http: HttpDaemon
beforeAll(async () => {
  http = await HttpDaemon.start()
  await http.sandbox('box')
})
afterAll(async () => {
  await http.daemon.dispose()
})

/** A client of an exec WebSocket that keeps what it is told. */
class Client {
  readonly socket: WebSocket
  readonly messages: ServerMessage[] = []
  readonly bytes = { [SOCKET_STDOUT]: [] as Uint8Array[], [SOCKET_STDERR]: [] as Uint8Array[] }
  readonly opened: Promise<void>
  readonly closed: Promise<{ readonly code: number; readonly reason: string }>
  size = 0
  #wake: () => void = () => undefined

  constructor(path: string, server = http) {
    this.socket = server.socket(path)
    this.opened = new Promise((resolve) => this.socket.addEventListener('open', () => resolve(), { once: true }))
    this.closed = new Promise((resolve) =>
      this.socket.addEventListener('close', ({ code, reason }) => resolve({ code, reason }), { once: true }),
    )
    this.socket.addEventListener('message', ({ data }: MessageEvent) => this.#take(data as string | ArrayBuffer))
    void this.closed.then(() => this.#wake())
  }

  static async exec(command: readonly string[], more: object = {}): Promise<Client> {
    const client = new Client('/sandboxes/box/exec/ws')
    await client.opened
    client.tell({ type: 'exec', command, ...more })
    return client
  }

  tell(message: object): void {
    this.socket.send(JSON.stringify(message))
  }

  write(bytes: string | Uint8Array): void {
    this.socket.send(Buffer.concat([Buffer.from([SOCKET_STDIN]), Buffer.from(bytes)]))
  }

  /** Waits until what has come is what is waited for. */
  async until(holds: () => boolean, what: string): Promise<void> {
    while (!holds()) await within(new Promise<void>((resolve) => (this.#wake = resolve)), what)
  }

  async message<T extends ServerMessage['type']>(type: T): Promise<Extract<ServerMessage, { type: T }>> {
    const found = () => this.messages.find((message) => message.type === type)
    await this.until(() => found() !== undefined, `${type}, after ${JSON.stringify(this.messages)}`)
    return found() as Extract<ServerMessage, { type: T }>
  }

  text(channel: typeof SOCKET_STDOUT | typeof SOCKET_STDERR = SOCKET_STDOUT): string {
    return Buffer.concat(this.bytes[channel]).toString()
  }

  #take(data: string | ArrayBuffer): void {
    if (typeof data === 'string') this.messages.push(JSON.parse(data) as ServerMessage)
    else {
      const bytes = new Uint8Array(data)
      this.size += bytes.length - 1
      this.bytes[bytes[0] as typeof SOCKET_STDOUT].push(bytes.slice(1))
    }
    this.#wake()
  }
}

const sh = (script: string): string[] => ['sh', '-c', script]
const marked = (): string => `sleep ${984_000_000 + Math.floor(Math.random() * 1_000_000)}`

describe('a command over a WebSocket', () => {
  test('keeps its two outputs apart, and says how it ended before the socket closes', async () => {
    const client = await Client.exec(sh('echo out; echo err >&2; exit 5'))
    expect(await within(client.closed, 'the close')).toEqual({ code: 1000, reason: '' })
    expect([client.text(), client.text(SOCKET_STDERR)]).toEqual(['out\n', 'err\n'])
    expect(client.messages).toEqual([
      { type: 'started', id: expect.any(String), pid: expect.any(Number) },
      { type: 'exit', exit_code: 5, ended: 'exited', duration_ms: expect.any(Number) },
    ])
  })

  test('reads what is sent to it, and its end', async () => {
    const client = await Client.exec(['cat'], { stdin: true })
    client.write('one ')
    client.write('two')
    await client.until(() => client.text() === 'one two', 'what cat gives back')
    client.tell({ type: 'stdin_eof' })
    expect(await client.message('exit')).toMatchObject({ exit_code: 0 })
  })

  test('takes much more than its first credit, as fast as it is read', async () => {
    const client = await Client.exec(sh('wc -c'), { stdin: true })
    await client.message('started')
    let [credit, sent] = [INITIAL_STDIN_CREDIT, 0]
    const granted = () => client.messages.reduce((sum, message) => sum + (message.type === 'stdin_credit' ? message.bytes : 0), 0)
    while (sent < 4 * MIB) {
      await client.until(() => INITIAL_STDIN_CREDIT + granted() - sent > 0, 'credit')
      credit = Math.min(INITIAL_STDIN_CREDIT + granted() - sent, 65_536)
      client.write(new Uint8Array(credit))
      sent += credit
    }
    client.tell({ type: 'stdin_eof' })
    await client.message('exit')
    expect(Number(client.text())).toBe(sent)
  })

  test('on a terminal knows its size, and is told when that changes', async () => {
    const client = await Client.exec(sh('stty size; read x; stty size'), { tty: { cols: 100, rows: 30 }, stdin: true })
    await client.until(() => client.text().includes('30 100'), 'the first size')
    client.tell({ type: 'resize', cols: 90, rows: 20 })
    client.write('\n')
    await client.until(() => client.text().includes('20 90'), 'the second size')
    expect(await client.message('exit')).toMatchObject({ exit_code: 0 })
  })

  test('gets signals', async () => {
    const client = await Client.exec(sh('trap "echo caught; exit 9" TERM; echo ready; while :; do sleep 0.01; done'))
    await client.until(() => client.text() === 'ready\n', 'the trap')
    client.tell({ type: 'signal', signal: 15 })
    expect(await client.message('exit')).toMatchObject({ exit_code: 9 })
    expect(client.text()).toBe('ready\ncaught\n')
  })

  test('ends when its socket closes', async () => {
    const marker = marked()
    const client = await Client.exec(marker.split(' '))
    await client.message('started')
    await eventually(() => processesWith(marker).length > 0, 'the command runs')
    client.socket.close()
    await eventually(() => processesWith(marker).length === 0, 'the command has ended')
  })

  test('waits for a client that does not read, and loses nothing', async () => {
    const url = new URL(http.daemon.url)
    const socket = connect({ host: url.hostname, port: Number(url.port) })
    socket.write(
      `GET /sandboxes/box/exec/ws HTTP/1.1\r\nHost: ${url.host}\r\nAuthorization: Bearer key\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n` +
        'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n',
    )
    await new Promise<void>((resolve) => socket.once('data', () => resolve()))
    const message = Buffer.from(JSON.stringify({ type: 'exec', command: sh(`head -c ${64 * MIB} /dev/zero`) }))
    // A masked text frame of less than 126 bytes, with a mask of zeros.
    socket.write(Buffer.concat([Buffer.from([0x81, 0x80 | message.length, 0, 0, 0, 0]), message]))
    socket.pause()
    const other = await Client.exec(['echo', 'still here'])
    expect(await other.message('exit')).toMatchObject({ exit_code: 0 })
    let size = 0
    const ended = new Promise<void>((resolve) => socket.once('close', () => resolve()))
    socket.on('data', (data) => {
      size += data.length
      if (size > 64 * MIB && data.includes('"type":"exit"')) socket.destroy()
    })
    socket.resume()
    await within(ended, 'all of the output')
    expect(size).toBeGreaterThan(64 * MIB)
  })
})

describe('a command that exists', () => {
  const detach = async (command: readonly string[]): Promise<string> =>
    ((await http.post('/sandboxes/box/exec/detach', { command })).body['data'] as { id: string }).id

  test('is come to from an offset on, and leaving does not end it', async () => {
    const marker = marked()
    const id = await detach(sh(`printf 0123456789; ${marker}`))
    const visit = async (stdout: number): Promise<Client> => {
      const client = new Client(`/sandboxes/box/exec/detached/${id}/ws`)
      await client.opened
      client.tell({ type: 'attach', stdout })
      return client
    }
    const first = await visit(0)
    await first.until(() => first.text() === '0123456789', 'all of it')
    first.socket.close()
    const second = await visit(7)
    await second.until(() => second.text() === '789', 'the end of it')
    expect(processesWith(marker).length).toBeGreaterThan(0)
    await http.ask(`/sandboxes/box/exec/detached/${id}`, { method: 'DELETE' })
    expect(await second.message('exit')).toMatchObject({ exit_code: 137, ended: 'signaled' })
  })

  test('that is not there is an error', async () => {
    const client = new Client('/sandboxes/box/exec/detached/nobody/ws')
    await client.opened
    client.tell({ type: 'attach' })
    expect(await client.message('error')).toMatchObject({ code: 'exec_not_found', fix: expect.any(String) })
    expect((await within(client.closed, 'the close')).code).toBe(1011)
  })
})

test('a command outlives the server that it was started through, and can be come to through the next', async () => {
  const first = await HttpDaemon.start()
  let second: HttpDaemon | undefined
  const marker = marked()
  try {
    await first.sandbox('stays')
    const client = new Client('/sandboxes/stays/exec/ws', first)
    await client.opened
    client.tell({ type: 'exec', command: sh(`echo before; ${marker} & trap 'echo after; exit 3' TERM; wait`) })
    const { id } = await client.message('started')
    await client.until(() => client.text() === 'before\n', 'the first output')
    const [ended, close] = await Promise.all([first.daemon.end(), within(client.closed, 'the close', 20_000)])
    expect([ended, close.code]).toEqual([undefined, 1012])
    expect(processesWith(marker).length).toBeGreaterThan(0)

    second = await HttpDaemon.start({ home: first.daemon.home })
    const visitor = new Client(`/sandboxes/stays/exec/detached/${id}/ws`, second)
    await visitor.opened
    visitor.tell({ type: 'attach' })
    await visitor.until(() => visitor.text() === 'before\n', 'what was written before')
    visitor.tell({ type: 'signal', signal: 15 })
    expect(await visitor.message('exit')).toMatchObject({ exit_code: 3 })
    expect(visitor.text()).toBe('before\nafter\n')
  } finally {
    await (second ?? first).daemon.dispose()
  }
}, 60_000)

describe('a client that makes a mistake is told so, and let go', () => {
  const mistake = async (send: (client: Client) => void, path = '/sandboxes/box/exec/ws') => {
    const client = new Client(path)
    await client.opened
    send(client)
    const { code, message } = await client.message('error')
    return { code, message, close: (await within(client.closed, 'the close')).code }
  }

  test.each([
    ['{', 'invalid_argument'],
    ['[]', 'invalid_argument'],
    ['{"type":"attach"}', 'invalid_argument'],
    ['{"type":"exec","command":[]}', 'invalid_argument'],
    ['{"type":"exec","command":["id"],"sudo":true}', 'policy_denied'],
    ['{"type":"resize","cols":1,"rows":1}', 'invalid_argument'],
  ])('with the first message %s', async (text, code) => {
    expect(await mistake((client) => client.socket.send(text))).toMatchObject({ code, close: 1008 })
  })

  test('with bytes before the first message, and on a channel that is not its own', async () => {
    expect(await mistake((client) => client.write('x'))).toMatchObject({ code: 'invalid_argument', close: 1008 })
    const wrong = await mistake((client) => {
      client.tell({ type: 'exec', command: ['cat'], stdin: true })
      client.socket.send(new Uint8Array([SOCKET_STDOUT, 1]))
    })
    expect(wrong.message).toContain('channel 1')
  })

  test('with stdin that it did not ask for, or more than its credit', async () => {
    const start = { type: 'exec', command: ['sleep', '100'] }
    const unasked = await mistake((client) => (client.tell(start), client.write('x')))
    expect(unasked.message).toContain('no stdin')
    const tooMuch = await mistake(
      (client) => (client.tell({ ...start, stdin: true }), client.write(new Uint8Array(INITIAL_STDIN_CREDIT + 1))),
    )
    expect(tooMuch.message).toContain('credit')
  })

  test('with a sandbox that is not there', async () => {
    expect(await mistake((client) => client.tell({ type: 'exec', command: ['true'] }), '/sandboxes/nobody/exec/ws')).toMatchObject({
      code: 'sandbox_not_found',
      close: 1011,
    })
  })

  test('with no WebSocket at all, or no key', async () => {
    const plain = await http.ask('/sandboxes/box/exec/ws')
    expect([plain.status, plain.body['code']]).toEqual([400, 'invalid_argument'])
    const refused = new WebSocket(`${http.daemon.url.replace('http', 'ws')}/sandboxes/box/exec/ws`)
    expect(await new Promise((resolve) => refused.addEventListener('close', () => resolve('refused'), { once: true }))).toBe('refused')
  })
})

test('the key may be one of the protocols that a client offers', async () => {
  const key = `agentkernel.bearer.${Buffer.from('key').toString('base64url')}`
  const socket = new WebSocket(`${http.daemon.url.replace('http', 'ws')}/sandboxes/box/exec/ws`, ['agentkernel.v1', key])
  await new Promise<void>((resolve, reject) => {
    socket.addEventListener('open', () => resolve(), { once: true })
    socket.addEventListener('error', () => reject(new Error('refused')), { once: true })
  })
  expect(socket.protocol).toBe('agentkernel.v1')
  socket.close()
})
