import { closeSync, constants, openSync, read, write, writeSync } from 'node:fs'
import { isErrno } from '../../lib/errno.ts'
import { ignore } from '../../lib/ignore.ts'

const CHUNK = 64 * 1024
/** Pause before a descriptor that is not ready is tried again, in ms. */
const NOT_READY_PAUSE_MS = 2
/** Pause between two looks at a terminal's input, in ms: less than a person notices. */
const TERMINAL_PAUSE_MS = 20

/**
 * Copies a command's output from a pipe until its end, into a descriptor or a function, and closes the reading side. When
 * the reader of our output is gone, the copy ends, and the command meets a closed pipe as it would without us. When our
 * output takes no more for another reason (a full disk), the rest is read and dropped, and the error is the result.
 */
export async function copyFrom(source: number, target: number | ((bytes: Uint8Array) => void)): Promise<Error | undefined> {
  let failure: Error | undefined
  try {
    for await (const bytes of streamOf(source)) {
      if (failure !== undefined) continue
      if (typeof target === 'function') target(bytes)
      else failure = await writeAll(target, bytes)
      if (isErrno(failure, 'EPIPE', 'EIO', 'ECONNRESET')) return undefined
    }
    return failure
  } finally {
    closeSync(source)
  }
}

/** Copies our input into a command's pipe until either side ends, and closes that. A command that stops reading ends the copy. */
export async function copyInto(source: AsyncIterable<Uint8Array>, target: number, signal: AbortSignal): Promise<void> {
  // A second, non-blocking opening: a command that does not read must not hold one of the few threads for blocking calls.
  const fd = openSync(`/proc/self/fd/${target}`, constants.O_WRONLY | constants.O_NONBLOCK)
  closeSync(target)
  try {
    for await (const bytes of source) {
      if (signal.aborted || (await writeAll(fd, bytes, signal)) !== undefined) return
    }
  } catch (error) {
    ignore(error, 'our input cannot be read: there is no more')
  } finally {
    closeSync(fd)
  }
}

/** The bytes of a pipe or socket as they come, without holding a thread while there are none. Leaves the descriptor open. */
export function streamOf(fd: number): AsyncIterable<Uint8Array> {
  return Bun.file(fd).stream()
}

/** The bytes of a file, from where it stands. */
export async function* readFileFrom(fd: number): AsyncGenerator<Uint8Array> {
  const buffer = Buffer.allocUnsafe(CHUNK)
  for (;;) {
    const size = await readSome(fd, buffer)
    if (size === 0) return
    yield buffer.subarray(0, size)
  }
}

/** What is typed at a terminal. Nothing is read before `isReady` says so. */
export async function* readTerminal(fd: number, isReady: () => boolean, signal: AbortSignal): AsyncGenerator<Uint8Array> {
  const buffer = Buffer.allocUnsafe(CHUNK)
  while (!signal.aborted) {
    if (!isReady()) {
      await pause(TERMINAL_PAUSE_MS)
      continue
    }
    const size = await readSome(fd, buffer)
    if (size === 0) return
    yield buffer.subarray(0, size)
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
export async function writeAll(fd: number, bytes: Uint8Array, signal?: AbortSignal): Promise<Error | undefined> {
  for (let sent = 0; sent < bytes.length && signal?.aborted !== true;) {
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
