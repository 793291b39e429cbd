import { connect, type TLSSocket } from 'node:tls'
import { sandboxAuthority } from './http-lab.ts'

/** A program that speaks raw bytes over TLS through a door of the lab. */
export class TlsProgram {
  text = ''
  hasEnded = false
  failure: string | undefined
  readonly #socket: TLSSocket
  #wake: (() => void)[] = []

  constructor(port: number, name: string, more: { readonly ALPNProtocols?: string[] } = {}) {
    this.#socket = connect({ host: '127.0.0.1', port, servername: name, ca: sandboxAuthority.cert, ALPNProtocols: ['http/1.1'], ...more })
    this.#socket.on('data', (bytes: Buffer) => {
      this.text += bytes.toString('latin1')
      this.#changed()
    })
    this.#socket.on('error', (error) => {
      this.failure = error.message
      this.#end()
    })
    this.#socket.on('end', () => this.#end())
    this.#socket.on('close', () => this.#end())
  }

  send(text: string | Uint8Array): void {
    this.#socket.write(text)
  }

  pause(): void {
    this.#socket.pause()
  }

  resume(): void {
    this.#socket.resume()
  }

  leave(): void {
    this.#socket.destroy()
  }

  async until(condition: () => boolean): Promise<void> {
    while (!condition() && !this.hasEnded) await new Promise<void>((resolve) => this.#wake.push(resolve))
  }

  /** Everything that came when the connection has ended. */
  async all(): Promise<string> {
    while (!this.hasEnded) await new Promise<void>((resolve) => this.#wake.push(resolve))
    return this.text
  }

  #end(): void {
    this.hasEnded = true
    this.#changed()
  }

  #changed(): void {
    for (const wake of this.#wake.splice(0)) wake()
  }
}
