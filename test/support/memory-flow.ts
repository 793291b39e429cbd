import type { Flow, FlowRefusal, FlowRequest } from '../../src/egress/types.ts'

/** A flow whose program is the test: what it sends and receives is held in memory, with room for so much each way. */
export class MemoryFlow implements Flow {
  readonly request: FlowRequest
  readonly closed: Promise<void>
  /** How it was refused; undefined: it was not. */
  refused: { readonly why: FlowRefusal; readonly message: string } | undefined
  isAccepted = false
  /** What the program received. */
  receivedBytes = 0
  readonly received: Uint8Array[] = []
  /** False: what is received is counted only. */
  keeps = true
  hasEnded = false
  readonly #closed = Promise.withResolvers<void>()
  readonly #toRead: Uint8Array[] = []
  #inEnded = false
  #gone = false
  #waiting: (() => void)[] = []

  constructor(request: Partial<FlowRequest> & { readonly dst: string; readonly port: number }) {
    this.request = { op: 'tcp', ...request }
    this.closed = this.#closed.promise
  }

  /** The program's side. */
  send(bytes: Uint8Array | string): void {
    this.#toRead.push(typeof bytes === 'string' ? new TextEncoder().encode(bytes) : bytes)
    this.#wake()
  }

  endInput(): void {
    this.#inEnded = true
    this.#wake()
    this.#endWhenDone()
  }

  reset(): void {
    this.#finish()
  }

  /** Chunks that nobody has read yet. */
  get untaken(): number {
    return this.#toRead.length
  }

  text(): string {
    return Buffer.concat(this.received).toString('latin1')
  }

  async until(condition: () => boolean): Promise<void> {
    while (!condition()) await new Promise<void>((resolve) => this.#waiting.push(resolve))
  }

  async untilSettled(): Promise<void> {
    await this.until(() => this.isAccepted || this.#gone)
  }

  accept(): void {
    this.isAccepted = true
    this.#wake()
  }

  refuse(why: FlowRefusal, message: string): void {
    if (this.#gone) return
    this.refused = { why, message }
    this.#finish()
  }

  async read(): Promise<Uint8Array | undefined> {
    for (;;) {
      if (this.#gone) throw new TypeError('the flow is gone')
      const chunk = this.#toRead.shift()
      if (chunk !== undefined) {
        this.#wake()
        return chunk
      }
      if (this.#inEnded) return undefined
      await new Promise<void>((resolve) => this.#waiting.push(resolve))
    }
  }

  unread(bytes: Uint8Array): void {
    this.#toRead.unshift(bytes)
  }

  write(bytes: Uint8Array): Promise<boolean> {
    if (this.#gone) return Promise.resolve(false)
    this.receivedBytes += bytes.length
    if (this.keeps) this.received.push(bytes.slice())
    this.#wake()
    return Promise.resolve(true)
  }

  end(): void {
    this.hasEnded = true
    this.#wake()
    this.#endWhenDone()
  }

  #endWhenDone(): void {
    if (this.#inEnded && this.hasEnded && !this.#gone) {
      this.#closed.resolve()
      this.#wake()
    }
  }

  #finish(): void {
    this.#gone = true
    this.#closed.resolve()
    this.#wake()
  }

  #wake(): void {
    for (const wake of this.#waiting.splice(0)) wake()
  }
}
