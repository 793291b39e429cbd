import { closeSync } from 'node:fs'
import type { RunIo, RunSignal } from '../../src/contract/run.ts'
import { isErrno } from '../../src/lib/errno.ts'
import { createPipe } from '../../src/lib/pipe.ts'

/** The far ends of a command's three streams. */
export interface FarEnds {
  /** What to hand to the driver. */
  readonly io: RunIo
  /** Writes to the command's standard input; resolves with false when the command no longer reads. */
  readonly write: (bytes: Uint8Array) => Promise<boolean>
  /** Ends the command's standard input. Safe to repeat. */
  readonly endInput: () => void
  readonly stdout: Collected
  readonly stderr: Collected
  /** Resolves when the driver says that the sandbox runs. */
  readonly started: Promise<void>
  /** Resolves with the function that signals the command. */
  readonly signalable: Promise<(signal: RunSignal) => void>
  readonly notices: readonly string[]
  /** Closes what is left of the descriptors that belonged to the command. Safe to repeat. */
  readonly release: () => void
}

/** Bytes as they arrive. */
export interface Collected {
  /** Everything until the last writer closed its end. */
  readonly all: Promise<Buffer>
  /** Resolves when `text` has arrived; rejects when the stream ends without it. */
  readonly includes: (text: string) => Promise<void>
  /** Stops reading and closes the descriptor, as a reader that goes away does. */
  readonly abandon: () => Promise<void>
}

const PIECE_BYTES = 65_536

/** Makes the three pipes of one run. The command's ends are closed here once the driver says it no longer needs them. */
export function withPipes(): FarEnds {
  const pipes = { stdin: createPipe(), stdout: createPipe(), stderr: createPipe() }
  const notices: string[] = []
  const started = Promise.withResolvers<void>()
  const signalable = Promise.withResolvers<(signal: RunSignal) => void>()
  const release = once(() => {
    for (const descriptor of [pipes.stdin.read, pipes.stdout.write, pipes.stderr.write]) closeSync(descriptor)
  })
  const endInput = once(() => closeSync(pipes.stdin.write))
  return {
    io: {
      stdin: pipes.stdin.read,
      stdout: pipes.stdout.write,
      stderr: pipes.stderr.write,
      onStarted: () => {
        release()
        started.resolve()
      },
      onSignalable: (send) => signalable.resolve(send),
      onNotice: (text) => void notices.push(text),
    },
    write: (bytes) => writeAll(pipes.stdin.write, bytes),
    endInput,
    stdout: collect(pipes.stdout.read),
    stderr: collect(pipes.stderr.read),
    started: started.promise,
    signalable: signalable.promise,
    notices,
    release,
  }
}

function once(action: () => void): () => void {
  let done = false
  return () => {
    if (!done) action()
    done = true
  }
}

async function writeAll(descriptor: number, bytes: Uint8Array): Promise<boolean> {
  const sink = Bun.file(descriptor).writer()
  try {
    for (let at = 0; at < bytes.length; at += PIECE_BYTES) {
      await sink.write(bytes.subarray(at, at + PIECE_BYTES))
      await sink.flush()
    }
    await sink.end()
    return true
  } catch (error) {
    if (isErrno(error, 'EPIPE')) return false
    throw error
  }
}

function collect(descriptor: number): Collected {
  const chunks: Uint8Array[] = []
  const waiting: { readonly text: string; readonly resolve: () => void; readonly reject: (error: Error) => void }[] = []
  const reader = Bun.file(descriptor).stream().getReader()
  const check = (): void => {
    const seen = Buffer.concat(chunks).toString()
    for (const wait of waiting) if (seen.includes(wait.text)) wait.resolve()
  }
  const all = (async () => {
    for (let piece = await reader.read(); !piece.done; piece = await reader.read()) {
      // The reader reuses its buffer.
      chunks.push(piece.value.slice())
      if (waiting.length > 0) check()
    }
    closeSync(descriptor)
    const seen = Buffer.concat(chunks)
    for (const { text, reject } of waiting)
      reject(new Error(`the stream ended without ${JSON.stringify(text)}; it held ${JSON.stringify(seen.toString())}`))
    return seen
  })()
  const includes = (text: string): Promise<void> => {
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    waiting.push({ text, resolve, reject })
    check()
    void all.then((seen) => reject(new Error(`the stream ended without ${JSON.stringify(text)}; it held ${seen.length} bytes`)))
    return promise
  }
  return { all, includes, abandon: () => reader.cancel() }
}
