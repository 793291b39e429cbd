import { closeSync, read, write, writeSync } from 'node:fs'
import { isErrno } from '../../lib/errno.ts'
import { ignore } from '../../lib/ignore.ts'

const CHUNK = 64 * 1024
/** Pause before a descriptor that is not ready is tried again, in ms. */
const NOT_READY_PAUSE_MS = 2
/** Pause between two looks at a terminal's input, in ms: less than a person notices. */
const TERMINAL_PAUSE_MS = 20

/**
 * Copies a command's output until its end, into a descriptor or a function, and closes the reading side. When the
 * reader of our output is gone, the copy ends, and the command meets a closed pipe as it would without us. When our
 * output takes no more for another reason (a full disk), the rest is read and dropped, and the error is the result.
 */
export async function copyFrom(source: number, target: number | ((bytes: Uint8Array) => void)): Promise<Error | undefined> {
  let failure: Error | undefined
  try {
    const buffer = Buffer.allocUnsafe(CHUNK)
    for (;;) {
      const size = await readSome(source, buffer)
      if (size === 0) return failure
      if (failure !== undefined) continue
      const bytes = buffer.subarray(0, size)
      if (typeof target === 'function') target(bytes)
      else failure = await writeAll(target, bytes)
      if (isErrno(failure, 'EPIPE', 'EIO', 'ECONNRESET')) return undefined
    }
  } finally {
    closeSync(source)
  }
}

/**
 * Copies our input into a command until either side ends, and closes the writing side. The command that stops reading
 * ends the copy. With `isReady` nothing is read before it says so.
 */
export async function copyInto(source: number, target: number, signal: AbortSignal, isReady?: () => boolean): Promise<void> {
  const buffer = Buffer.allocUnsafe(CHUNK)
  try {
    while (!signal.aborted) {
      if (isReady?.() === false) {
        await pause(TERMINAL_PAUSE_MS)
        continue
      }
      const size = await readSome(source, buffer)
      // oxlint-disable-next-line no-unmodified-loop-condition -- the signal changes while we wait
      if (size === 0 || signal.aborted) return
      if ((await writeAll(target, buffer.subarray(0, size))) !== undefined) return
    }
  } catch (error) {
    ignore(error, 'our input cannot be read: there is no more')
  } finally {
    closeSync(target)
  }
}

/** Writes everything before it returns, waiting where the descriptor is non-blocking and full. False when nobody reads any more. */
export function writeFully(fd: number, bytes: Uint8Array): boolean {
  for (let sent = 0; sent < bytes.length;) {
    try {
      sent += writeSync(fd, bytes, sent)
    } catch (error) {
      if (isErrno(error, 'EAGAIN')) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, NOT_READY_PAUSE_MS)
      else if (isErrno(error, 'EPIPE', 'EIO', 'EBADF')) return false
      else throw error
    }
  }
  return true
}

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))

function readSome(fd: number, buffer: Buffer): Promise<number> {
  return new Promise((resolve, reject) => {
    read(fd, buffer, 0, buffer.length, null, (error, size) => {
      if (error === null) resolve(size)
      else if (isErrno(error, 'EAGAIN')) resolve(pause(NOT_READY_PAUSE_MS).then(() => readSome(fd, buffer)))
      else reject(error)
    })
  })
}

/** Writes everything without holding up signals meanwhile; resolves with the error that made it impossible. */
async function writeAll(fd: number, bytes: Uint8Array): Promise<Error | undefined> {
  for (let sent = 0; sent < bytes.length;) {
    const result = await writeSome(fd, bytes.subarray(sent))
    if (typeof result === 'number') sent += result
    else if (isErrno(result, 'EAGAIN')) await pause(NOT_READY_PAUSE_MS)
    else return result
  }
  return undefined
}

function writeSome(fd: number, bytes: Uint8Array): Promise<number | Error> {
  return new Promise((resolve) => {
    write(fd, bytes, (error, size) => resolve(error ?? size))
  })
}
