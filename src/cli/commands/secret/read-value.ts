import { AppError } from '../../../contract/errors.ts'
import { terminalDevice } from '../../../lib/terminal-device.ts'
import { readTerminal, streamOf } from '../../run-io/copy.ts'

const [CTRL_C, CTRL_D, BACKSPACE, LINE_FEED, RETURN, CTRL_U, DELETE] = [3, 4, 8, 10, 13, 21, 127]
/** A key that is pasted is shorter. */
const LONGEST_LINE = 64 * 1024

/** One line of the terminal, of which nothing is shown. `onReady` asks for it: only now may somebody type. Errors: `canceled` (Ctrl-C, or Ctrl-D on an empty line), `invalid_argument`. */
export async function readHiddenLine(onReady: () => void): Promise<string> {
  const { makeRaw, isReady } = terminalDevice(0)
  const restore = makeRaw()
  const line: number[] = []
  try {
    onReady()
    for await (const bytes of readTerminal(0, isReady, new AbortController().signal)) {
      for (const byte of bytes) {
        if (byte === RETURN || byte === LINE_FEED) return textOf('the value', Buffer.from(line))
        if (byte === CTRL_C || (byte === CTRL_D && line.length === 0)) throw new AppError('canceled', 'no value was given')
        if (byte === CTRL_U) line.length = 0
        else if (byte === BACKSPACE || byte === DELETE) removeCharacter(line)
        else if (byte !== CTRL_D) line.push(byte)
        if (line.length > LONGEST_LINE) throw new AppError('invalid_argument', `the value has more than ${LONGEST_LINE} bytes`)
      }
    }
    throw new AppError('canceled', 'the terminal closed before a value was given')
  } finally {
    restore()
  }
}

/** All of stdin, without its last line break. Errors: `invalid_argument`. */
export async function readWhole(name: string, most: number): Promise<string> {
  const pieces: Uint8Array[] = []
  let size = 0
  for await (const piece of streamOf(0)) {
    size += piece.length
    if (size > most + 2) throw new AppError('invalid_argument', `the value of ${name} has more than ${most} bytes`)
    pieces.push(piece)
  }
  return textOf(`the value of ${name}`, Buffer.concat(pieces)).replace(/\r?\n$/, '')
}

function textOf(what: string, bytes: Uint8Array): string {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes)
  } catch (error) {
    throw new AppError('invalid_argument', `${what} is not UTF-8 text`, { cause: error })
  }
}

/** The bytes after the first of a character of UTF-8 begin with the bits 10. */
function removeCharacter(line: number[]): void {
  for (let byte = line.pop(); byte !== undefined && (byte & 0xc0) === 0x80;) byte = line.pop()
}
