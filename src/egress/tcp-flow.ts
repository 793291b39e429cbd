import { PUBLIC_RULE } from '../contract/network.ts'
import { ignore } from '../lib/ignore.ts'
import { ALERT, fatalAlert, TLS_1_2 } from './client-hello.ts'
import { type FirstBytes, readFirstBytes } from './first-bytes.ts'
import type { FlowRun } from './flow-run.ts'
import { leakScan } from './leak-scan.ts'
import { pass } from './pass.ts'
import { Peekable } from './peekable.ts'
import { DialError, type Flow, type Upstream, type Verdict } from './types.ts'

/** Ports on which programs speak HTTP or TLS, so that a denial there can be read. */
const WEB_PORTS: ReadonlySet<number> = new Set([80, 443, 3000, 4443, 5000, 8000, 8008, 8080, 8081, 8443, 8888, 9443])

type Denied = Verdict & { readonly allowed: false }
type Hello = Extract<FirstBytes, { kind: 'tls' }>

/** Takes a TCP flow to its end. Rejects when the flow is gone before its time. */
export async function serveTcp(run: FlowRun): Promise<void> {
  const { verdict } = run
  if (!verdict.allowed) return await answerDenied(run, verdict)
  // Otherwise the other side may be the one to speak first.
  if (mustOpen(run)) return await serveOpened(run)
  await serveDialed(run)
}

function mustOpen({ context, target, verdict }: FlowRun): boolean {
  if (!verdict.allowed) return false
  const { host, port, tag } = target
  return (
    context.policy(tag)?.opens(host, port) === true || context.injector?.opens(host, port) === true || context.meter?.opens(host) === true
  )
}

/** Denied. Where HTTP or TLS is to be expected, the program is let in so far that it can be told why. */
async function answerDenied(run: FlowRun, verdict: Denied): Promise<void> {
  const { flow, context, target } = run
  const engine = WEB_PORTS.has(target.port) && context.denied.waiting < context.limits.deniedWaiting ? await context.http() : undefined
  if (engine === undefined) return run.deny(verdict)
  const { allowed: _, ...why } = verdict
  run.tell({ verdict: 'denied', ...why })
  context.denied.waiting++
  const limit = setTimeout(() => flow.refuse('denied', verdict.reason), context.limits.firstBytesMs)
  try {
    flow.accept()
    const first = await readFirstBytes(flow, context.limits.firstBytesMs)
    clearTimeout(limit)
    if (first.kind !== 'http' && first.kind !== 'tls') return flow.refuse('denied', verdict.reason)
    await engine.serve(flow, first.bytes, target, first.kind, verdict)
  } finally {
    clearTimeout(limit)
    context.denied.waiting--
  }
}

/** The requests themselves must be seen: nothing is dialled before there is one. */
async function serveOpened(run: FlowRun): Promise<void> {
  run.flow.accept()
  const first = await readFirstBytes(run.flow, run.context.limits.firstBytesMs)
  if (first.kind === 'tls' && !(await helloPasses(run, first, true))) return
  if (first.kind === 'http' || first.kind === 'tls') return await handToEngine(run, first.kind, first.bytes)
  if (first.kind === 'none') return run.flow.end()
  if (first.kind === 'unclear') return run.deny({ allowed: false, reason: first.reason })
  const { host, port, tag } = run.target
  if (run.context.policy(tag)?.opens(host, port) === true) {
    return run.deny({ allowed: false, reason: `rules about requests hold for ${host}, and this is no HTTP` })
  }
  run.flow.unread(first.bytes)
  const upstream = await run.context.dialer.dial(run.target, 'tcp', run.context.policy(tag)).catch((error: unknown) => run.fail(error))
  if (upstream !== undefined) await passRaw(run, upstream, run.flow, true)
}

/** Dialled at once, so that the program's `connect` tells how it is, and that a server may speak first. */
async function serveDialed(run: FlowRun): Promise<void> {
  const { flow, context, target } = run
  const abort = new AbortController()
  void flow.closed.then(() => abort.abort())
  const dialed = await context.dialer
    .dial(target, 'tcp', context.policy(target.tag), abort.signal)
    .catch((error: unknown) => run.fail(error))
  if (dialed === undefined) return
  const upstream = new Peekable(dialed)
  flow.accept()
  try {
    await serveConnected(run, upstream)
  } catch (error) {
    ignore(error, 'the flow is gone')
    upstream.destroy()
    run.tell({ verdict: 'allowed', ...(run.verdict.allowed ? { rule: run.verdict.rule } : {}), address: upstream.address })
    throw error
  }
}

async function serveConnected(run: FlowRun, upstream: Peekable): Promise<void> {
  const { flow, context } = run
  const reading = readFirstBytes(flow, context.limits.firstBytesMs)
  reading.catch((error: unknown) => ignore(error, 'told below'))
  const isServerFirst = (await Promise.race([reading, upstream.peek()])) === undefined
  if (isServerFirst && !looksLikeHttp2(await upstream.look())) return await serverSpeaksFirst(run, upstream, reading)
  const first = await reading
  if (first.kind === 'http') return await handToEngine(run, 'http', first.bytes, upstream)
  if (!(await mayLeave(run, first))) return upstream.destroy()
  if (first.kind !== 'none') flow.unread(first.bytes)
  // Without a first byte the program has ended its side, and reading it again says so again.
  await passRaw(run, upstream, first.kind === 'none' ? endedFlow(flow) : flow, first.kind !== 'tls')
}

/** Servers of HTTP/2 send their settings at once, which tells nobody anything: the program still has to begin. */
function looksLikeHttp2(bytes: Uint8Array | undefined): boolean {
  return (
    bytes !== undefined &&
    bytes.length >= 9 &&
    bytes[0] === 0 &&
    bytes[3] === 4 &&
    bytes[4] === 0 &&
    bytes.subarray(5, 9).every((byte) => byte === 0)
  )
}

/**
 * What the server says goes in while it is still open what the program will say; what that is is checked before it leaves. A connection
 * on which the server has spoken cannot be handed to the engine any more, and no HTTP begins like this.
 */
async function serverSpeaksFirst(run: FlowRun, upstream: Upstream, reading: Promise<FirstBytes>): Promise<void> {
  let isFirst = true
  const checked = withRead(run.flow, async () => {
    if (!isFirst) return await run.flow.read()
    isFirst = false
    const first = await reading
    if (first.kind === 'none') return undefined
    if (await mayLeave(run, first)) return first.bytes
    throw new DialError('denied', 'it may not leave')
  })
  await passRaw(run, upstream, checked, true)
}

/** False: the flow has been refused. */
async function mayLeave(run: FlowRun, first: FirstBytes): Promise<boolean> {
  if (first.kind === 'tls') return await helloPasses(run, first, false)
  if (first.kind === 'unclear') run.deny({ allowed: false, reason: first.reason })
  else if (first.kind === 'http') run.deny({ allowed: false, reason: 'an HTTP request came after the server had begun to speak' })
  else return true
  return false
}

async function handToEngine(run: FlowRun, scheme: 'http' | 'tls', bytes: Uint8Array, upstream?: Upstream): Promise<void> {
  const { context, target, flow, verdict } = run
  const engine = await context.http()
  if (engine === undefined) {
    upstream?.destroy()
    return run.fail(new DialError('refused', 'there is nothing that can look into HTTP'))
  }
  if (upstream !== undefined) context.dialed.set(target, upstream)
  run.toldByOthers()
  await engine.serve(flow, bytes, target, scheme, verdict)
  // Nobody wanted it.
  if (context.dialed.delete(target)) upstream?.destroy()
}

async function passRaw(run: FlowRun, upstream: Upstream, flow: Flow, isPlain: boolean): Promise<void> {
  const allows = isPlain ? leakScan(run.context.injector) : undefined
  const { halfClosedMs } = run.context.limits
  const end = await pass(flow, upstream, run.traffic, { halfClosedMs, ...(allows === undefined ? {} : { allows }) })
  if (end === 'blocked') run.tell({ verdict: 'denied', reason: 'a placeholder of a secret was on its way to where it must not go' })
  else run.tell({ verdict: 'allowed', ...(run.verdict.allowed ? { rule: run.verdict.rule } : {}), address: upstream.address })
}

/** Checks who is asked for. False: the program got an alert, and the flow is refused. `opened`: its TLS will be opened. */
async function helloPasses(run: FlowRun, { hello }: Hello, opened: boolean): Promise<boolean> {
  const { target, isLiteral, verdict } = run
  const isPublic = verdict.allowed && verdict.rule === PUBLIC_RULE
  const refuse = async (code: Parameters<typeof fatalAlert>[0], reason: string): Promise<false> => {
    await run.flow.write(fatalAlert(code))
    run.deny({ allowed: false, reason })
    return false
  }
  if (opened && hello.version < TLS_1_2) {
    return await refuse(ALERT.protocolVersion, `TLS older than 1.2 is not opened, and rules or secrets for ${target.host} need that`)
  }
  if (isLiteral) return true
  if (hello.serverName === undefined) {
    if (isPublic && !opened) return true
    return await refuse(ALERT.unrecognizedName, `TLS to ${target.host} without a server name`)
  }
  if (hello.serverName !== target.host) {
    return await refuse(ALERT.unrecognizedName, `TLS asks for another name than ${target.host}, to which the connection goes`)
  }
  if (hello.hasEch && !isPublic && !opened) {
    return await refuse(ALERT.accessDenied, `TLS to ${target.host} with an encrypted ClientHello, whose name cannot be seen`)
  }
  return true
}

function endedFlow(flow: Flow): Flow {
  return withRead(flow, () => Promise.resolve(undefined))
}

/** The flow, with another way to read it. */
function withRead(flow: Flow, read: () => Promise<Uint8Array | undefined>): Flow {
  return {
    request: flow.request,
    closed: flow.closed,
    accept: () => flow.accept(),
    refuse: (why, message) => flow.refuse(why, message),
    read,
    unread: (bytes) => flow.unread(bytes),
    write: (bytes) => flow.write(bytes),
    end: () => flow.end(),
  }
}
