import { ignore } from '../../lib/ignore.ts'
import type { Authority } from '../tls/authority.ts'
import { pipeOf } from '../tls/pipe-stream.ts'
import { HandshakeError, terminateTls } from '../tls/terminate.ts'
import type { Flow, HttpDoors, HttpEngine, Injector, Meter, Target, Verdict } from '../types.ts'
import { ByteReader } from './byte-reader.ts'
import type { SeenRequest } from './exchange.ts'
import { type Http1Deps, serveHttp1 } from './http1.ts'
import { Outside } from './outside.ts'
import type { Pipe } from './pipe.ts'

export interface HttpEngineOptions {
  /** Without one no TLS can be opened: such flows are reset. */
  readonly authority?: Authority
  readonly injector?: Injector
  readonly meter?: Meter
  /** PEM of everything that servers outside are trusted by. Asked for once, at the first connection over TLS. */
  readonly trusted: () => Promise<readonly string[]>
  readonly onRequest?: (seen: SeenRequest) => void
  readonly onResponse?: (seen: SeenRequest) => void
}

/** What looks into the HTTP of one sandbox. */
export function createHttpEngine(doors: HttpDoors, options: HttpEngineOptions): HttpEngine {
  let trusted: Promise<readonly string[]> | undefined
  const outside = new Outside(doors, () => (trusted ??= options.trusted()))
  const { authority, trusted: _, ...rest } = options
  const deps: Http1Deps = { ...rest, doors, outside }
  return {
    serve: async (flow, first, target, scheme, verdict) => {
      const pipe = pipeOfFlow(flow, first)
      try {
        if (scheme === 'http') await serveHttp1(deps, pipe, new ByteReader(pipe), { target, scheme: 'http' }, verdict)
        else await serveTls(deps, authority, pipe, target, verdict)
      } catch (error) {
        ignore(error, 'the flow is done with, whatever it was')
        flow.refuse('refused', 'the connection was broken off')
      }
    },
    close: () => outside.close(),
  }
}

async function serveTls(deps: Http1Deps, authority: Authority | undefined, pipe: Pipe, target: Target, verdict: Verdict): Promise<void> {
  if (authority === undefined) return pipe.destroy()
  let client: Pipe
  try {
    const { stream } = await terminateTls(pipe, authority, target.host, ['http/1.1'])
    client = pipeOf(stream)
  } catch (error) {
    if (!(error instanceof HandshakeError)) throw error
    const { host, port, tag } = target
    const about = { kind: 'tcp', host, port, opened: true, ...(tag === undefined ? {} : { exec: tag }) } as const
    deps.doors.record({ ...about, verdict: 'failed', reason: error.message })
    return pipe.destroy()
  }
  await serveHttp1(deps, client, new ByteReader(client), { target, scheme: 'https' }, verdict)
  await client.closed
}

function pipeOfFlow(flow: Flow, first: Uint8Array): Pipe {
  flow.unread(first)
  return {
    read: () => flow.read(),
    write: (bytes) => flow.write(bytes),
    end: () => flow.end(),
    destroy: () => flow.refuse('refused', 'the connection was broken off'),
    closed: flow.closed,
  }
}
