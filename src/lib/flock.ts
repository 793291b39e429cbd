import { constants } from 'node:os'
import { libc, SystemCallError } from './libc.ts'

/** `shared` holders exclude only an `exclusive` one. */
export type LockMode = 'shared' | 'exclusive'

// The numbers are the same on Linux and macOS.
const LOCK = { shared: 1, exclusive: 2 } as const
const LOCK_NB = 4
const LOCK_UN = 8

/** Pause between two attempts, in ms: short, because holders write one line, and random, so that waiters do not march in step. */
const SHORTEST_PAUSE_MS = 1
const LONGEST_PAUSE_MS = 8

/**
 * Runs `work` while this process holds an advisory `flock` on `fd`, and answers what it answers. The lock belongs to the open
 * file, so two descriptors of one process exclude each other as well, and the kernel drops it when the process dies.
 *
 * Waiting is a series of attempts: a blocking call would stop every other task of the process behind a holder that was
 * suspended. Throws `SystemCallError` with ETIMEDOUT after `limitMs`, or with the kernel's reason when the file system has no locks.
 */
export async function withFlock<T>(fd: number, mode: LockMode, limitMs: number, work: () => T | Promise<T>): Promise<T> {
  await acquire(fd, LOCK[mode] | LOCK_NB, limitMs)
  try {
    return await work()
  } finally {
    libc().flock(fd, LOCK_UN)
  }
}

async function acquire(fd: number, operation: number, limitMs: number): Promise<void> {
  const { flock } = libc()
  const deadline = performance.now() + limitMs
  let longestMs = SHORTEST_PAUSE_MS
  for (;;) {
    const errno = flock(fd, operation)
    if (errno === 0) return
    if (errno !== constants.errno.EWOULDBLOCK && errno !== constants.errno.EINTR) throw new SystemCallError('flock', errno)
    if (performance.now() >= deadline) {
      throw new SystemCallError('flock', constants.errno.ETIMEDOUT, `held by another process for more than ${limitMs} ms`)
    }
    await Bun.sleep(SHORTEST_PAUSE_MS + Math.random() * (longestMs - SHORTEST_PAUSE_MS))
    longestMs = Math.min(longestMs * 2, LONGEST_PAUSE_MS)
  }
}
