import type { SeenRequest } from '../http/exchange.ts'

/** What hooks are told of one request. */
export interface HookPayload {
  /** RFC 3339, UTC. */
  readonly timestamp: string
  readonly sandbox: string
  readonly method: string
  /** Without query: it may hold secrets. */
  readonly url: string
  readonly host: string
  readonly status?: number
  readonly secret_injected: boolean
  /** Until the head of the answer. */
  readonly latency_ms?: number
}

const MOST_URL = 2_048

export function payloadOf(sandbox: string, seen: SeenRequest, now: Date): HookPayload {
  const { method, url, host, status, secretInjected, latencyMs } = seen
  return {
    timestamp: now.toISOString(),
    sandbox,
    method,
    url: url.slice(0, MOST_URL),
    host,
    ...(status === undefined ? {} : { status }),
    secret_injected: secretInjected,
    ...(latencyMs === undefined ? {} : { latency_ms: latencyMs }),
  }
}
