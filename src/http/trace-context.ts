import type { Caller } from '../contract/sandbox-operations.ts'

const TRACEPARENT = /^(?!ff)[0-9a-f]{2}-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}$/
/** Printable ASCII, at most what the specification asks everyone to pass on. */
const TRACESTATE = /^[\x20-\x7e]{1,512}$/

/** The W3C trace context of a request. What is malformed counts as absent, as the specification says; state without parent too. */
export function traceContextOf(headers: Headers): Pick<Caller, 'traceparent' | 'tracestate'> {
  const traceparent = headers.get('traceparent')
  if (traceparent === null || !TRACEPARENT.test(traceparent)) return {}
  const tracestate = headers.get('tracestate')
  return tracestate === null || !TRACESTATE.test(tracestate) ? { traceparent } : { traceparent, tracestate }
}
