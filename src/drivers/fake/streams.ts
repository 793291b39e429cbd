import { closeSync, openSync } from 'node:fs'
import type { RunIo } from '../../contract/run.ts'
import { isErrno } from '../../lib/errno.ts'
import { ignore } from '../../lib/ignore.ts'

/** The three streams of one pretended command. */
export interface Streams {
  readonly input: (over: AbortSignal) => AsyncIterable<Uint8Array>
  /** Writes all bytes, or stops when `over` is aborted. Resolves with false when nobody reads any more. */
  readonly write: (to: 'out' | 'err', bytes: Uint8Array, over: AbortSignal) => Promise<boolean>
  readonly close: () => void
}

// The size of a pipe: a larger piece would only sit in memory while it waits.
const PIECE_BYTES = 65_536

/**
 * Opens streams on the descriptors of `io`, as a started process would have them: its own copies, so that the caller
 * may close theirs at once. With a terminal, bytes go through its functions instead.
 */
export function openStreams(io: RunIo): Streams {
  if (io.terminal !== undefined) return terminalStreams(io.terminal)
  const open = { in: reopen(io.stdin, 'r'), out: reopen(io.stdout, 'w'), err: reopen(io.stderr, 'w') }
  return {
    input: (over) => readDescriptor(open.in, over),
    write: (to, bytes, over) => writeDescriptor(open[to], bytes, over),
    close: () => {
      for (const descriptor of [open.in, open.out, open.err]) closeSync(descriptor)
    },
  }
}

/** A second open file on the same pipe; unlike a duplicate it shares no flags with the caller's. */
function reopen(descriptor: number, mode: 'r' | 'w'): number {
  return openSync(`/proc/self/fd/${descriptor}`, mode)
}

async function* readDescriptor(descriptor: number, over: AbortSignal): AsyncGenerator<Uint8Array> {
  const reader = Bun.file(descriptor).stream().getReader()
  const stop = (): void => void reader.cancel().catch((error: unknown) => ignore(error, 'nothing is read any more'))
  over.addEventListener('abort', stop)
  try {
    while (!over.aborted) {
      const { done, value } = await reader.read()
      if (done) return
      yield value
    }
  } finally {
    over.removeEventListener('abort', stop)
    stop()
  }
}

async function writeDescriptor(descriptor: number, bytes: Uint8Array, over: AbortSignal): Promise<boolean> {
  const sink = Bun.file(descriptor).writer()
  try {
    for (let at = 0; at < bytes.length && !over.aborted; at += PIECE_BYTES) {
      await sink.write(bytes.subarray(at, at + PIECE_BYTES))
      await Promise.race([sink.flush(), aborted(over)])
    }
    if (!over.aborted) await sink.end()
    return true
  } catch (error) {
    if (isErrno(error, 'EPIPE')) return false
    throw error
  }
}

function aborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve()
  return new Promise((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }))
}

function terminalStreams(terminal: NonNullable<RunIo['terminal']>): Streams {
  const typed: Uint8Array[] = []
  let wake = (): void => undefined
  const control = {
    write: (bytes: Uint8Array): void => {
      typed.push(bytes)
      wake()
    },
    resize: (): void => undefined,
  }
  terminal.onReady(control)
  return {
    input: async function* (over) {
      while (!over.aborted) {
        const bytes = typed.shift()
        if (bytes !== undefined) yield bytes
        else await Promise.race([new Promise<void>((resolve) => (wake = resolve)), aborted(over)])
      }
    },
    write: (_to, bytes) => {
      terminal.onOutput(bytes)
      return Promise.resolve(true)
    },
    close: () => undefined,
  }
}
