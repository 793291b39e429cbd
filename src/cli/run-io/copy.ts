import { closeSync, read, writeSync, write } from 'node:fs'
import { isErrno } from '../../lib/errno.ts'
import { ignore } from '../../lib/ignore.ts'

const CHUNK = 64 * 1024
/** Pause before a descriptor that cannot take more is tried again, in ms. */
const FULL_PAUSE_MS = 2

/**
 * Copies a command's output until its end, into a descriptor or a function, and closes the reading side. When the
 * reader of our output is gone, the rest is read and dropped, so that the command is not stuck on a full pipe: it ends
 * as it would with its output thrown away.
 */
export async function copyFrom(source: number, target: number | ((bytes: Uint8Array) => void)): Promise<void> {
  let broken = false
  try {
    const buffer = Buffer.allocUnsafe(CHUNK)
    for (;;) {
      const size = await readSome(source, buffer)
      if (size === 0) return
      if (broken) continue
      const bytes = buffer.subarray(0, size)
      if (typeof target === 'function') target(bytes)
      else broken = !writeFully(target, bytes)
    }
  } finally {
    closeSync(source)
  }
}

/** Copies our input into a command until either side ends. The command that stops reading ends the copy. */
export async function copyInto(source: number, target: number, signal: AbortSignal): Promise<void> {
  const buffer = Buffer.allocUnsafe(CHUNK)
  try {
    while (!signal.aborted) {
      const size = await readSome(source, buffer)
      // oxlint-disable-next-line no-unmodified-loop-condition -- the signal changes while we wait
      if (size === 0 || signal.aborted) return
      for (let sent = 0; sent < size;) sent += await writeSome(target, buffer.subarray(sent, size))
    }
  } catch (error) {
    ignore(error, 'the command closed its input, or ours cannot be read: either way there is no more')
  } finally {
    closeSync(target)
  }
}

/** Writes everything, waiting where the descriptor is non-blocking and full. False when nobody reads any more. */
export function writeFully(fd: number, bytes: Uint8Array): boolean {
  for (let sent = 0; sent < bytes.length;) {
    try {
      sent += writeSync(fd, bytes, sent)
    } catch (error) {
      if (isErrno(error, 'EAGAIN')) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, FULL_PAUSE_MS)
      else if (isErrno(error, 'EPIPE', 'EIO', 'EBADF')) return false
      else throw error
    }
  }
  return true
}

function readSome(fd: number, buffer: Buffer): Promise<number> {
  return new Promise((resolve, reject) => {
    read(fd, buffer, 0, buffer.length, null, (error, size) => {
      if (error === null) resolve(size)
      else if (isErrno(error, 'EAGAIN')) setTimeout(() => resolve(readSome(fd, buffer)), FULL_PAUSE_MS)
      else reject(error)
    })
  })
}

function writeSome(fd: number, bytes: Uint8Array): Promise<number> {
  return new Promise((resolve, reject) => {
    write(fd, bytes, (error, size) => (error === null ? resolve(size) : reject(error)))
  })
}
