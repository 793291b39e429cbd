import { closeSync, openSync, readSync } from 'node:fs'
import { AppError } from '../contract/errors.ts'
import { quoted } from './printable.ts'

/** The longest line that is read: one piece of output, escaped. */
const MOST_LINE_BYTES = 16 * 1024 ** 2
const CHUNK = 256 * 1024
const MOST_CELLS = 65_535

/** What the first line of a recording says. */
export interface CastHeader {
  readonly width: number
  readonly height: number
  readonly title?: string
  /** Seconds since 1970. */
  readonly timestamp?: number
}
export interface CastEvent {
  /** Seconds since the start. */
  readonly at: number
  /** `o` output, `i` input, `r` resize, `m` marker, and what later versions add. */
  readonly kind: string
  readonly data: string
}

/**
 * The lines of an asciicast v2 file, one at a time: a recording may be larger than memory. Each is checked; errors name file and line.
 * Errors: `not_found`, `config_invalid`.
 */
export function* readCast(path: string): Generator<CastHeader | CastEvent> {
  let number = 0
  for (const line of linesOf(path)) {
    number++
    if (line.trim() === '') continue
    const wrong = (what: string): AppError =>
      new AppError('config_invalid', `${quoted(path)}, line ${number}: ${what}.`, { fix: 'Name a recording of asciicast version 2.' })
    const value = parse(line, wrong)
    yield number === 1 ? headerOf(value, wrong) : eventOf(value, wrong)
  }
  if (number === 0) throw new AppError('config_invalid', `${quoted(path)} is empty, and no recording.`, { fix: 'Name another file.' })
}

export function isEvent(line: CastHeader | CastEvent): line is CastEvent {
  return 'kind' in line
}

type Wrong = (what: string) => AppError

function parse(line: string, wrong: Wrong): unknown {
  try {
    return JSON.parse(line)
  } catch (error) {
    throw wrong(`no JSON (${error instanceof Error ? error.message : String(error)})`)
  }
}

function headerOf(value: unknown, wrong: Wrong): CastHeader {
  if (typeof value !== 'object' || value === null || !('version' in value))
    throw wrong('a recording begins with an object that has a version')
  const { version, width, height, title, timestamp } = value as Readonly<Record<string, unknown>>
  if (version !== 2) throw wrong(`version ${quoted(JSON.stringify(version) ?? '')} of asciicast; only version 2 can be played`)
  if (!isSize(width) || !isSize(height)) throw wrong(`width and height must be whole numbers from 1 to ${MOST_CELLS}`)
  return {
    width,
    height,
    ...(typeof title === 'string' ? { title } : {}),
    ...(typeof timestamp === 'number' ? { timestamp } : {}),
  }
}

function eventOf(value: unknown, wrong: Wrong): CastEvent {
  if (!Array.isArray(value) || value.length < 3) throw wrong('an event is an array of time, kind and data')
  const [at, kind, data] = value as readonly unknown[]
  if (typeof at !== 'number' || !Number.isFinite(at) || at < 0) throw wrong('the time of an event is a number of seconds')
  if (typeof kind !== 'string' || typeof data !== 'string') throw wrong('kind and data of an event are texts')
  return { at, kind, data }
}

function isSize(value: unknown): value is number {
  return typeof value === 'number' && Number.isInteger(value) && value >= 1 && value <= MOST_CELLS
}

function* linesOf(path: string): Generator<string> {
  const fd = open(path)
  try {
    const buffer = Buffer.alloc(CHUNK)
    let pending: Buffer[] = []
    let size = 0
    for (let read = readSome(fd, buffer, path); read > 0; read = readSome(fd, buffer, path)) {
      let rest = Buffer.from(buffer.subarray(0, read))
      for (let end = rest.indexOf(10); end !== -1; end = rest.indexOf(10)) {
        yield Buffer.concat([...pending, rest.subarray(0, end)]).toString()
        pending = []
        size = 0
        rest = rest.subarray(end + 1)
      }
      pending.push(rest)
      size += rest.length
      if (size > MOST_LINE_BYTES)
        throw new AppError('config_invalid', `${quoted(path)} has a line of more than 16 MiB, and is no recording.`)
    }
    // A recording that was cut off ends in half a line, which its reader will name.
    if (size > 0) yield Buffer.concat(pending).toString()
  } finally {
    closeSync(fd)
  }
}

function open(path: string): number {
  try {
    return openSync(path, 'r')
  } catch (error) {
    throw new AppError('not_found', `the recording ${quoted(path)} cannot be read.`, { cause: error, fix: 'Check the path.' })
  }
}

function readSome(fd: number, buffer: Buffer, path: string): number {
  try {
    return readSync(fd, buffer)
  } catch (error) {
    throw new AppError('not_found', `the recording ${quoted(path)} cannot be read.`, { cause: error, fix: 'Check the path.' })
  }
}
