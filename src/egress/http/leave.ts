import { ignore } from '../../lib/ignore.ts'
import type { Pipe } from './pipe.ts'

/** What is still read of a program that nobody listens to any more, so that it can read what it was told. */
const MOST_DRAINED_BYTES = 1024 * 1024
const LEAVE_MS = 60_000

/**
 * Says that no more comes, and reads on until the other side has understood: a reset would take back what is still on its way to it. What
 * waits to be read by a slow program is little, but it may take long. Never rejects.
 */
export async function leave(pipe: Pipe, read: () => Promise<Uint8Array | undefined>, limitMs = LEAVE_MS): Promise<void> {
  pipe.end()
  const timer = setTimeout(() => pipe.destroy(), limitMs)
  try {
    for (let left = MOST_DRAINED_BYTES; left > 0;) {
      const bytes = await read()
      if (bytes === undefined) break
      left -= bytes.length
      if (left <= 0) pipe.destroy()
    }
    await pipe.closed
  } catch (error) {
    ignore(error, 'it is gone, as it should be')
  }
  clearTimeout(timer)
}
