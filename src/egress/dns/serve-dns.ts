import { ignore } from '../../lib/ignore.ts'
import type { Flow } from '../types.ts'
import type { DnsServer } from './dns-server.ts'

/** A connection that asks nothing for so long is ended, in ms. */
const IDLE_MS = 10_000
/** Questions of one socket that wait for an answer; what comes on top is lost, and asked again. */
const MOST_WAITING = 32

/** Serves a flow to port 53 of the gateway. Resolves when it is done with; never rejects. */
export async function serveDns(flow: Flow, server: DnsServer): Promise<void> {
  flow.accept()
  try {
    await (flow.request.op === 'udp' ? serveDatagrams(flow, server) : serveConnection(flow, server))
  } catch (error) {
    ignore(error, 'the flow is gone')
  }
  flow.end()
}

/** Answers go out as they are ready: a slow lookup holds up no other. */
async function serveDatagrams(flow: Flow, server: DnsServer): Promise<void> {
  const waiting = new Set<Promise<void>>()
  for (let datagram = await flow.read(); datagram !== undefined; datagram = await flow.read()) {
    if (waiting.size >= MOST_WAITING) continue
    const answered = server.answer(datagram, 'udp', flow.request.tag).then(async (answer) => {
      if (answer !== undefined) await flow.write(answer)
      waiting.delete(answered)
    })
    waiting.add(answered)
  }
  await Promise.all(waiting)
}

/** Each message has its length before it, two bytes (RFC 1035, 4.2.2). */
async function serveConnection(flow: Flow, server: DnsServer): Promise<void> {
  let rest: Uint8Array = new Uint8Array(0)
  let idle: Timer | undefined
  const arm = (): void => {
    clearTimeout(idle)
    idle = setTimeout(() => flow.refuse('timed_out', 'no question'), IDLE_MS)
  }
  try {
    arm()
    for (let chunk = await flow.read(); chunk !== undefined; chunk = await flow.read()) {
      rest = rest.length === 0 ? chunk : Buffer.concat([rest, chunk])
      for (let message = messageOf(rest); message !== undefined; message = messageOf(rest)) {
        rest = rest.subarray(2 + message.length)
        arm()
        const answer = await server.answer(message, 'tcp', flow.request.tag)
        if (answer === undefined) return
        if (!(await flow.write(Buffer.concat([Uint8Array.of(answer.length >>> 8, answer.length & 0xff), answer])))) return
      }
    }
  } finally {
    clearTimeout(idle)
  }
}

function messageOf(bytes: Uint8Array): Uint8Array | undefined {
  if (bytes.length < 2) return undefined
  const end = 2 + ((bytes[0]! << 8) | bytes[1]!)
  return bytes.length < end ? undefined : bytes.subarray(2, end)
}
