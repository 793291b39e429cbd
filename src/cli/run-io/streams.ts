import { closeSync, fstatSync, openSync, type Stats } from 'node:fs'
import { AppError } from '../../contract/errors.ts'
import { ignore } from '../../lib/ignore.ts'
import { createPipe } from '../../lib/pipe.ts'
import { Capture } from './capture.ts'
import { copyFrom, copyInto, readFileFrom, readTerminal, streamOf } from './copy.ts'

/** The three descriptors for a command, what copies their bytes, and how to end it. */
export interface Streams {
  readonly descriptors: { readonly stdin: number; readonly stdout: number; readonly stderr: number }
  /** To be called when the command holds its own copies. */
  readonly onStarted: () => void
  /** Resolves when every byte of the command has been passed on. Errors: `output_failed`, when some could not be. */
  readonly drained: () => Promise<void>
  /** What was captured, with `capture`. */
  readonly captured: () => { readonly stdout: string; readonly stderr: string; readonly truncated: boolean }
  readonly close: () => void
}

/**
 * Pipes and /dev/null are handed to the command as they are, which costs nothing. Anything else stays here and is
 * copied through a pipe: a file could be reopened for more than it was opened for, a terminal could be typed into, a
 * socket or a folder leads out. `terminalIsReady` is asked before each read where stdin is a terminal.
 */
export function openStreams(capture: boolean, terminalIsReady?: () => boolean): Streams {
  const inside: number[] = []
  const outputs: Promise<Error | undefined>[] = []
  const captures = { stdout: new Capture(), stderr: new Capture() }
  const stopInput = new AbortController()

  const output = (fd: 1 | 2): number => {
    if (!capture && isSafe(fd)) return fd
    const pipe = createPipe()
    inside.push(pipe.write)
    const kept = fd === 1 ? captures.stdout : captures.stderr
    outputs.push(copyFrom(pipe.read, capture ? (bytes) => kept.add(bytes) : fd))
    return pipe.write
  }
  const input = (): number => {
    if (isSafe(0)) return 0
    const { signal } = stopInput
    const ours = ownInput(terminalIsReady, signal)
    if (ours === undefined) {
      const nothing = openSync('/dev/null', 'r')
      inside.push(nothing)
      return nothing
    }
    const pipe = createPipe()
    inside.push(pipe.read)
    void copyInto(ours, pipe.write, signal)
    return pipe.read
  }

  const descriptors = { stdin: input(), stdout: output(1), stderr: output(2) }
  const onStarted = (): void => inside.splice(0).forEach((fd) => closeSync(fd))
  return {
    descriptors,
    onStarted,
    drained: async () => {
      const failure = (await Promise.all(outputs)).find((error) => error !== undefined)
      if (failure !== undefined) throw new AppError('output_failed', `cannot write the command's output: ${failure.message}`)
    },
    captured: () => ({
      stdout: captures.stdout.text(),
      stderr: captures.stderr.text(),
      truncated: captures.stdout.truncated || captures.stderr.truncated,
    }),
    close: () => {
      onStarted()
      stopInput.abort()
    },
  }
}

/** The bytes of our stdin as they come, whatever it is; undefined when there cannot be any. */
export function ownInput(terminalIsReady: (() => boolean) | undefined, signal: AbortSignal): AsyncIterable<Uint8Array> | undefined {
  const info = statOf(0)
  if (info === undefined || info.isDirectory() || isNullDevice(info)) return undefined
  if (info.isSocket() || info.isFIFO()) return streamOf(0)
  return terminalIsReady === undefined ? readFileFrom(0) : readTerminal(0, terminalIsReady, signal)
}

/** Device number of /dev/null: major 1, minor 3. */
const NULL_DEVICE = 0x103

function isSafe(fd: number): boolean {
  const info = statOf(fd)
  return info !== undefined && (info.isFIFO() || isNullDevice(info))
}

function isNullDevice(info: Stats): boolean {
  return info.isCharacterDevice() && info.rdev === NULL_DEVICE
}

function statOf(fd: number): Stats | undefined {
  try {
    return fstatSync(fd)
  } catch (error) {
    ignore(error, 'a closed descriptor is treated like an empty one')
    return undefined
  }
}
