import { PUBLIC_RULE } from '../contract/network.ts'
import { ignore } from '../lib/ignore.ts'
import type { FlowRun } from './flow-run.ts'
import { leakScan } from './leak-scan.ts'
import type { Upstream, Verdict } from './types.ts'

const QUIC_PORT = 443
/** The first datagram of a QUIC connection is at least this long, RFC 9000, 14.1. */
const LEAST_QUIC_BYTES = 1_200
/** Versions 1 and 2 (RFC 9369); drafts have 0xff0000 before their number. */
const QUIC_VERSIONS: readonly number[] = [0x00000001, 0x6b3343cf]

const NO_QUIC = { allowed: false, reason: 'QUIC is refused, so that programs use TCP' } as const

/** Takes datagrams to and from one address. Rejects when the flow is gone before its time. */
export async function serveUdp(run: FlowRun): Promise<void> {
  const { verdict, flow, context, target } = run
  if (!verdict.allowed) return run.deny(verdict)
  if (isQuicPort(run)) return run.deny(NO_QUIC)
  const upstream = await context.dialer.dial(target, 'udp', context.policy(target.tag)).catch((error: unknown) => run.fail(error))
  if (upstream === undefined) return
  flow.accept()
  const denied = await passDatagrams(run, upstream)
  upstream.destroy()
  if (denied === undefined) run.tell({ verdict: 'allowed', rule: verdict.rule, address: upstream.address })
  else run.deny(denied)
}

/** Rules that name UDP may name QUIC too. */
function namesUdp({ verdict }: FlowRun): boolean {
  return verdict.allowed && verdict.rule !== PUBLIC_RULE
}

function isQuicPort(run: FlowRun): boolean {
  return run.target.port === QUIC_PORT && !namesUdp(run)
}

/** Until it is silent for too long, or one side is gone. What this gives is why it was broken off. Never rejects. */
async function passDatagrams(run: FlowRun, upstream: Upstream): Promise<(Verdict & { readonly allowed: false }) | undefined> {
  const { flow, traffic, context } = run
  const allows = leakScan(context.injector)
  let denied: (Verdict & { readonly allowed: false }) | undefined
  let seen = -1
  const idle = setInterval(() => {
    const passed = traffic.in + traffic.out
    if (passed !== seen) seen = passed
    else flow.refuse('timed_out', 'no datagram for too long')
  }, context.limits.udpIdleMs)
  const up = async (): Promise<void> => {
    try {
      for (let datagram = await flow.read(); datagram !== undefined; datagram = await flow.read()) {
        if (!namesUdp(run) && looksLikeQuic(datagram)) denied = NO_QUIC
        else if (allows?.(datagram) === false) denied = { allowed: false, reason: LEAK }
        if (denied !== undefined) return
        traffic.out += datagram.length
        if (!(await upstream.write(datagram))) return
      }
    } finally {
      upstream.destroy()
    }
  }
  const down = async (): Promise<void> => {
    try {
      for (let datagram = await upstream.read(); datagram !== undefined; datagram = await upstream.read()) {
        traffic.in += datagram.length
        if (!(await flow.write(datagram))) return
      }
      flow.end()
    } catch (error) {
      ignore(error, 'nobody listens there, as the host was told')
      flow.refuse('refused', 'nobody listens there')
    }
  }
  await Promise.all([up().catch((error: unknown) => ignore(error, 'the flow is gone')), down()])
  clearInterval(idle)
  // For the program it is as if the other side had gone.
  if (denied === undefined) flow.refuse('refused', 'the datagrams have ended')
  return denied
}

const LEAK = 'a placeholder of a secret was on its way to where it must not go'

function looksLikeQuic(datagram: Uint8Array): boolean {
  if (datagram.length < LEAST_QUIC_BYTES || (datagram[0]! & 0xc0) !== 0xc0) return false
  const version = ((datagram[1]! << 24) | (datagram[2]! << 16) | (datagram[3]! << 8) | datagram[4]!) >>> 0
  return QUIC_VERSIONS.includes(version) || version >>> 8 === 0xff0000
}
