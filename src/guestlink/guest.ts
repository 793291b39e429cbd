import type { AttachOpen, ExecEnded, ExecOpen, GuestEntry, GuestExec, GuestProcess } from '../contract/guest-protocol.ts'
import { ask, type Question } from './ask.ts'
import { type Closed, type ConnectOptions, GuestConnection } from './connection.ts'
import { breach } from './errors.ts'
import { type GuestExecStream, openAttach, openExec, openLog } from './exec-stream.ts'
import type { Json, Operation } from './json.ts'
import { type GuestPort, openPort, type PortTarget } from './port.ts'
import { readCount, readEntries, readEntry, readExecs, readStats } from './replies.ts'
import { type GuestFile, type GuestTar, openFile, openTar, upload } from './transfer.ts'
import { type GuestWatch, openWatch } from './watch.ts'

/** Beyond the grace period of `shutdown`. */
const SHUTDOWN_LIMIT_MS = 10_000

export interface WriteOptions {
  /** Default: that of the file that is replaced, or 0644. */
  readonly mode?: number
  /** Makes the folders on the way. */
  readonly parents?: boolean
  /** Writes into the file at this byte, instead of replacing it as a whole. */
  readonly offset?: number
}

/**
 * What can be done in one sandbox, over one connection. Paths are absolute, inside the sandbox. Each method may fail with `sandbox_lost`,
 * `canceled` (its `signal`), `timed_out` (no answer within a minute), `too_many_requests` and `not_available_yet` (an older helper);
 * those on files also with `file_not_found`, `file_access`, `path_forbidden`, `invalid_argument` and `disk_full`.
 */
export class Guest {
  readonly connection: GuestConnection

  constructor(connection: GuestConnection) {
    this.connection = connection
  }

  /** See `GuestConnection.connect`. */
  static async connect(place: string | { readonly fd: number }, options: ConnectOptions): Promise<Guest> {
    return new Guest(await GuestConnection.connect(place, options))
  }

  /** Never rejects. */
  get closed(): Promise<Closed> {
    return this.connection.closed
  }

  /**
   * Starts a command; aborting `signal` cancels it. Errors, of `started` and `result`: `command_not_found`, `command_not_executable`,
   * `workdir_not_found`, `already_exists` (the id).
   */
  exec(open: ExecOpen, signal?: AbortSignal): GuestExecStream {
    return openExec(this.connection, open, signal)
  }

  /** Comes to a command; aborting `signal` ends the visit. Errors: `exec_not_found`. */
  attach(open: AttachOpen & { readonly follow: false }, signal?: AbortSignal): GuestExecStream<ExecEnded | undefined>
  attach(open: AttachOpen, signal?: AbortSignal): GuestExecStream
  attach(open: AttachOpen, signal?: AbortSignal): GuestExecStream<ExecEnded | undefined> {
    return open.follow === false ? openLog(this.connection, { ...open, follow: false }, signal) : openAttach(this.connection, open, signal)
  }

  /** All that run, and the newest 256 that have ended. */
  async execList(signal?: AbortSignal): Promise<GuestExec[]> {
    const execs: GuestExec[] = []
    const read = (body: Json) => void execs.push(...readExecs(body))
    await ask(this.connection, { op: 'exec_list' }, { feature: 'log', family: 'exec', signal, event: named('execs', read), read })
    return execs
  }

  /** Errors: `exec_not_found`. */
  execSignal(id: string, number: number, signal?: AbortSignal): Promise<void> {
    return this.#do({ op: 'exec_signal', id, signal: number }, { feature: 'log', family: 'exec', signal })
  }

  /** Kills it if it runs, and forgets its output. Errors: `exec_not_found`. */
  execRemove(id: string, signal?: AbortSignal): Promise<void> {
    return this.#do({ op: 'exec_remove', id }, { feature: 'log', family: 'exec', signal })
  }

  /** `follow`: of a symlink, what it leads to. Default true. */
  stat(path: string, options: { readonly follow?: boolean } = {}, signal?: AbortSignal): Promise<GuestEntry> {
    const read = (body: Json) => readEntry(body['entry'])
    return ask(this.connection, { op: 'stat', path, ...options }, { feature: 'files', signal, read })
  }

  /** Errors: `payload_too_large` with more names than 64 MiB can hold. */
  async list(path: string, signal?: AbortSignal): Promise<GuestEntry[]> {
    const entries: GuestEntry[] = []
    const event = named('entries', (body) => void entries.push(...readEntries(body)))
    await ask(this.connection, { op: 'list', path }, { feature: 'files', signal, event, read: nothing })
    return entries
  }

  mkdir(path: string, options: { readonly parents?: boolean; readonly mode?: number } = {}, signal?: AbortSignal): Promise<void> {
    return this.#do({ op: 'mkdir', path, ...options }, { feature: 'files', signal })
  }

  /** `overwrite`: default true. */
  move(path: string, to: string, options: { readonly overwrite?: boolean } = {}, signal?: AbortSignal): Promise<void> {
    return this.#do({ op: 'move', path, to, ...options }, { feature: 'files', signal })
  }

  remove(path: string, options: { readonly recursive?: boolean } = {}, signal?: AbortSignal): Promise<void> {
    return this.#do({ op: 'remove', path, ...options }, { feature: 'files', signal })
  }

  chmod(path: string, mode: number, signal?: AbortSignal): Promise<void> {
    return this.#do({ op: 'chmod', path, mode }, { feature: 'files', signal })
  }

  /** A file, or `length` bytes of it from `offset`. Aborting `signal` ends the transfer with `canceled`. */
  read(path: string, range: { readonly offset?: number; readonly length?: number } = {}, signal?: AbortSignal): Promise<GuestFile> {
    return openFile(this.connection, { op: 'read', path, ...range }, signal)
  }

  /** Resolves with the number of bytes written; until then a reader sees the old file, unless `offset` is given. */
  write(path: string, bytes: AsyncIterable<Uint8Array>, options: WriteOptions = {}, signal?: AbortSignal): Promise<number> {
    const read = (body: Json) => readCount(body, 'size')
    return upload(this.connection, { op: 'write', path, ...options }, bytes, { feature: 'files', signal, read })
  }

  /** A tar stream of a file or folder, whose names begin with the last part of `path`. */
  tarOut(path: string, signal?: AbortSignal): Promise<GuestTar> {
    return openTar(this.connection, path, signal)
  }

  /** Unpacks a tar stream into the folder `path`. */
  tarIn(path: string, bytes: AsyncIterable<Uint8Array>, signal?: AbortSignal): Promise<{ readonly files: number; readonly size: number }> {
    const read = (body: Json) => ({ files: readCount(body, 'files'), size: readCount(body, 'size') })
    return upload(this.connection, { op: 'tar_in', path }, bytes, { feature: 'tar', signal, read })
  }

  /** Changes below `path`, until `signal` is aborted. A failure to watch is one of the loop that reads them, and of `ready`. */
  watch(path: string, options: { readonly recursive?: boolean } = {}, signal?: AbortSignal): GuestWatch {
    return openWatch(this.connection, { op: 'watch', path, ...options }, signal)
  }

  /** Connects to a program that listens in the sandbox. Errors: `not_found` when none does. */
  connectPort(target: PortTarget, signal?: AbortSignal): Promise<GuestPort> {
    return openPort(this.connection, target, signal)
  }

  /** `truncated`: there are more processes than were told. */
  stats(signal?: AbortSignal): Promise<{ readonly processes: GuestProcess[]; readonly truncated: boolean }> {
    return ask(this.connection, { op: 'stats' }, { feature: 'stats', signal, read: readStats })
  }

  /** Ends every process of the sandbox, after `graceMs` by force; then the connection ends. */
  shutdown(graceMs: number, signal?: AbortSignal): Promise<void> {
    return this.#do({ op: 'shutdown', grace_ms: graceMs }, { feature: 'shutdown', signal, limitMs: graceMs + SHUTDOWN_LIMIT_MS })
  }

  #do(request: Operation, question: Omit<Question<void>, 'read'>): Promise<void> {
    return ask(this.connection, request, { ...question, read: nothing })
  }
}

const nothing = (): void => undefined

/** Takes only EVENTs of that name. */
function named(event: string, take: (body: Json) => void): (body: Json) => void {
  return (body) => {
    if (body['event'] !== event) throw breach(`an event that is not \`${event}\``)
    take(body)
  }
}
