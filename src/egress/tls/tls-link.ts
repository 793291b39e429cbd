import { Duplex } from 'node:stream'
import { ignore } from '../../lib/ignore.ts'
import { ByteQueue } from '../byte-queue.ts'
import type { Pipe } from '../http/pipe.ts'

/** What may wait decrypted for its reader, and encrypted for the network, before the other side of TLS is held back, in bytes. */
const UNREAD_BYTES = 256 * 1024
const UNSENT_BYTES = 256 * 1024

/**
 * Both sides of one TLS connection over a pipe: `encrypted` is what `node:tls` gets as its socket, `open` makes a pipe of what it gives
 * back. Bun's TLS over a stream takes and gives without end, whatever the streams say about being full, so it is held back here: what is
 * encrypted is read only while there is room for it decrypted, and a write waits until what came of it has left.
 */
export class TlsLink {
  readonly encrypted: Duplex
  readonly #pipe: Pipe
  readonly #plain = new ByteQueue()
  #unsent = 0
  #isGone = false
  #readable: (() => void) | undefined
  #drained: (() => void)[] = []

  constructor(pipe: Pipe) {
    this.#pipe = pipe
    this.encrypted = new Duplex({
      // Both ends decide by themselves when they have nothing more to say.
      allowHalfOpen: true,
      read: () => void this.#fill(),
      write: (bytes: Uint8Array, _encoding, done) => this.#send(bytes, done),
      final: (done) => {
        pipe.end()
        done()
      },
      destroy: (_error, done) => {
        this.#lose()
        pipe.destroy()
        done(null)
      },
    })
    this.encrypted.on('error', (error) => ignore(error, 'its close says the same'))
    void pipe.closed.then(() => this.#lose())
  }

  /** The decrypted side, once the handshake is done. `stream` is used for nothing else. */
  open(stream: Duplex): Pipe {
    stream.on('data', (bytes: Uint8Array) => this.#plain.push(bytes))
    stream.on('end', () => this.#plain.end())
    stream.on('error', (error) => ignore(error, 'its close says the same'))
    const closed = new Promise<void>((resolve) => {
      stream.on('close', () => {
        this.#lose()
        this.#plain.end(new TypeError('the connection is gone'))
        resolve()
      })
    })
    return {
      closed,
      read: async () => {
        const bytes = await this.#plain.take()
        if (this.#plain.length < UNREAD_BYTES) this.#wakeReader()
        return bytes
      },
      write: (bytes) => this.#write(stream, bytes),
      end: () => {
        if (!stream.destroyed && !stream.writableEnded) stream.end()
      },
      destroy: () => void stream.destroy(),
    }
  }

  async #fill(): Promise<void> {
    try {
      while (this.#plain.length >= UNREAD_BYTES && !this.#isGone) await new Promise<void>((resolve) => (this.#readable = resolve))
      if (this.#isGone) return
      this.encrypted.push((await this.#pipe.read()) ?? null)
    } catch (error) {
      ignore(error, 'whoever reads is told that it is gone')
      this.encrypted.destroy()
    }
  }

  #send(bytes: Uint8Array, done: (error?: Error | null) => void): void {
    this.#unsent += bytes.length
    void this.#pipe.write(bytes).then((taken) => {
      this.#unsent -= bytes.length
      done(taken ? null : new TypeError('the connection is gone'))
      if (this.#waiting < UNSENT_BYTES) this.#wakeWriters()
    })
  }

  /** Encrypted, and not taken by the network yet. */
  get #waiting(): number {
    return this.#unsent + this.encrypted.writableLength
  }

  async #write(stream: Duplex, bytes: Uint8Array): Promise<boolean> {
    if (this.#isGone || stream.destroyed || stream.writableEnded) return false
    stream.write(bytes)
    while (this.#waiting >= UNSENT_BYTES && !this.#isGone) await new Promise<void>((resolve) => this.#drained.push(resolve))
    return !this.#isGone
  }

  #lose(): void {
    this.#isGone = true
    this.#wakeReader()
    this.#wakeWriters()
  }

  #wakeReader(): void {
    const readable = this.#readable
    this.#readable = undefined
    readable?.()
  }

  #wakeWriters(): void {
    for (const wake of this.#drained.splice(0)) wake()
  }
}
