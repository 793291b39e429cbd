import type { GuestEntry } from '../../contract/guest-protocol.ts'
import { rawBody } from '../body.ts'
import { jsonResponse } from '../envelope.ts'
import { allowPause, type Exchange } from '../exchange.ts'
import { type ByteRange, exactly, rangeOf } from '../range.ts'
import type { Handlers } from '../handler.ts'
import { guardPath } from '../path-guard.ts'
import { bytesResponse } from '../stream-response.ts'

type Names = 'rawRead' | 'rawWrite' | 'tarRead' | 'tarWrite' | 'execOutput'

export const rawHandlers: Handlers<Names> = {
  rawRead: async ({ name, path }, exchange) => {
    const plain = guardPath(path)
    const { request, deps, signal } = exchange
    if (request.method === 'HEAD') return headOf(await deps.sandboxes.statFile(name, plain), exchange.id)
    // A range that depends on a condition we do not know is none.
    const wanted = request.headers.has('if-range') ? null : request.headers.get('range')
    if (wanted !== null) {
      const entry = await deps.sandboxes.statFile(name, plain)
      const range = rangeOf(wanted, entry.size)
      if (range === 'unsatisfiable') return unsatisfiable(entry, exchange.id)
      if (range !== undefined) return partOf(name, plain, range, exchange)
    }
    const { entry, bytes } = await deps.sandboxes.readFile(name, plain, {}, signal)
    return bytesResponse(exchange, exactly(bytes, entry.size), { headers: describe(entry) })
  },

  rawWrite: async ({ name, path, mode }, exchange) => {
    const plain = guardPath(path)
    const options = mode === undefined ? {} : { mode: Number.parseInt(mode, 8) }
    const written = await exchange.deps.sandboxes.writeFile(name, plain, upload(exchange), options, exchange.signal)
    return { data: { path: plain, written } }
  },

  tarRead: async ({ name, path }, exchange) => {
    const plain = guardPath(path)
    const { deps, request, signal } = exchange
    if (request.method === 'HEAD') {
      await deps.sandboxes.statFile(name, plain)
      return new Response(null, { headers: { 'content-type': 'application/x-tar', 'x-request-id': exchange.id } })
    }
    const bytes = await deps.sandboxes.tarOut(name, plain, signal)
    return bytesResponse(exchange, bytes, { headers: { 'content-type': 'application/x-tar' } })
  },

  tarWrite: async ({ name, path }, exchange) => ({
    data: await exchange.deps.sandboxes.tarIn(name, guardPath(path), upload(exchange), exchange.signal),
  }),

  execOutput: async ({ name, id, stream, offset, follow }, exchange) => {
    const { deps, request, signal } = exchange
    const enough = new AbortController()
    const log = await deps.sandboxes.execLogs(name, id, stream, { offset, follow }, AbortSignal.any([signal, enough.signal]))
    const headers = { 'x-log-offset': String(log.start), 'x-log-end': String(log.end) }
    if (request.method !== 'HEAD') return bytesResponse(exchange, log.bytes, { headers, quiet: follow })
    enough.abort()
    return new Response(null, { headers: { ...headers, 'x-request-id': exchange.id } })
  },
}

/** What the client sends, at its own pace as long as it does not stop. */
function upload(exchange: Exchange): AsyncIterable<Uint8Array> {
  allowPause(exchange, 0)
  return rawBody(exchange.request, exchange.limits.uploadStallMs)
}

async function partOf(name: string, path: string, range: ByteRange, exchange: Exchange): Promise<Response> {
  const { deps, signal } = exchange
  const { entry, bytes } = await deps.sandboxes.readFile(name, path, range, signal)
  const { offset, length } = range
  return bytesResponse(exchange, exactly(bytes, length), {
    status: 206,
    headers: {
      ...describe(entry),
      'content-range': `bytes ${offset}-${offset + length - 1}/${entry.size}`,
    },
  })
}

function unsatisfiable(entry: GuestEntry, id: string): Response {
  const error = `the file has ${entry.size} bytes, and none of the range is among them`
  const fix = 'Ask for bytes that exist; `bytes=-N` are the last N.'
  return jsonResponse(
    416,
    { success: false, error, code: 'invalid_argument', fix },
    { 'content-range': `bytes */${entry.size}`, 'x-request-id': id },
  )
}

function headOf(entry: GuestEntry, id: string): Response {
  return new Response(null, {
    headers: { ...describe(entry), 'content-type': 'application/octet-stream', 'content-length': String(entry.size), 'x-request-id': id },
  })
}

/** Bun sends every stream in chunks and drops its `Content-Length`; the end of the chunks is what tells the whole from a part. */
const describe = (entry: GuestEntry): Readonly<Record<string, string>> => ({
  'x-file-size': String(entry.size),
  'accept-ranges': 'bytes',
  'last-modified': new Date(entry.mtime_ms).toUTCString(),
})
