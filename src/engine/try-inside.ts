import { isAppError } from '../contract/errors.ts'
import type { RunIo, RunRequest, RunResult } from '../contract/run.ts'
import { ignore } from '../lib/ignore.ts'
import type { TryInside } from './network/trust-check.ts'
import { runSession } from './sandboxes/one-shot.ts'

const LIMIT_MS = 30_000
const MOST_BYTES = 64 * 1024

/** Tries commands in sandboxes that may reach one port of a host that does not exist: everything else is denied, in a way that can be read. */
export function tryInsideWith(run: (request: RunRequest, io: RunIo, signal: AbortSignal) => Promise<RunResult>, path: string): TryInside {
  return async (command, signal) => {
    const request: RunRequest = {
      command,
      cwd: undefined,
      env: {},
      callerEnv: { PATH: path },
      timeoutMs: LIMIT_MS,
      workspace: 'none',
      // Something must be allowed for there to be a network; nobody has this name.
      allow: ['nothing.agentkernel.internal:1'],
    }
    const { session } = runSession('trust-check', request, run, signal)
    session.closeStdin()
    const parts: Uint8Array[] = []
    let bytes = 0
    for await (const chunk of session.output) {
      if (!('bytes' in chunk) || bytes > MOST_BYTES) continue
      parts.push(chunk.bytes)
      bytes += chunk.bytes.length
    }
    try {
      await session.result
      return Buffer.concat(parts).toString()
    } catch (error) {
      if (!isAppError(error)) throw error
      ignore(error, 'a tool that cannot start has no trust to check')
      return undefined
    }
  }
}
