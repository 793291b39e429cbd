import { AppError } from '../contract/errors.ts'
import { INITIAL_STDIN_CREDIT } from '../contract/exec-socket.ts'
import type { ExecSession } from '../contract/sandbox-operations.ts'
import { ignore } from '../lib/ignore.ts'

/** What a WebSocket's client sends to a command, held to what it may send: never more waits here than its credit. */
export class StdinQueue {
  readonly #grant: (bytes: number) => void
  readonly #chunks: Uint8Array[] = []
  #credit = INITIAL_STDIN_CREDIT
  #ended = false
  #stopped = false
  #wake: () => void = () => undefined
  /** False when the command was started without stdin. */
  open = false

  /** `grant` tells the client that it may send that many more bytes. */
  constructor(grant: (bytes: number) => void) {
    this.#grant = grant
  }

  /** Errors: `invalid_argument` without stdin, after its end, and beyond the credit. */
  push(bytes: Uint8Array): void {
    if (!this.open) throw new AppError('invalid_argument', 'the command has no stdin; ask for it with `"stdin": true`')
    if (this.#ended) throw new AppError('invalid_argument', 'stdin has ended')
    if (bytes.length > this.#credit) throw new AppError('invalid_argument', `stdin: ${bytes.length} bytes, the credit is ${this.#credit}`)
    if (bytes.length === 0) return
    this.#credit -= bytes.length
    this.#chunks.push(bytes)
    this.#wake()
  }

  /** Twice is once. */
  end(): void {
    this.#ended = true
    this.#wake()
  }

  /** Ends the carrying without telling the command: a visitor leaves, and its stdin stays open. */
  stop(): void {
    this.#stopped = true
    this.#wake()
  }

  /** Carries everything to the command, in order, as fast as it takes it. Resolves when stdin has ended. */
  async flow(session: Pick<ExecSession, 'write' | 'closeStdin'>): Promise<void> {
    let taken = true
    while (!this.#stopped) {
      const chunk = this.#chunks.shift()
      if (chunk !== undefined) {
        // A command that no longer reads does not stop its client: what is sent to it is lost, as with a pipe.
        taken &&= await accepted(session.write(chunk))
        this.#credit += chunk.length
        this.#grant(chunk.length)
      } else if (this.#ended) return session.closeStdin()
      else await new Promise<void>((resolve) => (this.#wake = resolve))
    }
  }
}

async function accepted(write: Promise<void>): Promise<boolean> {
  try {
    await write
    return true
  } catch (error) {
    ignore(error, 'the end of the command is told by its result')
    return false
  }
}
