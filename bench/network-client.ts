import type { Socket } from 'bun'

/**
 * The program whose network is measured by `bench/network.ts`, in a sandbox or beside it: `bun network-client.ts`. Reads tasks from stdin, a JSON object a
 * line, and answers each with a line of its own. It imports nothing, because it is copied to where sandboxes see it.
 */
export type Task =
  | { readonly task: 'requests'; readonly connections: number; readonly count: number }
  | { readonly task: 'open'; readonly kind: 'tcp' | 'https'; readonly count: number }
  | { readonly task: 'down' | 'up'; readonly bytes: number }

export interface Requests {
  readonly p50Ms: number
  readonly p99Ms: number
  readonly perSecond: number
}
/** How many of the connections that were open at once were answered, and how long it took from the first to the last. */
export interface Opened {
  readonly answered: number
  readonly seconds: number
}
export interface Passed {
  readonly seconds: number
}
export type Answer<T extends Task> = T extends { task: 'requests' } ? Requests : T extends { task: 'open' } ? Opened : Passed

/** The value of the secret. */
export const TOKEN = 'bench-token-0123456789abcdef'
export const PORTS = { https: 9_443, source: 9_001, sink: 9_002, echo: 9_003 } as const
export const HOSTS = { https: 'api.lab.test', tcp: 'db.lab.test' } as const
export const REQUEST_END = '\r\n\r\n'

/** Set where no gateway puts the secret in. */
const ownToken = process.env['BENCH_TOKEN']
const authorization = ownToken === undefined ? '' : `\r\nAuthorization: Bearer ${ownToken}`
const REQUEST = Buffer.from(
  `GET /v1/things HTTP/1.1\r\nHost: ${HOSTS.https}:${PORTS.https}\r\nUser-Agent: bench\r\nAccept: application/json${authorization}${REQUEST_END}`,
)
const OK = 'HTTP/1.1 200 '
const BLOCK = new Uint8Array(256 * 1024)

/** A connection and what is said on it: whoever waits gets everything that came since it was asked. */
class Talk {
  readonly #socket: Socket
  #text = ''
  #wanted:
    | { readonly has: (text: string) => boolean; readonly done: (text: string) => void; readonly failed: (error: Error) => void }
    | undefined

  constructor(socket: Socket) {
    this.#socket = socket
  }

  ask(bytes: Uint8Array, has: (text: string) => boolean): Promise<string> {
    return new Promise((done, failed) => {
      this.#wanted = { has, done, failed }
      this.#socket.write(bytes)
    })
  }

  received(bytes: Uint8Array): void {
    this.#text += Buffer.from(bytes).toString('latin1')
    if (this.#wanted?.has(this.#text) !== true) return
    const { done } = this.#wanted
    this.#wanted = undefined
    const text = this.#text
    this.#text = ''
    done(text)
  }

  ended(): void {
    this.#wanted?.failed(new Error('the connection was closed'))
  }

  end(): void {
    this.#socket.end()
  }
}

function connect(kind: 'tcp' | 'https'): Promise<Talk> {
  const { resolve, reject, promise } = Promise.withResolvers<Talk>()
  let talk: Talk | undefined
  const ready = (socket: Socket): void => {
    talk = new Talk(socket)
    resolve(talk)
  }
  const socket = {
    binaryType: 'uint8array' as const,
    open: (each: Socket) => (kind === 'tcp' ? ready(each) : undefined),
    // A failed check is an error here, and nowhere else.
    handshake: (each: Socket, _: boolean, error: Error | null) => (error === null ? ready(each) : reject(error)),
    data: (_: Socket, bytes: Uint8Array) => talk?.received(bytes),
    error: (_: Socket, error: Error) => reject(error),
    connectError: (_: Socket, error: Error) => reject(error),
    close: () => {
      talk?.ended()
      reject(new Error('the connection was closed before it was open'))
    },
  }
  const tls = kind === 'tcp' ? {} : { tls: { serverName: HOSTS.https, rejectUnauthorized: true } }
  Bun.connect({ hostname: HOSTS[kind], port: kind === 'tcp' ? PORTS.echo : PORTS.https, socket, ...tls } as never).catch(reject)
  return promise
}

/** Whether a whole answer is there. Throws for any but a good one. */
export function isWhole(text: string): boolean {
  const end = text.indexOf(REQUEST_END)
  if (end < 0) return false
  if (!text.startsWith(OK)) throw new Error(`answered with: ${text.slice(0, 200)}`)
  const length = Number(/\r\ncontent-length: *(\d+)/i.exec(text.slice(0, end))?.[1])
  return text.length >= end + REQUEST_END.length + length
}

/** Over so many connections, each sending its next request when the answer before has come. They are open before the clock starts. */
async function requests(connections: number, count: number): Promise<Requests> {
  const talks = await Promise.all(Array.from({ length: connections }, () => connect('https')))
  const times: number[] = []
  await Promise.all(talks.map((talk) => talk.ask(REQUEST, isWhole)))
  const beganMs = performance.now()
  const each = Math.ceil(count / connections)
  await Promise.all(
    talks.map(async (talk) => {
      for (let done = 0; done < each; done++) {
        const askedMs = performance.now()
        await talk.ask(REQUEST, isWhole)
        times.push(performance.now() - askedMs)
      }
    }),
  )
  const seconds = (performance.now() - beganMs) / 1_000
  for (const talk of talks) talk.end()
  times.sort((a, b) => a - b)
  const at = (part: number): number => times[Math.floor(times.length * part)] ?? Number.NaN
  return { p50Ms: at(0.5), p99Ms: at(0.99), perSecond: times.length / seconds }
}

/** All are open before the first one asks. */
async function open(kind: 'tcp' | 'https', count: number): Promise<Opened> {
  const beganMs = performance.now()
  const made = await Promise.allSettled(Array.from({ length: count }, () => connect(kind)))
  const talks = made.flatMap((one) => (one.status === 'fulfilled' ? [one.value] : []))
  const answers = await Promise.allSettled(
    talks.map((talk, place) => {
      const own = `number ${place}\n`
      return kind === 'https' ? talk.ask(REQUEST, isWhole) : talk.ask(Buffer.from(own), (text) => text === own)
    }),
  )
  const seconds = (performance.now() - beganMs) / 1_000
  for (const talk of talks) talk.end()
  return { answered: answers.filter(({ status }) => status === 'fulfilled').length, seconds }
}

/** Bytes to or from here over one connection, until the other side has them all. */
function pass(task: 'down' | 'up', bytes: number): Promise<Passed> {
  const { resolve, reject, promise } = Promise.withResolvers<Passed>()
  let beganMs = 0
  let left = bytes
  let received = 0
  let said = ''
  const goOn = (socket: Socket): void => {
    if (task === 'down' || left <= 0) return
    while (left > 0) {
      const sent = socket.write(left < BLOCK.length ? BLOCK.subarray(0, left) : BLOCK)
      if (sent <= 0) return
      left -= sent
    }
    socket.shutdown()
  }
  const socket = {
    binaryType: 'uint8array' as const,
    open: (each: Socket) => {
      beganMs = performance.now()
      if (task === 'down') each.write(`${bytes}\n`)
      else goOn(each)
    },
    drain: goOn,
    data: (each: Socket, chunk: Uint8Array) => {
      received += chunk.length
      if (task === 'up') said += Buffer.from(chunk).toString()
      if (task === 'up' ? !said.endsWith('\n') : received < bytes) return
      if (task === 'up' && Number(said) !== bytes) reject(new Error(`${said.trim()} of ${bytes} bytes arrived`))
      resolve({ seconds: (performance.now() - beganMs) / 1_000 })
      each.end()
    },
    error: (_: Socket, error: Error) => reject(error),
    connectError: (_: Socket, error: Error) => reject(error),
    close: () => reject(new Error(`the connection was closed after ${received} bytes`)),
  }
  Bun.connect({ hostname: HOSTS.tcp, port: PORTS[task === 'down' ? 'source' : 'sink'], allowHalfOpen: true, socket } as never).catch(reject)
  return promise
}

function work(task: Task): Promise<Requests | Opened | Passed> {
  if (task.task === 'requests') return requests(task.connections, task.count)
  return task.task === 'open' ? open(task.kind, task.count) : pass(task.task, task.bytes)
}

if (import.meta.main) {
  console.log(JSON.stringify({ ready: true }))
  for await (const line of console) {
    const answer = await work(JSON.parse(line) as Task).catch((error: unknown) => ({ error: String(error) }))
    console.log(JSON.stringify(answer))
  }
  process.exit(0)
}
