import { describe, expect, test } from 'bun:test'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { GuestPeer, type PeerLink } from '../../test/support/guest-peer.ts'
import { isAppError } from '../contract/errors.ts'
import { type Channel, FRAME, type FrameType } from '../contract/guest-protocol.ts'
import { GuestConnection } from './connection.ts'
import { decodeNumber, encodeFrame, encodeNumber, FrameDecoder } from './frame.ts'
import { decodeJson } from './json.ts'
import type { StreamHandler } from './stream.ts'

interface Payload {
  readonly json?: object
  readonly hex?: string
  readonly channel?: number
  readonly credit?: number
}
type Item = string | { readonly data: Sent } | { readonly event: Sent }
interface Sent {
  readonly stream: number
  readonly channel: Channel
  readonly bytes: number
}
interface Vectors {
  readonly frames: readonly {
    readonly name: string
    readonly hex: string
    readonly frame: { readonly type: keyof typeof FRAME; readonly stream: number; readonly payload: Payload }
  }[]
  readonly malformed: readonly { readonly name: string; readonly hex: string; readonly error: string }[]
  readonly conversations: readonly {
    readonly name: string
    readonly side: 'serves' | 'opens'
    readonly receives: readonly Item[]
    readonly error: string | null
  }[]
}

const vectors = JSON.parse(readFileSync(join(import.meta.dir, '../../spec/guest-protocol.json'), 'utf8')) as Vectors

/** What each reason of the vectors is called here. */
const REASONS: Readonly<Record<string, RegExp>> = {
  length: /with \d+ bytes/,
  type: /unknown type/,
  stream: /on stream/,
  channel: /channel/,
  json: /JSON/,
  utf8: /JSON/,
  credit: /credit/,
  open: /opened a stream/,
  cancel: /opened a stream/,
  'unknown stream': /never existed/,
}

/** Reads one frame as the connection does: JSON is part of it. */
function decodeOne(bytes: Uint8Array): { type: FrameType; stream: number; payload: Payload } | undefined {
  let found: { type: FrameType; stream: number; payload: Payload } | undefined
  const hex = (payload: Uint8Array) => Buffer.from(payload).toString('hex')
  const read = (type: FrameType, payload: Uint8Array): Payload => {
    if (type === FRAME.credit) return { credit: decodeNumber(payload) }
    if (type === FRAME.eof) return { channel: payload[0]! }
    if (type === FRAME.ping || type === FRAME.pong) return { hex: hex(payload) }
    return payload.length === 0 ? {} : { json: decodeJson(payload) }
  }
  new FrameDecoder(
    {
      frame: (type, stream, payload) => (found = { type, stream, payload: read(type, payload) }),
      data: (stream, channel, content) => (found = { type: FRAME.data, stream, payload: { channel, hex: hex(content) } }),
    },
    { opens: true },
  ).push(bytes)
  return found
}

function encodePayload({ json, hex, channel, credit }: Payload): Uint8Array {
  if (json !== undefined) return Buffer.from(JSON.stringify(json))
  if (credit !== undefined) return encodeNumber(credit)
  return Buffer.concat([channel === undefined ? new Uint8Array() : Uint8Array.of(channel), Buffer.from(hex ?? '', 'hex')])
}

describe('the vectors of the specification', () => {
  test.each(vectors.frames.map((vector) => [vector.name, vector] as const))('%s is read and written', (_name, { hex, frame }) => {
    const bytes = Buffer.from(hex, 'hex')
    const type = FRAME[frame.type]
    expect(decodeOne(bytes)).toEqual({ ...frame, type })
    expect(Buffer.from(encodeFrame(type, frame.stream, encodePayload(frame.payload))).toString('hex')).toBe(hex)
  })

  test.each(vectors.malformed.map((vector) => [vector.name, vector] as const))('%s is refused', (_name, { hex, error }) => {
    try {
      decodeOne(Buffer.from(hex, 'hex'))
    } catch (thrown) {
      expect(isAppError(thrown, 'sandbox_lost')).toBe(true)
      expect(String(thrown)).toMatch(REASONS[error] ?? `no words for ${error}`)
      return
    }
    expect('accepted').toBe('refused')
  })

  // This side opens streams and serves none: the other conversations are the helper's.
  const opening = vectors.conversations.filter(({ side }) => side === 'opens')
  test.each(opening.map((vector) => [vector.name, vector] as const))('a connection that gets %s', async (_name, { receives, error }) => {
    using peer = new GuestPeer()
    const connecting = GuestConnection.connect(peer.path, { role: 'client', version: '1.0.0' })
    const link = await peer.accept()
    await link.expect(FRAME.hello)
    const [hello, ...rest] = receives
    say(link, hello!)
    const connection = await connecting
    connection.open({ op: 'hold' }, holding, { feature: 'exec', signal: undefined, onAbort: 'abandon' })
    await link.expect(FRAME.open)
    for (const item of rest) say(link, item)
    if (error === null) {
      const answer = connection.ping()
      link.send(FRAME.pong, 0, (await link.expect(FRAME.ping)).bytes)
      expect(await answer).toBeGreaterThan(0)
      await connection.bye()
    } else {
      const closed = await connection.closed
      expect([closed.how, closed.error.code]).toEqual(['lost', 'sandbox_lost'])
      expect(closed.error.message).toMatch(REASONS[error] ?? `no words for ${error}`)
      expect((await link.expectJson(FRAME.error)).body['code']).toBe('protocol_error')
    }
  })
})

/** Reads nothing, so that no credit is given back. */
const holding: StreamHandler = {
  family: 'exec',
  event: () => undefined,
  data: () => undefined,
  ended: () => undefined,
  failed: () => undefined,
}

function say(link: PeerLink, item: Item): void {
  if (typeof item === 'string') link.raw(Buffer.from(item, 'hex'))
  else if ('data' in item) link.data(item.data.stream, item.data.channel, new Uint8Array(item.data.bytes))
  else link.send(FRAME.event, item.event.stream, Buffer.from(jsonOf(item.event.bytes)))
}

/** An object of exactly so many bytes of JSON. */
function jsonOf(bytes: number): string {
  return bytes < 7 ? `{${' '.repeat(bytes - 2)}}` : `{"a":"${'x'.repeat(bytes - 8)}"}`
}
