import { expect, test } from 'bun:test'
import fc from 'fast-check'
import { wholeBody } from './body.ts'
import { encodeFrame, encodeSettings, PREFACE } from './h2/frames.ts'
import { encodeBlock } from './h2/hpack.ts'
import { serveHttp2 } from './h2/program-http2.ts'
import type { Asker, Incoming } from './message.ts'
import type { Pipe } from './pipe.ts'
import { serveHttp1 } from './program-http1.ts'

const target = { host: 'a.test', port: 80 }

/** A program that says this and then no more, and takes whatever it is told. */
function program(pieces: readonly Uint8Array[]): Pipe {
  const left = [...pieces]
  const closed = Promise.withResolvers<void>()
  let hasEnded = false
  const settle = (): void => (hasEnded && left.length === 0 ? closed.resolve() : undefined)
  return {
    closed: closed.promise,
    read: async () => {
      const piece = left.shift()
      settle()
      return piece
    },
    write: async () => true,
    end: () => {
      hasEnded = true
      settle()
    },
    destroy: () => closed.resolve(),
  }
}

/** Reads every body, answers every request, and says which came. */
async function serve(speak: typeof serveHttp1, pieces: readonly Uint8Array[]): Promise<Incoming[]> {
  const seen: Incoming[] = []
  await speak(program(pieces), {
    target,
    scheme: 'http',
    limits: { idleMs: 5_000, headMs: 5_000 },
    onBad: ({ status }) => expect(status).toBeGreaterThanOrEqual(400),
    exchange: async (request: Incoming, asker: Asker) => {
      seen.push(request)
      try {
        for await (const piece of request.body?.content ?? []) expect(piece.length).toBeGreaterThan(0)
        await asker.answer({ status: 200, headers: [] }, wholeBody(Buffer.from('ok')))
      } catch (error) {
        expect(error).toBeInstanceOf(Error)
      }
    },
  })
  return seen
}

const words = [
  'GET ',
  'POST ',
  '/',
  ' HTTP/1.1',
  ' HTTP/1.0',
  '\r\n',
  '\n',
  '\r',
  'Host: a.test',
  'Host: b.test',
  'Content-Length: ',
  '3',
  '0',
  'abc',
]
const more = [
  'Transfer-Encoding: chunked',
  ':',
  ' ',
  '\t',
  '\0',
  'http://a.test/',
  '@',
  '%2e',
  'Expect: 100-continue',
  'Connection: upgrade',
  ';',
  'X',
]

test('whatever comes as HTTP/1 is served or refused, and only for this host', async () => {
  const text = fc.array(fc.constantFrom(...words, ...more, '\r\n\r\n', 'GET / HTTP/1.1\r\nHost: a.test\r\n'), { maxLength: 30 })
  await fc.assert(
    fc.asyncProperty(text, fc.integer({ min: 1, max: 40 }), async (parts, step) => {
      const bytes = Buffer.from(parts.join(''), 'latin1')
      const pieces = Array.from({ length: Math.ceil(bytes.length / step) }, (_, index) => bytes.subarray(index * step, (index + 1) * step))
      for (const { head } of await serve(serveHttp1, pieces)) expect(head.target).toMatch(/^[/*]/)
    }),
    { numRuns: 1_000 },
  )
})

test('whatever comes as HTTP/2 is served or refused, and only for this host', async () => {
  const block = fc
    .array(
      fc.constantFrom(
        ...([
          [':method', 'GET'],
          [':method', 'POST'],
          [':scheme', 'http'],
          [':path', '/'],
          [':authority', 'a.test'],
          [':authority', 'b.test'],
          ['content-length', '3'],
          ['x', '1'],
          ['X', '1'],
        ] as const),
      ),
      { maxLength: 8 },
    )
    .map((headers) => encodeBlock(headers))
  const good = encodeBlock([
    [':method', 'POST'],
    [':scheme', 'http'],
    [':path', '/'],
    [':authority', 'a.test'],
  ])
  const payload = fc.oneof(
    fc.uint8Array({ maxLength: 40 }),
    block,
    fc.constant(good),
    fc.constant(Buffer.alloc(8)),
    fc.constant(Buffer.of(0, 0, 1, 0)),
  )
  const frame = fc
    .tuple(fc.integer({ min: 0, max: 10 }), fc.constantFrom(0, 1, 4, 5, 8, 0x0d, 0x25), fc.constantFrom(0, 1, 2, 3, 5, 7), payload)
    .map(([type, flags, stream, bytes]) => encodeFrame(type, flags, stream, bytes))
  await fc.assert(
    fc.asyncProperty(fc.array(frame, { maxLength: 12 }), async (frames) => {
      const seen = await serve(serveHttp2, [Buffer.concat([PREFACE, encodeSettings([])]), ...frames])
      for (const { head } of seen) expect(head.target).toBe('/')
    }),
    { numRuns: 1_000 },
  )
})
