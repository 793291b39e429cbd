import { afterEach, expect, test } from 'bun:test'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Socket } from 'bun'
import { queryFor, readAnswer } from '../../test/support/dns-message.ts'
import { CHANNEL_IN, FRAME, type FrameType, INITIAL_CREDIT_BYTES, PROTOCOL_VERSION } from '../contract/guest-protocol.ts'
import { encodeFrame, encodeNumber, FrameDecoder } from '../guestlink/frame.ts'
import { GatewayConnection } from '../guestlink/index.ts'
import { encodeJson } from '../guestlink/json.ts'
import { compilePolicy } from '../policy/network/index.ts'
import { Gateway } from './gateway.ts'
import { hostNetwork } from './host-network.ts'

const open: (() => void)[] = []
afterEach(() => {
  for (const close of open.splice(0).reverse()) close()
})

/** The sandbox's side of the egress connection, as frames on a real socket. */
class Sandbox {
  /** By stream: what came, as type and text. */
  readonly said: { readonly type: FrameType; readonly stream: number; readonly payload: Uint8Array }[] = []
  bytes = 0
  #socket: Socket | undefined
  #unsent: Uint8Array[] = []
  #waiting: (() => void)[] = []
  readonly #decoder = new FrameDecoder(
    {
      frame: (type, stream, payload) => this.#note(type, stream, payload.slice()),
      data: (stream, _channel, bytes) => {
        this.bytes += bytes.length
        // Room for more, as a stack gives it.
        this.send(FRAME.credit, stream, encodeNumber(bytes.length))
        this.#note(FRAME.data, stream, bytes.slice(0, 512))
      },
    },
    { opens: false },
  )

  listen(path: string): void {
    const listener = Bun.listen({
      unix: path,
      socket: {
        binaryType: 'uint8array',
        open: (socket) => void (this.#socket = socket),
        data: (_socket, chunk) => this.#decoder.push(chunk),
        drain: () => this.#flush(),
      },
    })
    open.push(() => listener.stop(true))
  }

  send(type: FrameType, stream: number, payload: Uint8Array | object = {}): void {
    this.#unsent.push(encodeFrame(type, stream, payload instanceof Uint8Array ? payload : encodeJson(payload)))
    this.#flush()
  }

  get isIdle(): boolean {
    return this.#unsent.length === 0
  }

  async until(condition: () => boolean): Promise<void> {
    while (!condition()) await new Promise<void>((resolve) => this.#waiting.push(resolve))
  }

  #note(type: FrameType, stream: number, payload: Uint8Array): void {
    if (type !== FRAME.data || this.said.length < 1_000) this.said.push({ type, stream, payload })
    for (const wake of this.#waiting.splice(0)) wake()
  }

  #flush(): void {
    for (let next = this.#unsent[0]; next !== undefined; next = this.#unsent[0]) {
      const taken = Math.max(0, this.#socket?.write(next) ?? 0)
      if (taken < next.length) {
        this.#unsent[0] = next.subarray(taken)
        return
      }
      this.#unsent.shift()
    }
    for (const wake of this.#waiting.splice(0)) wake()
  }
}

async function chain(allow: readonly string[]): Promise<{ sandbox: Sandbox; gateway: Gateway }> {
  const folder = mkdtempSync(join(tmpdir(), 'ak-chain-'))
  open.push(() => rmSync(folder, { recursive: true, force: true }))
  const sandbox = new Sandbox()
  sandbox.listen(join(folder, 'egress.sock'))
  const gateway = new Gateway({
    policy: compilePolicy({ allow, block: [] }, { ownAddresses: [] }),
    network: hostNetwork(),
    record: () => undefined,
  })
  const connection = new GatewayConnection({ unix: join(folder, 'egress.sock') }, { version: '1', onFlow: (flow) => gateway.serve(flow) })
  open.push(() => {
    void gateway.close()
    void connection.bye()
  })
  await sandbox.until(() => sandbox.said.some(({ type }) => type === FRAME.hello))
  sandbox.send(FRAME.hello, 0, { protocol: PROTOCOL_VERSION, role: 'agent', version: '1', features: ['egress'] })
  return { sandbox, gateway }
}

const data = (bytes: Uint8Array): Uint8Array => Buffer.concat([Uint8Array.of(CHANNEL_IN), bytes])

test('a flow of the protocol is decided, connected, passed and ended; a denied one is an error', async () => {
  const echo = Bun.listen({ hostname: '127.0.0.1', port: 0, socket: { data: (socket, bytes) => void socket.write(bytes) } })
  open.push(() => echo.stop(true))
  const { sandbox } = await chain([`127.0.0.1:${echo.port}`])
  sandbox.send(FRAME.open, 1, { op: 'tcp', dst: '127.0.0.1', port: echo.port, via: 'tun' })
  sandbox.send(FRAME.open, 3, { op: 'tcp', dst: '127.0.0.1', port: echo.port === 1 ? 2 : 1, via: 'tun' })
  await sandbox.until(() => sandbox.said.some(({ type, stream }) => type === FRAME.event && stream === 1))
  await sandbox.until(() => sandbox.said.some(({ type, stream }) => type === FRAME.error && stream === 3))
  sandbox.send(FRAME.data, 1, data(Buffer.from('\0hello')))
  await sandbox.until(() => sandbox.bytes === 6)
  sandbox.send(FRAME.eof, 1, Uint8Array.of(CHANNEL_IN))
  await sandbox.until(() => sandbox.said.some(({ type, stream }) => type === FRAME.end && stream === 1))
})

test('a question to the gateway is answered through the protocol', async () => {
  const { sandbox } = await chain(['a.test'])
  sandbox.send(FRAME.open, 1, { op: 'udp', dst: '198.18.0.1', port: 53, via: 'tun' })
  const query = queryFor('denied.test')
  sandbox.send(FRAME.data, 1, data(Buffer.concat([Uint8Array.of(query.length, 0), query])))
  await sandbox.until(() => sandbox.said.some(({ type }) => type === FRAME.data))
  const answer = sandbox.said.find(({ type }) => type === FRAME.data)!.payload
  expect(readAnswer(answer.subarray(2)).addresses).toHaveLength(1)
})

test('what is sent and taken passes at full speed, in order of the credit', async () => {
  const total = 64 * 1024 * 1024
  const chunk = new Uint8Array(1024 * 1024)
  const push = (socket: Socket<{ sent: number }>): void => {
    while (socket.data.sent < total) {
      const taken = Math.max(0, socket.write(chunk))
      socket.data.sent += taken
      if (taken < chunk.length) return
    }
    socket.end()
  }
  const source = Bun.listen<{ sent: number }>({
    hostname: '127.0.0.1',
    port: 0,
    data: { sent: 0 },
    socket: {
      open: (socket) => {
        socket.data = { sent: 0 }
        push(socket)
      },
      drain: push,
      data: () => undefined,
    },
  })
  open.push(() => source.stop(true))
  const { sandbox } = await chain([`127.0.0.1:${source.port}`])
  const start = performance.now()
  sandbox.send(FRAME.open, 1, { op: 'tcp', dst: '127.0.0.1', port: source.port, via: 'tun' })
  await sandbox.until(() => sandbox.bytes >= total)
  const perSecond = total / 1e6 / ((performance.now() - start) / 1_000)
  // One process plays all three parts here; the goal of the whole chain is 200.
  expect(perSecond).toBeGreaterThan(100)
  expect(INITIAL_CREDIT_BYTES).toBeLessThan(total)
})
