import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { ignore } from '../lib/ignore.ts'

/** Output that is kept; the rest is read and thrown away, so that a talkative program can still end. */
const MAX_OUTPUT_BYTES = 4096

/** What happened to one `--version` call. */
export interface VersionResult {
  /** Null when it could not be started, was killed, or took too long. */
  readonly exitCode: number | null
  /** The start of its stdout. */
  readonly output: string
}

/** Runs `<path> --version` with `env` until `signal`; never rejects. */
export type RunVersion = (path: string, env: Readonly<Record<string, string>>, signal: AbortSignal) => Promise<VersionResult>

/**
 * Runs `<path> --version` on the host: no shell, stdin closed, stderr dropped, in its own process group and in `/`, so
 * that no file of the current project can change what it does. The group is killed when the program ends or `signal`
 * fires, whichever is first; nothing of it is left behind. Never rejects.
 */
export const runVersion: RunVersion = async (path, env, signal) => {
  const failed: VersionResult = { exitCode: null, output: '' }
  if (signal.aborted) return failed
  let child: ChildProcess
  try {
    child = spawn(path, ['--version'], { cwd: '/', env, detached: true, stdio: ['ignore', 'pipe', 'ignore'] })
  } catch (error) {
    ignore(error, 'a program that cannot be started is not installed')
    return failed
  }
  const kill = (): void => killGroup(child)
  signal.addEventListener('abort', kill, { once: true })
  try {
    const output = collectOutput(child, signal)
    const exitCode = await exitOf(child)
    kill()
    // Nobody asks what a failed program printed, and a program that never started may leave its pipe open.
    if (exitCode === null || signal.aborted) return failed
    return { exitCode, output: await output }
  } finally {
    signal.removeEventListener('abort', kill)
    child.stdout?.destroy()
  }
}

async function exitOf(child: ChildProcess): Promise<number | null> {
  try {
    const [code] = await once(child, 'exit')
    return typeof code === 'number' ? code : null
  } catch (error) {
    ignore(error, 'the `error` event: the program could not be started')
    return null
  }
}

/** The first bytes of stdout, once it ends. A process that left the group may hold it open; `signal` ends the wait. */
function collectOutput(child: ChildProcess, signal: AbortSignal): Promise<string> {
  const stdout = child.stdout
  if (stdout === null) return Promise.resolve('')
  const chunks: Buffer[] = []
  let kept = 0
  stdout.on('data', (chunk: Buffer) => {
    const part = chunk.subarray(0, MAX_OUTPUT_BYTES - kept)
    if (part.length > 0) chunks.push(part)
    kept += part.length
  })
  stdout.on('error', (error) => ignore(error, 'what was read so far is enough'))
  const { promise, resolve } = Promise.withResolvers<string>()
  stdout.once('close', () => resolve(Buffer.concat(chunks).toString('utf8')))
  const giveUp = (): void => void stdout.destroy()
  signal.addEventListener('abort', giveUp, { once: true })
  return promise.finally(() => signal.removeEventListener('abort', giveUp))
}

function killGroup(child: ChildProcess): void {
  if (child.pid === undefined) return
  try {
    process.kill(-child.pid, 'SIGKILL')
  } catch (error) {
    ignore(error, 'ESRCH: the group is empty already')
  }
}
