import { dlopen, FFIType, ptr } from 'bun:ffi'

const { i32, u64, ptr: pointer } = FFIType
const POLLIN = 1
/** `struct pollfd`: descriptor, events asked for, events found. */
const POLLFD_BYTES = 8
/** More than `struct termios` takes on any system. */
const TERMIOS_BYTES = 128
/** Settings take effect at once; what was typed already stays. */
const TCSANOW = 0

/** What neither Node nor Bun tells or does about a terminal. */
export interface TerminalDevice {
  /**
   * True when a read would return at once. False as well while this process is in the background of the terminal, where
   * a read would stop it (SIGTTIN).
   */
  readonly isReady: () => boolean
  /**
   * Makes the terminal raw in both directions and returns what restores it exactly. Node's raw mode goes on translating
   * line ends of the output, which moves the cursor of full-screen programs.
   */
  readonly makeRaw: () => () => void
}

/** The terminal `fd`. Loads functions of the C library; made once, asked often. */
export function terminalDevice(fd: number): TerminalDevice {
  const { symbols } = dlopen(process.platform === 'darwin' ? '/usr/lib/libSystem.B.dylib' : 'libc.so.6', {
    poll: { args: [pointer, u64, i32], returns: i32 },
    tcgetpgrp: { args: [i32], returns: i32 },
    getpgrp: { args: [], returns: i32 },
    tcgetattr: { args: [i32, pointer], returns: i32 },
    tcsetattr: { args: [i32, i32, pointer], returns: i32 },
    cfmakeraw: { args: [pointer], returns: FFIType.void },
  })
  const entry = new Uint8Array(POLLFD_BYTES)
  new DataView(entry.buffer).setInt32(0, fd, true)
  new DataView(entry.buffer).setInt16(4, POLLIN, true)
  return {
    isReady: () => {
      const group = symbols.tcgetpgrp(fd)
      // -1: not the terminal of our session, which then has no say over us.
      if (group !== -1 && group !== symbols.getpgrp()) return false
      return symbols.poll(ptr(entry), 1, 0) !== 0
    },
    makeRaw: () => {
      const before = new Uint8Array(TERMIOS_BYTES)
      if (symbols.tcgetattr(fd, ptr(before)) !== 0) return () => undefined
      const raw = before.slice()
      symbols.cfmakeraw(ptr(raw))
      symbols.tcsetattr(fd, TCSANOW, ptr(raw))
      return () => void symbols.tcsetattr(fd, TCSANOW, ptr(before))
    },
  }
}
