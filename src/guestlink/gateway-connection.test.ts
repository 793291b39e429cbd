import { afterEach, expect, test } from 'bun:test'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Socket } from 'bun'
import { FRAME, type FrameType, INITIAL_CREDIT_BYTES } from '../contract/guest-protocol.ts'
import { withLength } from './datagrams.ts'
import type { GuestFlow } from './flow.ts'
import { encodeFrame, encodeNumber, FrameDecoder } from './frame.ts'
import { GatewayConnection } from './gateway-connection.ts'
import { encodeJson } from './json.ts'

interface Said {
  readonly type: FrameType
  readonly stream: number
  readonly text: string
}

/** The sandbox's side: a real socket, and frames as bytes. */
class Guest {
  readonly said: Said[] = []
  readonly flows: GuestFlow[] = []
  readonly folder = mkdtempSync(join(tmpdir(), 'ak-gateway-'))
  readonly #waiting: (() => void)[] = []
  #socket: Socket | undefined
  readonly #unsent: Uint8Array[] = []
  readonly #server
  readonly gateway: GatewayConnection
  bytes = 0

  constructor() {
    const note = (type: FrameType, stream: number, payload: Uint8Array) => {
      this.said.push({ type, stream, text: new TextDecoder().decode(payload) })
      for (const wake of this.#waiting.splice(0)) wake()
    }
    const decoder = new FrameDecoder(
      {
        frame: note,
        data: (stream, channel, bytes) => {
          this.bytes += bytes.length
          note(FRAME.data, stream, Buffer.concat([Buffer.of(48 + channel), bytes.subarray(0, 200)]))
        },
      },
      { opens: false },
    )
    const path = join(this.folder, 'egress.sock')
    this.#server = Bun.listen({
      unix: path,
      socket: {
        binaryType: 'uint8array',
        open: (socket) => {
          this.#socket = socket
        },
        data: (_socket, chunk) => decoder.push(chunk),
        drain: () => this.#flush(),
        close: () => {
          this.#socket = undefined
          for (const wake of this.#waiting.splice(0)) wake()
        },
      },
    })
    this.gateway = new GatewayConnection({ unix: path }, { version: '1', onFlow: (flow) => void this.flows.push(flow) })
  }

  async until<T>(find: () => T | undefined): Promise<T> {
    for (;;) {
      const found = find()
      if (found !== undefined) return found
      await new Promise<void>((resolve) => this.#waiting.push(resolve))
    }
  }

  heard(type: FrameType, stream: number): Promise<Said> {
    return this.until(() => this.said.find((said) => said.type === type && said.stream === stream))
  }

  send(type: FrameType, stream: number, payload: Uint8Array | object = {}): void {
    this.#unsent.push(encodeFrame(type, stream, payload instanceof Uint8Array ? payload : encodeJson(payload)))
    this.#flush()
  }

  #flush(): void {
    for (let next = this.#unsent.shift(); next !== undefined; next = this.#unsent.shift()) {
      const taken = this.#socket?.write(next) ?? next.length
      if (taken === next.length) continue
      this.#unsent.unshift(next.subarray(Math.max(taken, 0)))
      return
    }
  }

  data(stream: number, text: string | Uint8Array): void {
    this.send(FRAME.data, stream, Buffer.concat([Buffer.of(0), Buffer.from(text as string)]))
  }

  async greet(): Promise<void> {
    await this.heard(FRAME.hello, 0)
    this.send(FRAME.hello, 0, { protocol: 1, role: 'agent', version: '1', features: ['egress'] })
  }

  async open(stream: number, body: object = { op: 'tcp', dst: '198.18.1.0', port: 443, via: 'tun' }): Promise<GuestFlow> {
    const before = this.flows.length
    this.send(FRAME.open, stream, body)
    while (this.flows.length === before) await Bun.sleep(1)
    return this.flows.at(-1)!
  }

  async close(): Promise<void> {
    await this.gateway.bye()
    this.#server.stop(true)
    rmSync(this.folder, { recursive: true })
  }
}

const guests: Guest[] = []
const guest = (): Guest => {
  const made = new Guest()
  guests.push(made)
  return made
}
afterEach(async () => {
  await Promise.all(guests.splice(0).map((each) => each.close()))
})

test('a flow passes bytes both ways and ends when both sides have ended', async () => {
  const sandbox = guest()
  await sandbox.greet()
  const flow = await sandbox.open(1)
  expect(flow.request).toEqual({ op: 'tcp', dst: '198.18.1.0', port: 443, via: 'tun' })
  flow.accept()
  expect((await sandbox.heard(FRAME.event, 1)).text).toBe('{"event":"connected"}')
  sandbox.data(1, 'hello')
  expect(Buffer.from((await flow.read())!).toString()).toBe('hello')
  flow.unread(Buffer.from('again'))
  expect(Buffer.from((await flow.read())!).toString()).toBe('again')
  expect(await flow.write(Buffer.from('world'))).toBe(true)
  expect((await sandbox.heard(FRAME.data, 1)).text).toBe('1world')
  flow.end()
  sandbox.send(FRAME.eof, 1, Buffer.of(0))
  expect(await flow.read()).toBeUndefined()
  await flow.closed
  await sandbox.heard(FRAME.end, 1)
  const order = sandbox.said.filter(({ stream }) => stream === 1).map(({ type }) => type)
  expect(order).toEqual([FRAME.event, FRAME.data, FRAME.eof, FRAME.end])
})

test('a refused flow is an error to the sandbox, also after it was accepted', async () => {
  const sandbox = guest()
  await sandbox.greet()
  const first = await sandbox.open(1)
  first.refuse('denied', 'no rule allows it')
  expect((await sandbox.heard(FRAME.error, 1)).text).toBe('{"code":"denied","message":"no rule allows it"}')
  const second = await sandbox.open(3)
  second.accept()
  second.refuse('refused', 'reset')
  await sandbox.heard(FRAME.error, 3)
  expect(second.read()).rejects.toThrow('reset')
  expect(await second.write(Buffer.from('x'))).toBe(false)
})

test('a reader that takes its time gives credit back as it reads', async () => {
  const sandbox = guest()
  await sandbox.greet()
  const flow = await sandbox.open(1)
  flow.accept()
  const piece = Buffer.alloc(65_536, 1)
  for (let sent = 0; sent < INITIAL_CREDIT_BYTES; sent += piece.length) sandbox.data(1, piece)
  let taken = 0
  while (taken < INITIAL_CREDIT_BYTES) taken += (await flow.read())!.length
  await sandbox.heard(FRAME.credit, 1)
  expect(sandbox.said.filter(({ type }) => type === FRAME.credit).length).toBeGreaterThan(0)
})

test('a sender without credit waits, and goes on with more', async () => {
  const sandbox = guest()
  await sandbox.greet()
  const flow = await sandbox.open(1)
  flow.accept()
  const sent = flow.write(Buffer.alloc(INITIAL_CREDIT_BYTES + 10, 2))
  // The event that it is connected has used credit too.
  const room = INITIAL_CREDIT_BYTES - '{"event":"connected"}'.length
  await sandbox.until(() => (sandbox.bytes >= room ? true : undefined))
  expect(sandbox.bytes).toBe(room)
  sandbox.send(FRAME.credit, 1, encodeNumber(100))
  expect(await sent).toBe(true)
})

test('datagrams keep their borders however their bytes arrive', async () => {
  const sandbox = guest()
  await sandbox.greet()
  const flow = await sandbox.open(1, { op: 'udp', dst: '198.18.0.1', port: 53, via: 'tun' })
  flow.accept()
  const bytes = Buffer.concat([withLength(Buffer.from('one')), withLength(new Uint8Array(0)), withLength(Buffer.from('three'))])
  for (const byte of bytes) sandbox.data(1, Buffer.of(byte))
  const read = [await flow.read(), await flow.read(), await flow.read()]
  expect(read.map((datagram) => Buffer.from(datagram!).toString())).toEqual(['one', '', 'three'])
  await flow.write(Buffer.from('yes'))
  expect((await sandbox.heard(FRAME.data, 1)).text).toBe('1\u0003\u0000yes')
})

test('a program that resets its connection ends the flow at once', async () => {
  const sandbox = guest()
  await sandbox.greet()
  const flow = await sandbox.open(1)
  flow.accept()
  const reading = flow.read()
  sandbox.send(FRAME.cancel, 1, new Uint8Array(0))
  expect(reading).rejects.toThrow('reset')
  await sandbox.heard(FRAME.end, 1)
})

for (const [what, body] of [
  ['an unknown operation', { op: 'exec', dst: '1.2.3.4', port: 1 }],
  ['port 0', { op: 'tcp', dst: '1.2.3.4', port: 0 }],
  ['a port that is no number', { op: 'tcp', dst: '1.2.3.4', port: '80' }],
  ['a name that is too long', { op: 'tcp', dst: 'x'.repeat(300), port: 80 }],
] as const) {
  test(`${what} is refused, and the connection goes on`, async () => {
    const sandbox = guest()
    await sandbox.greet()
    sandbox.send(FRAME.open, 1, body)
    expect((await sandbox.heard(FRAME.error, 1)).text).toContain('invalid')
    await sandbox.open(3)
  })
}

for (const [what, breach] of [
  ['a stream number that falls', (sandbox: Guest) => sandbox.send(FRAME.open, 1, { op: 'tcp', dst: '1.2.3.4', port: 1 })],
  ['an even stream number', (sandbox: Guest) => sandbox.send(FRAME.open, 8, { op: 'tcp', dst: '1.2.3.4', port: 1 })],
  ['content on another channel', (sandbox: Guest) => sandbox.send(FRAME.data, 5, Buffer.from([1, 65]))],
  ['content for a flow that never was', (sandbox: Guest) => sandbox.send(FRAME.data, 77, Buffer.from([0, 65]))],
  ['more bytes than credit', (sandbox: Guest) => Array.from({ length: 5 }, () => sandbox.data(5, Buffer.alloc(65_536)))],
  ['a second greeting', (sandbox: Guest) => sandbox.send(FRAME.hello, 0, { protocol: 1, role: 'agent', version: '1', features: [] })],
] as const) {
  test(`${what} ends the connection and every flow of it`, async () => {
    const sandbox = guest()
    await sandbox.greet()
    const flow = await sandbox.open(5)
    breach(sandbox)
    expect((await sandbox.gateway.closed)?.code).toBe('sandbox_lost')
    await flow.closed
  })
}

test('when the sandbox goes, its flows fail; when the gateway leaves, it says so', async () => {
  const sandbox = guest()
  await sandbox.greet()
  const flow = await sandbox.open(1)
  await sandbox.gateway.bye()
  expect(await sandbox.gateway.closed).toBeUndefined()
  expect(flow.read()).rejects.toThrow('closed')
  await sandbox.heard(FRAME.bye, 0)
})
