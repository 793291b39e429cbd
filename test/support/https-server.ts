import type { Socket } from 'bun'
import { createServer, type Server } from 'node:https'
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { certificateFor } from './http-lab.ts'

export interface TestServer {
  readonly port: number
  close(): void
}

/** A server over TLS, as programs write them. */
export async function httpsServer(name: string, answer: (request: IncomingMessage, response: ServerResponse) => void): Promise<TestServer> {
  const { cert, key } = certificateFor(name)
  const server: Server = createServer({ cert, key }, answer)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return { port: (server.address() as AddressInfo).port, close: () => server.close() }
}

export interface RawConnection {
  /** Everything that came so far. */
  text: string
  write(text: string): void
  /** Breaks off with a reset. */
  reset(): void
  end(): void
}

/** A server over TLS that says what the test wants; `answer` is called whenever something came. */
export function rawServer(
  name: string,
  answer: (connection: RawConnection) => void,
): TestServer & { readonly connections: RawConnection[] } {
  const { cert, key } = certificateFor(name)
  const connections: RawConnection[] = []
  const known = new WeakMap<object, RawConnection>()
  const connectionOf = (socket: Socket): RawConnection => {
    const before = known.get(socket)
    if (before !== undefined) return before
    const made: RawConnection = {
      text: '',
      write: (text) => void socket.write(Buffer.from(text, 'latin1')),
      reset: () => socket.terminate(),
      end: () => void socket.end(),
    }
    known.set(socket, made)
    connections.push(made)
    return made
  }
  const listener = Bun.listen({
    hostname: '127.0.0.1',
    port: 0,
    tls: { cert, key },
    socket: {
      binaryType: 'uint8array',
      open: () => undefined,
      error: () => undefined,
      data: (socket, bytes) => {
        const connection = connectionOf(socket as unknown as Socket)
        connection.text += Buffer.from(bytes as Uint8Array).toString('latin1')
        answer(connection)
      },
    },
  })
  return { port: listener.port, close: () => listener.stop(true), connections }
}
