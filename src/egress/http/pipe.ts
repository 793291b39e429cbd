/** Bytes both ways: a flow, a connection to the outside, or TLS over one of them. */
export interface Pipe {
  /** Undefined: the other side sends no more. Rejects when it is gone. */
  read(): Promise<Uint8Array | undefined>
  /** False: it is gone. Never rejects. */
  write(bytes: Uint8Array): Promise<boolean>
  end(): void
  destroy(): void
  /** Never rejects. */
  readonly closed: Promise<void>
}
