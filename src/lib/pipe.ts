import { libc, SystemCallError } from './libc.ts'

/** Two file descriptors: what is written to `write` can be read from `read`. */
export interface Pipe {
  readonly read: number
  readonly write: number
}

/**
 * Makes a kernel pipe. Both ends are closed on exec, so a child gets one only when it is named in its stdio; the caller closes
 * each end when done. A real pipe rather than a socket pair: `/dev/stdout` can be opened again on it, and programs see a FIFO.
 * Throws `SystemCallError` when no descriptors are left.
 */
export function createPipe(): Pipe {
  const pair = new Int32Array(2)
  const errno = libc().pipe(pair)
  if (errno !== 0) throw new SystemCallError('pipe', errno)
  return { read: pair[0]!, write: pair[1]! }
}
