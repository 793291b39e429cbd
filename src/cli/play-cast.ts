import { AppError } from '../contract/errors.ts'
import { isEvent, readCast } from './asciicast.ts'
import type { CastHeader } from './asciicast.ts'
import type { CliContext } from './context.ts'
import { roughly } from './moments.ts'
import { printable, printableJson } from './printable.ts'

/** Undoes what a recording may leave of its terminal: attributes, hidden cursor, other screen, mouse and paste modes. */
const RESET = '\x1b[0m\x1b[?25h\x1b[?1049l\x1b[?1000l\x1b[?1002l\x1b[?1003l\x1b[?1006l\x1b[?2004l'

export interface PlayOptions {
  readonly speed: number
  /** Longest pause, in seconds of the recording. */
  readonly maxIdleS: number
}

interface CastFacts extends CastHeader {
  readonly durationS: number
  readonly events: number
}

/** Plays a recording to stdout once all of it was checked. Errors: `not_found`, `config_invalid`. */
export async function playCast(path: string, { speed, maxIdleS }: PlayOptions, context: CliContext): Promise<void> {
  const { width, height, title, durationS, events } = check(path)
  const named = title === undefined ? '' : `${printable(title)}, `
  context.stderr.write(`agentkernel: playing ${named}${width}x${height}, ${roughly(durationS)}, ${events} pieces of output\n`)
  let before = 0
  try {
    for (const line of readCast(path)) {
      if (!isEvent(line)) continue
      const pause = Math.min(Math.max(line.at - before, 0), maxIdleS) / speed
      before = line.at
      if (pause > 0) await Bun.sleep(pause * 1000)
      if (line.kind === 'o') context.stdout.write(line.data)
    }
  } finally {
    if (context.stdout.isTTY) context.stdout.write(RESET)
  }
  context.stderr.write(`${context.stderr.isTTY ? '\r\n' : ''}agentkernel: the recording ends here\n`)
}

/** Prints what a recording is, as JSON. */
export function describeCast(path: string, context: CliContext): void {
  const { durationS, ...rest } = check(path)
  context.stdout.write(`${printableJson({ version: 2, ...rest, duration_seconds: durationS }, 2)}\n`)
}

/** Reads all of it, so that what is wrong is said before anything is shown. */
function check(path: string): CastFacts {
  let header: CastHeader | undefined
  let durationS = 0
  let events = 0
  for (const line of readCast(path)) {
    if (!isEvent(line)) header = line
    else {
      durationS = Math.max(durationS, line.at)
      if (line.kind === 'o') events++
    }
  }
  if (header === undefined) throw new AppError('config_invalid', `${path} is no recording.`)
  return { ...header, durationS, events }
}
