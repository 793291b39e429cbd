import type { Operations } from '../../contract/operations.ts'
import type { RunIo, RunRequest, RunResult } from '../../contract/run.ts'
import { writeFully } from './copy.ts'
import { AFTER_HANGUP_MS, forwardSignals } from './forward-signals.ts'
import { UserTerminal } from './user-terminal.ts'

/**
 * Runs a command on a private terminal and copies bytes between it and the user's, which is raw meanwhile: Ctrl-C and
 * Ctrl-Z are bytes that the private terminal turns into signals. The user's terminal is restored on every way out.
 */
export async function runOnTerminal(
  operations: Operations,
  request: RunRequest,
  { onNotice, onNetworkEvent }: Pick<RunIo, 'onNotice' | 'onNetworkEvent'>,
): Promise<RunResult> {
  const screen = new UserTerminal()
  const abort = new AbortController()
  const giveUp = (): void => abort.abort()
  const signals = forwardSignals(giveUp, (signal) => {
    if (signal === 'SIGHUP') setTimeout(giveUp, AFTER_HANGUP_MS).unref()
  })
  const notices: string[] = []
  try {
    return await operations.run(
      request,
      {
        stdin: 0,
        stdout: 1,
        stderr: 2,
        terminal: { ...screen.size(), onOutput: (bytes) => void writeFully(1, bytes), onReady: (terminal) => screen.attach(terminal) },
        onSignalable: signals.connect,
        onStopped: (resume) => screen.suspend(resume),
        // A line in the middle of a full-screen program would spoil it.
        onNotice: (text) => (screen.raw ? notices.push(text) : onNotice(text)),
        ...(onNetworkEvent === undefined ? {} : { onNetworkEvent }),
      },
      abort.signal,
    )
  } finally {
    signals.stop()
    screen.detach()
    notices.forEach((text) => onNotice(text))
  }
}
