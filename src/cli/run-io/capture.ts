/** Most bytes of one stream that a JSON result holds; the command may write more, which is read and dropped. */
export const CAPTURE_LIMIT = 16 * 1024 * 1024

/** Collects the bytes of a stream up to a limit. */
export class Capture {
  readonly #chunks: Uint8Array[] = []
  #size = 0
  truncated = false

  add(bytes: Uint8Array): void {
    const room = CAPTURE_LIMIT - this.#size
    if (bytes.length > room) this.truncated = true
    if (room <= 0) return
    const kept = bytes.length > room ? bytes.slice(0, room) : bytes.slice()
    this.#chunks.push(kept)
    this.#size += kept.length
  }

  /** The bytes as text; what is not UTF-8 becomes U+FFFD. */
  text(): string {
    return new TextDecoder().decode(Buffer.concat(this.#chunks))
  }
}
