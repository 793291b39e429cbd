import { AppError } from '../../contract/errors.ts'
import type { RunSignal } from '../../contract/run.ts'
import type { ExecEnd, ExecSession, ExecStreamRequest } from '../../contract/sandbox-operations.ts'
import { isErrno } from '../../lib/errno.ts'
import { ignore } from '../../lib/ignore.ts'
import { signalNumber } from '../../lib/signals.ts'
import type { CliContext } from '../context.ts'
import { printableJson } from '../printable.ts'
import { Capture } from './capture.ts'
import { writeAll, writeFully } from './copy.ts'
import { AFTER_HANGUP_MS, forwardSignals } from './forward-signals.ts'
import { ownInput } from './streams.ts'

/** How long a command that writes to nobody may go on once it was told so, in ms. */
const AFTER_PIPE_MS = 2_000
const KILLED = 128 + 9
const BROKEN_PIPE = 128 + 13

/** Starts the command; aborting ends it. */
export type StartExec = (request: Pick<ExecStreamRequest, 'tty' | 'stdin'>, signal: AbortSignal) => Promise<ExecSession>

/** Hears what the command writes, in the order in which it is shown. */
export interface OutputListener {
  readonly began: (size: { readonly cols: number; readonly rows: number }) => void
  readonly wrote: (bytes: Uint8Array) => void
  readonly resized: (cols: number, rows: number) => void
}

export interface ExecIoOptions {
  readonly json: boolean
  readonly listener?: OutputListener
}

/**
 * Runs a command in a sandbox that stays with the caller's streams, and resolves with its exit status. When stdin and stdout are a
 * terminal the command gets a private one; else its bytes are passed on as they come, stdout and stderr apart, no faster than
 * either side takes them.
 */
export async function execWithIo(start: StartExec, options: ExecIoOptions, context: CliContext): Promise<number> {
  const end = await withSignals((signals) =>
    context.stdin.isTTY && context.stdout.isTTY && !options.json
      ? onTerminal(start, options.listener, signals)
      : throughPipes(start, options, signals, context),
  )
  return typeof end === 'number' ? end : end.exit_code
}

interface Signals {
  readonly abort: AbortController
  /** From now on there is a command. */
  readonly connect: (session: ExecSession) => void
}

/** Our signals go to the command. When the user gives up on it, the result is that of a killed command. */
async function withSignals(work: (signals: Signals) => Promise<ExecEnd | number>): Promise<ExecEnd | number> {
  const abort = new AbortController()
  const giveUp = (): void => abort.abort(new AppError('canceled', 'the command was given up'))
  const forwarding = forwardSignals(giveUp, (signal) => {
    if (signal === 'SIGHUP') setTimeout(giveUp, AFTER_HANGUP_MS).unref()
  })
  try {
    const connect = (session: ExecSession): void =>
      forwarding.connect((name: RunSignal) => {
        session.signal(signalNumber(name))
      })
    return await work({ abort, connect })
  } catch (error) {
    if (!abort.signal.aborted) throw error
    ignore(error, 'it was ended because the user said so')
    return KILLED
  } finally {
    forwarding.stop()
  }
}

async function onTerminal(start: StartExec, listener: OutputListener | undefined, { abort, connect }: Signals): Promise<ExecEnd> {
  const { UserTerminal } = await import('./user-terminal.ts')
  const screen = new UserTerminal()
  const size = screen.size()
  const session = await start({ tty: size, stdin: true }, abort.signal)
  listener?.began(size)
  connect(session)
  try {
    screen.attach({
      write: (bytes) => session.write(bytes).catch((error: unknown) => ignore(error, 'the command no longer reads')),
      resize: (cols, rows) => {
        session.resize(cols, rows)
        listener?.resized(cols, rows)
      },
    })
    for await (const chunk of session.output) {
      if ('gap' in chunk) continue
      listener?.wrote(chunk.bytes)
      if (!writeFully(1, chunk.bytes)) abort.abort(new AppError('canceled', 'the terminal is gone'))
    }
    return await session.result
  } finally {
    screen.detach()
  }
}

async function throughPipes(
  start: StartExec,
  { json, listener }: ExecIoOptions,
  { abort, connect }: Signals,
  context: CliContext,
): Promise<ExecEnd | number> {
  const stopInput = new AbortController()
  const isReady = context.stdin.isTTY ? (await import('../../lib/terminal-device.ts')).terminalDevice(0).isReady : undefined
  const input = ownInput(isReady, stopInput.signal)
  const session = await start({ stdin: input !== undefined }, abort.signal)
  listener?.began({ cols: 80, rows: 24 })
  connect(session)
  const outputs = new Outputs(session, abort, json ? { stdout: new Capture(), stderr: new Capture() } : undefined)
  try {
    if (input !== undefined) void feed(session, input)
    for await (const chunk of session.output) {
      if ('gap' in chunk) {
        context.stderr.write(`agentkernel: some of ${chunk.channel} was dropped before it was read.\n`)
        continue
      }
      listener?.wrote(chunk.bytes)
      await outputs.pass(chunk.channel, chunk.bytes)
    }
    const end = await session.result
    if (json) context.stdout.write(`${printableJson(outputs.report(end))}\n`)
    outputs.throwFailure()
    return end
  } catch (error) {
    if (outputs.brokenPipe && abort.signal.aborted) return BROKEN_PIPE
    throw error
  } finally {
    stopInput.abort()
  }
}

/** Passes our input on until either side ends. */
async function feed(session: ExecSession, input: AsyncIterable<Uint8Array>): Promise<void> {
  try {
    for await (const bytes of input) await session.write(bytes)
  } catch (error) {
    ignore(error, 'our input cannot be read, or the command no longer reads: there is no more')
  }
  session.closeStdin()
}

/** Where the command's bytes go: our own descriptors, or memory. */
class Outputs {
  readonly #session: ExecSession
  readonly #abort: AbortController
  readonly #captures: { readonly stdout: Capture; readonly stderr: Capture } | undefined
  readonly #failed = new Map<string, Error>()
  brokenPipe = false

  constructor(session: ExecSession, abort: AbortController, captures: Outputs['captures']) {
    this.#session = session
    this.#abort = abort
    this.#captures = captures
  }

  get captures(): { readonly stdout: Capture; readonly stderr: Capture } | undefined {
    return this.#captures
  }

  /** Resolves when more may come. What can no longer be written is dropped. */
  async pass(channel: 'stdout' | 'stderr', bytes: Uint8Array): Promise<void> {
    if (this.#captures !== undefined) return this.#captures[channel].add(bytes)
    if (this.#failed.has(channel)) return
    const failure = await writeAll(channel === 'stdout' ? 1 : 2, bytes)
    if (failure === undefined) return
    this.#failed.set(channel, failure)
    if (!isGone(failure) || this.brokenPipe) return
    // As if it had written to the closed pipe itself.
    this.brokenPipe = true
    this.#session.signal(signalNumber('SIGPIPE'))
    setTimeout(() => this.#abort.abort(new AppError('canceled', 'nobody reads its output')), AFTER_PIPE_MS).unref()
  }

  /** Errors: `output_failed`, when some could not be written though there was a reader. */
  throwFailure(): void {
    const failure = [...this.#failed.values()].find((error) => !isGone(error))
    if (failure !== undefined) throw new AppError('output_failed', `cannot write the command's output: ${failure.message}`)
  }

  report({ exit_code, ended, duration_ms }: ExecEnd) {
    const { stdout, stderr } = this.#captures ?? { stdout: new Capture(), stderr: new Capture() }
    return {
      exit_code,
      ended,
      duration_ms: Math.round(duration_ms),
      stdout: stdout.text(),
      stderr: stderr.text(),
      ...(stdout.truncated || stderr.truncated ? { truncated: true } : {}),
    }
  }
}

function isGone(error: Error): boolean {
  return isErrno(error, 'EPIPE', 'EIO', 'ECONNRESET')
}
