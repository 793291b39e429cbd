import type { ServerWebSocket } from 'bun'
import { AgentKernel, type ExecSession } from '../src/index.ts'
import { data, FixtureServer, moment, type Seen, type SocketScript } from './fixture-server.ts'

type Socket = ServerWebSocket<Seen>
type Message = Record<string, unknown> & { type: string }

/** A server side of the protocol: what the client sent, and a hand to answer with. */
export class Peer implements SocketScript {
  readonly messages: Message[] = []
  readonly stdin: Buffer[] = []
  readonly closed = moment()
  /** Called after each message; answers as the test likes. */
  answer: (message: Message | Buffer, peer: Peer) => void = () => undefined
  #socket: Socket | undefined

  open = (socket: Socket): void => {
    this.#socket = socket
  }
  message = (_socket: Socket, message: string | Buffer): void => {
    if (typeof message === 'string') this.messages.push(JSON.parse(message) as Message)
    else this.stdin.push(Buffer.from(message))
    this.answer(typeof message === 'string' ? this.messages.at(-1)! : this.stdin.at(-1)!, this)
  }
  close = (): void => this.closed.reach()

  tell(message: Message): void {
    this.#socket?.send(JSON.stringify(message))
  }
  output(channel: number, text: string | Uint8Array): number {
    return this.#socket?.send(Buffer.concat([Buffer.from([channel]), Buffer.from(text as never)])) ?? 0
  }
  raw(message: string | Uint8Array): void {
    this.#socket?.send(message as never)
  }
  end(exitCode = 0): void {
    this.tell({ type: 'exit', exit_code: exitCode, ended: 'exited', duration_ms: 4 })
  }
  hangUp(): void {
    this.#socket?.close(1012, 'the server restarts')
  }
}

/** The answer of a server where every command starts. */
export const start: Peer['answer'] = (message, peer) => {
  if (!Buffer.isBuffer(message) && (message.type === 'exec' || message.type === 'attach')) peer.tell({ type: 'started', id: 'e1', pid: 42 })
}

/** A server with a peer, and a client of it. */
export function world(answer: Peer['answer'], options: object = {}, reply: () => Response = () => data({ name: 'box' })) {
  const peer = new Peer()
  peer.answer = answer
  const server = new FixtureServer(reply, { socket: peer, protocol: 'agentkernel.v1' })
  const client = new AgentKernel({ baseUrl: server.url, apiKey: 'se/cret+?', ...options })
  return { peer, server, client, [Symbol.dispose]: () => server[Symbol.dispose]() }
}

export async function textOf(session: ExecSession): Promise<string> {
  let text = ''
  for await (const chunk of session.output)
    text += 'gap' in chunk ? `[gap ${chunk.offset}]` : `${chunk.channel}:${Buffer.from(chunk.bytes).toString()};`
  return text
}
