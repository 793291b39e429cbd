import type { Channel, ExecEnded, GuestEntry, GuestExec, GuestProcess, LogRange, WatchChange } from '../contract/guest-protocol.ts'
import { breach } from './errors.ts'
import type { Json } from './json.ts'

/**
 * Reads what the other side answers. It is hostile: each value is checked, and what is returned holds nothing else. Written by hand,
 * because a schema library costs more than an operation. All throw the error of a breach.
 */

/** In UTF-16 units; the protocol allows paths so many bytes. */
const MOST_PATH = 4_096
const MOST_SIGNAL = 127
const MODE_MASK = 0o7777

export function readEntry(value: unknown): GuestEntry {
  const entry = object(value, 'an entry')
  const target = entry['target']
  return {
    name: path(entry['name'], 'a name'),
    path: path(entry['path'], 'a path'),
    type: oneOf(entry['type'], ['file', 'dir', 'symlink', 'other'], 'the type of an entry'),
    size: count(entry['size'], 'a size'),
    mode: count(entry['mode'], 'a mode', MODE_MASK),
    uid: count(entry['uid'], 'a uid'),
    gid: count(entry['gid'], 'a gid'),
    mtime_ms: number(entry['mtime_ms'], 'a time'),
    ...(target === undefined ? {} : { target: path(target, 'a target') }),
  }
}

export function readEntries(body: Json): GuestEntry[] {
  return list(body['entries'], 'entries').map(readEntry)
}

/** `status` is there with `exited`, `signal` with `signaled`. */
export function readEnded(value: unknown): ExecEnded {
  const body = object(value, 'a result')
  const ended = oneOf(body['ended'], ['exited', 'signaled', 'timed_out', 'canceled', 'lost'], 'a result')
  const maxRss = body['max_rss']
  return {
    ended,
    duration_ms: atLeast(0, number(body['duration_ms'], 'a duration'), 'a duration'),
    ...(ended === 'exited' ? { status: count(body['status'], 'an exit status', 255) } : {}),
    ...(ended === 'signaled' ? { signal: atLeast(1, count(body['signal'], 'a signal', MOST_SIGNAL), 'a signal') } : {}),
    ...(maxRss === undefined ? {} : { max_rss: count(maxRss, 'a memory size') }),
  }
}

export function readExecs(body: Json): GuestExec[] {
  return list(body['execs'], 'commands').map(readExec)
}

function readExec(value: unknown): GuestExec {
  const exec = object(value, 'a command')
  const result = exec['result']
  return {
    id: text(exec['id'], 'an id', 64),
    argv: readArgv(exec['argv']),
    pid: count(exec['pid'], 'a pid'),
    tty: flag(exec['tty'], 'tty'),
    detach: flag(exec['detach'], 'detach'),
    started_at_ms: number(exec['started_at_ms'], 'a time'),
    running: flag(exec['running'], 'running'),
    ...(result === undefined ? {} : { result: readEnded(result) }),
    stdout: readRange(exec['stdout']),
    stderr: readRange(exec['stderr']),
  }
}

function readRange(value: unknown): LogRange {
  const range = object(value, 'a range')
  const start = count(range['start'], 'the start of a log')
  return { start, end: atLeast(start, count(range['end'], 'the end of a log'), 'the end of a log') }
}

export function readPid(body: Json): number {
  return atLeast(1, count(body['pid'], 'a pid'), 'a pid')
}

/** The EVENT `offset` of a command. */
export function readOffset(body: Json): { readonly channel: Channel; readonly offset: number } {
  const channel = body['channel']
  if (channel !== 1 && channel !== 2) throw breach('an offset of no output')
  return { channel, offset: count(body['offset'], 'an offset') }
}

export function readStats(body: Json): { readonly processes: GuestProcess[]; readonly truncated: boolean } {
  return { processes: list(body['processes'], 'processes').map(readProcess), truncated: body['truncated'] === true }
}

function readProcess(value: unknown): GuestProcess {
  const process = object(value, 'a process')
  return {
    pid: count(process['pid'], 'a pid'),
    ppid: count(process['ppid'], 'a pid'),
    argv: readArgv(process['argv']),
    state: text(process['state'], 'a state', 32),
    rss: count(process['rss'], 'a memory size'),
    cpu_ms: atLeast(0, number(process['cpu_ms'], 'a time'), 'a time'),
  }
}

/** The EVENTs `change` and `overflow`; `root` is what is watched. */
export function readChange(body: Json, root: string): WatchChange {
  if (body['event'] === 'overflow') return { kind: 'overflow', path: root }
  if (body['event'] !== 'change') throw breach('an unknown event of a watch')
  return { kind: oneOf(body['kind'], ['created', 'modified', 'removed', 'moved'], 'a change'), path: path(body['path'], 'a path') }
}

/** A number of bytes or files. */
export function readCount(body: Json, member: 'size' | 'files'): number {
  return count(body[member], member)
}

/** END of `tar_out`. */
export function readTarSummary(body: Json): { readonly files: number; readonly skipped: number; readonly changed: number } {
  const { files, skipped = 0, changed = 0 } = body
  return { files: count(files, 'files'), skipped: count(skipped, 'skipped'), changed: count(changed, 'changed') }
}

function object(value: unknown, what: string): Json {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Json
  throw breach(`${what} is no object`)
}

/** Its length needs no limit: it came in one frame. */
function list(value: unknown, what: string): readonly unknown[] {
  if (Array.isArray(value)) return value
  throw breach(`${what}: no list`)
}

function readArgv(value: unknown): string[] {
  return list(value, 'arguments').map((word) => text(word, 'an argument', Number.POSITIVE_INFINITY))
}

function text(value: unknown, what: string, most: number): string {
  if (typeof value === 'string' && value.length <= most) return value
  throw breach(`${what} is no text of at most ${most} characters`)
}

function path(value: unknown, what: string): string {
  return text(value, what, MOST_PATH)
}

function flag(value: unknown, what: string): boolean {
  if (typeof value === 'boolean') return value
  throw breach(`${what} is neither true nor false`)
}

/** JSON has no infinities, but `1e999` becomes one. */
function number(value: unknown, what: string): number {
  if (typeof value === 'number' && Number.isFinite(value)) return value
  throw breach(`${what} is no number`)
}

/** A whole number that is not negative. */
function count(value: unknown, what: string, most = Number.MAX_SAFE_INTEGER): number {
  if (typeof value === 'number' && Number.isInteger(value) && value >= 0 && value <= most) return value
  throw breach(`${what} is no whole number from 0 to ${most}`)
}

function atLeast(least: number, value: number, what: string): number {
  if (value >= least) return value
  throw breach(`${what} is less than ${least}`)
}

function oneOf<const T extends string>(value: unknown, words: readonly T[], what: string): T {
  const word = words.find((candidate) => candidate === value)
  if (word === undefined) throw breach(`${what} is none of ${words.join(', ')}`)
  return word
}
