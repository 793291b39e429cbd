import type { Socket, Subprocess } from 'bun'
import type { BoundSecret } from '../src/contract/secrets.ts'
import { createInjector } from '../src/egress/inject/injector.ts'
import { Authority, createAuthority } from '../src/egress/tls/authority.ts'
import { Secret } from '../src/lib/secret.ts'
import { certificateFor, HttpLab } from '../test/support/http-lab.ts'

/**
 * `bun bench/egress-http.ts [REQUESTS]`: what it costs that the gateway opens a request over TLS and puts a secret into it. Client, gateway
 * and server are processes of their own on this machine; sockets take the place of the sandbox's network.
 */
const NAME = 'api.example.test'
const END = '\nend\n'
const REQUEST = Buffer.from(`GET /v1/things HTTP/1.1\r\nHost: ${NAME}\r\nUser-Agent: bench\r\nAccept: application/json\r\n\r\n`)
const BODY = `${'x'.repeat(1_000)}${END}`
const RESPONSE = Buffer.from(`HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: ${BODY.length}\r\n\r\n${BODY}`)
const DEFAULT_REQUESTS = 20_000

interface Usage {
  readonly cpuMs: number
  readonly rssMiB: number
}

/** Answers every request that arrives in one piece. */
function serveUpstream(): number {
  const { cert, key } = certificateFor(NAME)
  const socket = { binaryType: 'uint8array' as const, open: nothing, error: nothing, data: (each: Socket) => void each.write(RESPONSE) }
  return Bun.listen({ hostname: '127.0.0.1', port: 0, tls: { cert, key }, socket }).port
}

function serveGateway(upstream: number, ca: string): number {
  const binding = { name: 'TOKEN', vaultKey: 'TOKEN', hosts: [NAME], how: 'header' } as const
  const secret: BoundSecret = { binding, value: () => new Secret('sk-bench-0123456789abcdef'), placeholder: 'ak-proxy-managed' }
  const lab = new HttpLab({
    servers: { [`${NAME}:443`]: upstream },
    gateway: { injector: createInjector([secret]) },
    engine: { trusted: async () => [ca] },
  })
  return lab.door(NAME, 443)
}

class Child {
  readonly #process: Subprocess<'pipe', 'pipe', 'inherit'>
  readonly #lines: AsyncIterator<string>

  constructor(...args: readonly string[]) {
    this.#process = Bun.spawn([process.execPath, import.meta.path, ...args], { stdin: 'pipe', stdout: 'pipe', stderr: 'inherit' })
    this.#lines = linesOf(this.#process.stdout)
  }

  /** What it says next: first its port and what else there is to know, then an answer to each `ask`. */
  async next<T>(): Promise<T> {
    const { value } = await this.#lines.next()
    return JSON.parse(String(value)) as T
  }

  async usage(): Promise<Usage> {
    void this.#process.stdin.write('\n')
    await this.#process.stdin.flush()
    return await this.next<Usage>()
  }

  end(): void {
    this.#process.kill()
  }
}

async function* linesOf(stream: ReadableStream<Uint8Array>): AsyncGenerator<string, void> {
  let rest = ''
  for await (const bytes of stream) {
    const lines = (rest + Buffer.from(bytes).toString()).split('\n')
    rest = lines.pop() ?? ''
    yield* lines
  }
}

/** Says what it knows, then its usage for each line that it reads. */
async function reportUsage(known: object): Promise<void> {
  console.log(JSON.stringify(known))
  for await (const _ of linesOf(Bun.stdin.stream())) {
    const { user, system } = process.cpuUsage()
    console.log(JSON.stringify({ cpuMs: (user + system) / 1_000, rssMiB: Math.round(process.memoryUsage().rss / 2 ** 20) }))
  }
}

interface Load {
  readonly perSecond: number
  readonly p50Ms: number
  readonly p99Ms: number
}

/** Sends requests over so many connections, each when the answer before has come. */
async function load(port: number, connections: number, requests: number): Promise<Load> {
  const times: number[] = []
  const each = Math.ceil(requests / connections)
  const beganMs = performance.now()
  await Promise.all(Array.from({ length: connections }, () => drive(port, each, times)))
  const seconds = (performance.now() - beganMs) / 1_000
  times.sort((a, b) => a - b)
  return { perSecond: times.length / seconds, p50Ms: times[times.length >> 1] ?? 0, p99Ms: times[Math.floor(times.length * 0.99)] ?? 0 }
}

function drive(port: number, count: number, times: number[]): Promise<void> {
  const { resolve, reject, promise } = Promise.withResolvers<void>()
  let startMs = 0
  let done = 0
  let tail = ''
  const ask = (socket: Socket): void => {
    startMs = performance.now()
    socket.write(REQUEST)
  }
  const socket = {
    binaryType: 'uint8array' as const,
    open: nothing,
    handshake: ask,
    data: (one: Socket, bytes: Uint8Array) => {
      tail = (tail + Buffer.from(bytes).toString('latin1')).slice(-END.length)
      if (tail !== END) return
      tail = ''
      times.push(performance.now() - startMs)
      if (++done < count) return ask(one)
      one.end()
      resolve()
    },
    close: () => reject(new TypeError('the connection was closed')),
    error: (_: Socket, error: Error) => reject(error),
  }
  const tls = { rejectUnauthorized: false, serverName: NAME }
  Bun.connect({ hostname: '127.0.0.1', port, tls, socket } as never).catch(reject)
  return promise
}

function leafMs(): number {
  const authority = new Authority(createAuthority('bench', new Date()))
  authority.leaf('warm.example.test')
  const beganMs = performance.now()
  for (let index = 0; index < 100; index++) authority.leaf(`n${index}.example.test`)
  return (performance.now() - beganMs) / 100
}

async function main(requests: number): Promise<void> {
  const upstream = new Child('--upstream')
  const { port, ca } = await upstream.next<{ readonly port: number; readonly ca: string }>()
  const gateway = new Child('--gateway', `${port}`, ca)
  try {
    const { port: door } = await gateway.next<{ readonly port: number }>()
    await load(port, 1, 1_000)
    await load(door, 1, 2_000)
    const direct = await load(port, 1, 3_000)
    const before = await gateway.usage()
    const opened = await load(door, 1, 3_000)
    const after = await gateway.usage()
    console.log(`one connection: direct p50 ${direct.p50Ms.toFixed(3)} ms, through the gateway ${opened.p50Ms.toFixed(3)} ms`)
    console.log(`added p50 ${(opened.p50Ms - direct.p50Ms).toFixed(3)} ms, p99 ${opened.p99Ms.toFixed(3)} ms`)
    console.log(`CPU of the gateway for a request: ${((after.cpuMs - before.cpuMs) / 3_000).toFixed(3)} ms`)
    console.log(`a leaf: ${leafMs().toFixed(2)} ms`)
    for (let part = 1; part <= 4; part++) {
      const { perSecond, p50Ms } = await load(door, 16, requests / 4)
      const { rssMiB, cpuMs } = await gateway.usage()
      const figures = `${Math.round(perSecond)} requests/s, p50 ${p50Ms.toFixed(2)} ms, gateway at ${rssMiB} MiB`
      console.log(`16 connections, ${(requests / 4) * part} requests: ${figures}, ${Math.round(cpuMs)} ms of CPU so far`)
    }
  } finally {
    gateway.end()
    upstream.end()
  }
}

function nothing(): void {}

const [mode, ...rest] = process.argv.slice(2)
if (mode === '--upstream') {
  const { outsideAuthority } = await import('../test/support/http-lab.ts')
  await reportUsage({ port: serveUpstream(), ca: outsideAuthority.cert })
} else if (mode === '--gateway') {
  await reportUsage({ port: serveGateway(Number(rest[0]), rest[1] ?? '') })
} else {
  await main(Number(mode ?? DEFAULT_REQUESTS))
}
