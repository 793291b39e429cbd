import { isAppError } from '../../contract/errors.ts'
import type { AttachFrom, ExecChunk, ExecEnd, ExecSession } from '../../contract/sandbox-operations.ts'
import { ignore } from '../../lib/ignore.ts'

/** Opens a command, or comes back to it. */
export interface SessionDoor {
  readonly open: () => Promise<ExecSession>
  readonly comeBack: (id: string, from: AttachFrom) => Promise<ExecSession>
  /** What is typed may get lost on the way; what is piped may not. */
  readonly tty: boolean
  readonly stdin: boolean
}

/** How often a session comes back: a daemon that goes away all the time has another problem. */
const MOST_RETURNS = 20

/**
 * A command that outlives the daemon it was started through: when the connection breaks off because the daemon ended, the session goes on through
 * the next one, from the byte where it was. Where bytes of stdin may have got lost it fails instead, as it would without this.
 */
export async function resumedSession(door: SessionDoor): Promise<ExecSession> {
  let session = await door.open()
  let written = 0
  let closed = false
  const result = Promise.withResolvers<ExecEnd>()
  result.promise.catch((error: unknown) => ignore(error, 'whoever waits for the command is told'))
  const seen = { stdout: 0, stderr: 0 }
  const mayReturn = (error: unknown, returns: number): boolean => isGone(error) && returns < MOST_RETURNS && (door.tty || written === 0)

  async function* output(): AsyncGenerator<ExecChunk> {
    for (let returns = 0; ; returns++) {
      try {
        for await (const chunk of session.output) {
          if ('bytes' in chunk) seen[chunk.channel] += chunk.bytes.length
          else seen[chunk.channel] = chunk.offset
          yield chunk
        }
        result.resolve(await session.result)
        return
      } catch (error) {
        if (!mayReturn(error, returns)) {
          result.reject(error)
          throw error
        }
        session = await comeBack(error)
      }
    }
  }
  const comeBack = async (reason: unknown): Promise<ExecSession> => {
    try {
      const next = await door.comeBack(session.id, { ...seen, ...(door.stdin ? { stdin: true } : {}) })
      if (closed) next.closeStdin()
      return next
    } catch (error) {
      ignore(error, 'why the first connection broke off says more')
      result.reject(reason)
      throw reason
    }
  }
  return {
    id: session.id,
    pid: session.pid,
    output: output(),
    write: async (bytes) => {
      written += bytes.length
      try {
        await session.write(bytes)
      } catch (error) {
        if (!door.tty || !isGone(error)) throw error
        ignore(error, 'a key that was pressed while nobody listened')
      }
    },
    closeStdin: () => {
      closed = true
      session.closeStdin()
    },
    signal: (number) => session.signal(number),
    resize: (cols, rows) => session.resize(cols, rows),
    result: result.promise,
  }
}

/** The daemon has gone, and the command has not. */
const isGone = (error: unknown): boolean => isAppError(error, 'daemon_unreachable') || isAppError(error, 'shutting_down')
