import { libc, SystemCallError } from './libc.ts'

/** Two file descriptors: what is written to one can be read from the other, both ways. */
export interface SocketPair {
  /** For this process, e.g. for `Bun.connect({ fd })`, which makes it non-blocking and closes it with the connection. */
  readonly ours: number
  /** For a child; blocking. */
  readonly theirs: number
}

/**
 * Makes a pair of connected unix stream sockets. Both ends are closed on exec, so a child gets one only when it is named in its stdio;
 * the caller closes each end when done. Throws `SystemCallError` when no descriptors are left.
 */
export function createSocketPair(): SocketPair {
  const pair = new Int32Array(2)
  const errno = libc().socketPair(pair)
  if (errno !== 0) throw new SystemCallError('socketpair', errno)
  return { ours: pair[0]!, theirs: pair[1]! }
}
