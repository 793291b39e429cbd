import { dlopen, FFIType, ptr } from 'bun:ffi'

const { i32, ptr: pointer } = FFIType
const AF_UNIX = 1
const SOCK_STREAM = 1
const SOCK_NONBLOCK = 0o4000
const SOCK_CLOEXEC = 0o2000000
const LONGEST_PATH = 107

/**
 * A unix socket that gives what connects to it as plain descriptors, for a child process. Bun's own listener keeps them to itself.
 */
export class UnixListener implements Disposable {
  readonly #fd: number
  readonly #libc = dlopen('libc.so.6', {
    socket: { args: [i32, i32, i32], returns: i32 },
    bind: { args: [i32, pointer, i32], returns: i32 },
    listen: { args: [i32, i32], returns: i32 },
    accept4: { args: [i32, pointer, pointer, i32], returns: i32 },
    close: { args: [i32], returns: i32 },
  })

  constructor(path: string) {
    const name = Buffer.from(path)
    if (name.length > LONGEST_PATH) throw new RangeError(`${path} is too long for a socket`)
    const { socket, bind, listen } = this.#libc.symbols
    this.#fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)
    const address = new Uint8Array(2 + LONGEST_PATH + 1)
    address[0] = AF_UNIX
    address.set(name, 2)
    if (this.#fd < 0 || bind(this.#fd, ptr(address), address.length) !== 0 || listen(this.#fd, 8) !== 0) {
      throw new Error(`cannot listen at ${path}`)
    }
  }

  /** The next connection; its descriptor is the caller's to close. */
  async accept(limitMs = 5_000): Promise<number> {
    for (const deadline = performance.now() + limitMs; ;) {
      const fd = this.#libc.symbols.accept4(this.#fd, null, null, SOCK_CLOEXEC)
      if (fd >= 0) return fd
      if (performance.now() > deadline) throw new Error('nobody connected')
      await new Promise((resolve) => setImmediate(resolve))
    }
  }

  [Symbol.dispose](): void {
    this.#libc.symbols.close(this.#fd)
  }
}
