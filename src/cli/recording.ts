import { closeSync, mkdirSync, openSync, statSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { AppError } from '../contract/errors.ts'
import { isErrno } from '../lib/errno.ts'
import { variable } from './context.ts'
import type { CliContext } from './context.ts'
import { printable, quoted } from './printable.ts'
import type { OutputListener } from './run-io/exec-with-io.ts'

/** A session being written down as asciicast v2: a line of JSON about it, then one for each piece of output. */
export interface Recording extends OutputListener {
  readonly path: string
  readonly close: () => void
}

/**
 * Makes the file, for the user only. A directory, or a name that ends in `/`, gets `<name>-YYYYMMDD-HHMMSS.cast` in it. Nothing is ever
 * overwritten. When the disk is full, a sentence on stderr says that the recording ends. Errors: `already_exists`, `output_failed`.
 */
export function openRecording(target: string, session: { readonly name: string; readonly shell: string }, context: CliContext): Recording {
  const began = new Date()
  const path = recordingPath(target, session.name, began)
  const fd = create(path)
  let start: number | undefined
  let failed = false
  const decoder = new TextDecoder()
  const line = (value: unknown): void => {
    if (failed) return
    try {
      writeLine(fd, `${JSON.stringify(value)}\n`)
    } catch (error) {
      failed = true
      const reason = error instanceof Error ? error.message : String(error)
      context.stderr.write(`agentkernel: the recording ends here: ${printable(reason)}\r\n`)
    }
  }
  const event = (kind: 'o' | 'r', data: string): void => {
    if (start !== undefined) line([Math.round((performance.now() - start) * 1000) / 1_000_000, kind, data])
  }
  return {
    path,
    began: ({ cols, rows }) => {
      start = performance.now()
      const env = { SHELL: session.shell, TERM: variable(context.env, 'TERM') ?? '' }
      line({ version: 2, width: cols, height: rows, timestamp: Math.floor(began.getTime() / 1000), title: session.name, env })
    },
    wrote: (bytes) => {
      const text = decoder.decode(bytes, { stream: true })
      if (text !== '') event('o', text)
    },
    resized: (cols, rows) => event('r', `${cols}x${rows}`),
    close: () => {
      const rest = decoder.decode()
      if (rest !== '') event('o', rest)
      closeSync(fd)
      context.stderr.write(`agentkernel: recorded in ${printable(path)}\n`)
    },
  }
}

/** The file for a recording that was asked for as `target`. */
export function recordingPath(target: string, name: string, began: Date): string {
  const isFolder = target.endsWith('/') || statSync(target, { throwIfNoEntry: false })?.isDirectory() === true
  if (!isFolder) return target
  mkdirSync(target, { recursive: true, mode: 0o700 })
  const digits = (value: number, length = 2): string => String(value).padStart(length, '0')
  const day = digits(began.getFullYear(), 4) + digits(began.getMonth() + 1) + digits(began.getDate())
  const time = digits(began.getHours()) + digits(began.getMinutes()) + digits(began.getSeconds())
  return join(target, `${name}-${day}-${time}.cast`)
}

function create(path: string): number {
  try {
    return openSync(path, 'wx', 0o600)
  } catch (error) {
    if (isErrno(error, 'EEXIST')) {
      throw new AppError('already_exists', `--record ${quoted(path)} exists already.`, { fix: 'Name another file, or a directory.' })
    }
    throw new AppError('output_failed', `--record ${quoted(path)} cannot be written.`, {
      cause: error,
      fix: 'Name a file in a folder of yours.',
    })
  }
}

function writeLine(fd: number, line: string): void {
  const bytes = Buffer.from(line)
  for (let sent = 0; sent < bytes.length;) sent += writeSync(fd, bytes, sent)
}
