import { dlopen, FFIType, ptr } from 'bun:ffi'

const { i32, u64, ptr: pointer } = FFIType
const POLLIN = 1
/** `struct pollfd`: descriptor, events asked for, events found. */
const POLLFD_BYTES = 8

/**
 * Tells whether a read of the terminal `fd` would return at once. False as well while this process is in the background of
 * that terminal, where a read would stop it (SIGTTIN). Loads the C library; made once, asked often.
 */
export function terminalInput(fd: number): () => boolean {
  const { symbols } = dlopen(process.platform === 'darwin' ? '/usr/lib/libSystem.B.dylib' : 'libc.so.6', {
    poll: { args: [pointer, u64, i32], returns: i32 },
    tcgetpgrp: { args: [i32], returns: i32 },
    getpgrp: { args: [], returns: i32 },
  })
  const entry = new DataView(new ArrayBuffer(POLLFD_BYTES))
  entry.setInt32(0, fd, true)
  entry.setInt16(4, POLLIN, true)
  return () => {
    const group = symbols.tcgetpgrp(fd)
    // -1: not the terminal of our session, which then has no say over us.
    if (group !== -1 && group !== symbols.getpgrp()) return false
    return symbols.poll(ptr(new Uint8Array(entry.buffer)), 1, 0) !== 0
  }
}
