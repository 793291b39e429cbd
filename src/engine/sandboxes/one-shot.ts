import { closeSync, openSync } from 'node:fs'
import type { RunIo, RunRequest, RunResult } from '../../contract/run.ts'
import type { ExecChunk, ExecSession } from '../../contract/sandbox-operations.ts'
import { ignore } from '../../lib/ignore.ts'
import { createPipe } from '../../lib/pipe.ts'
import { signalNumber } from '../../lib/signals.ts'
import { Handover } from './handover.ts'

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGQUIT', 'SIGUSR1', 'SIGUSR2', 'SIGKILL'] as const

/**
 * One command in a sandbox that is gone afterwards, as a session with streams: for doors that have no descriptors of their own. Its stdin
 * is empty. A reader who does not take the output holds the command up.
 */
export function runSession(
  id: string,
  request: RunRequest,
  run: (request: RunRequest, io: RunIo, signal: AbortSignal) => Promise<RunResult>,
  signal: AbortSignal,
): { readonly session: ExecSession; readonly notices: string[] } {
  const notices: string[] = []
  const queue = new Handover<ExecChunk>()
  const stdin = openSync('/dev/null', 'r')
  const out = createPipe()
  const err = createPipe()
  const inside = [stdin, out.write, err.write]
  const closeInside = (): void => inside.splice(0).forEach((fd) => closeSync(fd))
  let send = (_name: (typeof SIGNALS)[number]): void => undefined
  const io: RunIo = {
    stdin,
    stdout: out.write,
    stderr: err.write,
    onStarted: closeInside,
    onSignalable: (sender) => (send = sender),
    onNotice: (text) => void notices.push(text),
  }
  const outputs = Promise.all([pump(out.read, 'stdout', queue), pump(err.read, 'stderr', queue)])
  const result = run(request, io, signal)
    .finally(closeInside)
    .then(async (end) => {
      await outputs
      return {
        exit_code: end.exitCode,
        ended: end.ended,
        duration_ms: Math.round(end.durationMs * 10) / 10,
        ...(end.signal === undefined ? {} : { signal: end.signal }),
      }
    })
  void outputs.then(() => queue.end())
  result.catch((error: unknown) => ignore(error, 'whoever waits for the command is told'))
  const session: ExecSession = {
    id,
    pid: 0,
    output: queue,
    write: async () => undefined,
    closeStdin: () => undefined,
    signal: (number) => {
      const name = SIGNALS.find((candidate) => signalNumber(candidate) === number)
      if (name !== undefined) send(name)
    },
    resize: () => undefined,
    result,
  }
  return { session, notices }
}

/** Copies a pipe into the queue until its end, no faster than it is read. */
async function pump(fd: number, channel: 'stdout' | 'stderr', queue: Handover<ExecChunk>): Promise<void> {
  try {
    for await (const bytes of Bun.file(fd).stream()) await queue.add({ channel, bytes })
  } catch (error) {
    ignore(error, 'a pipe that cannot be read has ended')
  } finally {
    closeSync(fd)
  }
}
