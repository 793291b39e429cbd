import { AppError } from '../../../contract/errors.ts'
import type { SandboxOperations } from '../../../contract/sandbox-operations.ts'
import { isErrno } from '../../../lib/errno.ts'
import { uncanceled } from '../../caller.ts'
import type { CliContext } from '../../context.ts'
import { printableJson } from '../../printable.ts'
import { Capture } from '../../run-io/capture.ts'
import { writeAll } from '../../run-io/copy.ts'

export interface LogRequest {
  readonly name: string
  readonly id: string
  readonly channel: 'stdout' | 'stderr'
  readonly follow: boolean
}

/** Prints the log of a command and resolves with the exit status. Errors: `exec_not_found`, `output_failed`. */
export async function printLog(sandboxes: SandboxOperations, request: LogRequest, json: boolean, context: CliContext): Promise<number> {
  const captured = new Capture()
  let end = 0
  for await (const piece of pieces(sandboxes, request)) {
    if (typeof piece === 'number') {
      if (end < piece) context.stderr.write(`agentkernel: bytes ${end} to ${piece - 1} are no longer kept.\n`)
      end = piece
      continue
    }
    end += piece.length
    if (json) {
      captured.add(piece)
      continue
    }
    const failure = await writeAll(1, piece)
    // Whoever read our output has had enough.
    if (isErrno(failure, 'EPIPE', 'ECONNRESET')) return 0
    if (failure !== undefined) throw new AppError('output_failed', `cannot write to stdout: ${failure.message}`, { cause: failure })
  }
  if (json) {
    const truncated = captured.truncated ? { truncated: true } : {}
    context.stdout.write(`${printableJson({ [request.channel]: captured.text(), ...truncated })}\n`)
  }
  return 0
}

/** Bytes in their order, and before those that follow a gap the offset of the first. */
async function* pieces(sandboxes: SandboxOperations, { name, id, channel, follow }: LogRequest): AsyncGenerator<Uint8Array | number> {
  if (!follow) {
    const log = await sandboxes.execLogs(name, id, channel)
    yield log.start
    yield* log.bytes
    return
  }
  // The command must be a detached one, as without --follow.
  await sandboxes.execGet(name, id)
  const session = await sandboxes.attachExec(name, id, {}, uncanceled())
  for await (const chunk of session.output) {
    if (chunk.channel === channel) yield 'gap' in chunk ? chunk.offset : chunk.bytes
  }
  await session.result
}
