import { dlopen, FFIType, ptr, read } from 'bun:ffi'

/** A call into the C library that failed, with the kernel's number for the reason. */
export class SystemCallError extends Error {
  readonly call: string
  readonly errno: number

  constructor(call: string, errno: number, reason = `errno ${errno}`) {
    super(`${call} failed: ${reason}`)
    this.name = 'SystemCallError'
    this.call = call
    this.errno = errno
  }
}

/** The few functions that neither Node nor Bun offers. Each answers 0 or the positive errno. */
export interface Libc {
  flock(fd: number, operation: number): number
  /** Fills `pair` (two 32-bit numbers: read end, write end) with descriptors that are closed on exec where the system can do that at once. */
  pipe(pair: Int32Array): number
  /** Fills `pair` with two connected unix stream sockets; as with `pipe`. */
  socketPair(pair: Int32Array): number
}

/**
 * The C library of this process. Opened on first use, because most commands never need it, and kept: a second open would
 * only count a reference up. That is the one piece of module state here; it holds no data.
 */
let binding: Libc | undefined
export function libc(): Libc {
  binding ??= process.platform === 'darwin' ? openDarwin() : openLinux()
  return binding
}

const { i32, ptr: pointer } = FFIType
const FLOCK = { args: [i32, i32], returns: i32 } as const
const SOCKETPAIR = { args: [i32, i32, i32, pointer], returns: i32 } as const
const AF_UNIX = 1
const SOCK_STREAM = 1
/** O_CLOEXEC, and SOCK_CLOEXEC, of Linux on x86_64 and arm64. */
const O_CLOEXEC = 0o2000000

function openLinux(): Libc {
  const { symbols } = openFirst(linuxNames(), {
    flock: FLOCK,
    pipe2: { args: [pointer, i32], returns: i32 },
    socketpair: SOCKETPAIR,
    __errno_location: { args: [], returns: pointer },
  })
  // The address of errno is per thread and a libc call never returns null for it.
  const errno = () => read.i32(symbols.__errno_location()!, 0)
  return {
    flock: (fd, operation) => (symbols.flock(fd, operation) === 0 ? 0 : errno()),
    pipe: (pair) => (symbols.pipe2(ptr(pair), O_CLOEXEC) === 0 ? 0 : errno()),
    socketPair: (pair) => (symbols.socketpair(AF_UNIX, SOCK_STREAM | O_CLOEXEC, 0, ptr(pair)) === 0 ? 0 : errno()),
  }
}

/** macOS has no `pipe2`; children of this process are made with POSIX_SPAWN_CLOEXEC_DEFAULT there, so nothing is inherited by accident. */
function openDarwin(): Libc {
  const { symbols } = openFirst(['/usr/lib/libSystem.B.dylib'], {
    flock: FLOCK,
    pipe: { args: [pointer], returns: i32 },
    socketpair: SOCKETPAIR,
    __error: { args: [], returns: pointer },
  })
  const errno = () => read.i32(symbols.__error()!, 0)
  return {
    flock: (fd, operation) => (symbols.flock(fd, operation) === 0 ? 0 : errno()),
    pipe: (pair) => (symbols.pipe(ptr(pair)) === 0 ? 0 : errno()),
    socketPair: (pair) => (symbols.socketpair(AF_UNIX, SOCK_STREAM, 0, ptr(pair)) === 0 ? 0 : errno()),
  }
}

/** glibc first, then musl, whose file carries the machine's name. */
function linuxNames(): readonly string[] {
  return ['libc.so.6', `libc.musl-${process.arch === 'arm64' ? 'aarch64' : 'x86_64'}.so.1`]
}

function openFirst<const Functions extends Parameters<typeof dlopen>[1]>(names: readonly string[], functions: Functions) {
  let failure: unknown
  for (const name of names) {
    try {
      return dlopen(name, functions)
    } catch (error) {
      failure = error
    }
  }
  throw failure
}
