import { ERRORS } from '../contract/errors.ts'
import type { ExecResult } from '../contract/sandboxes.ts'
import { jsonResponse, type Reply } from './envelope.ts'

/** How a command ended, for an answer. */
export type Finished = Pick<ExecResult, 'output' | 'exit_code' | 'ended'>

/** A command that succeeded is `data`; one that failed is 409 with all that is known of it beside the error. */
export function commandReply(result: Finished, warnings: readonly string[]): Reply {
  if (result.exit_code === 0) return { data: result }
  const { http, fix } = ERRORS.command_failed
  return jsonResponse(http, {
    success: false,
    error: failureText(result),
    code: 'command_failed',
    fix,
    ...result,
    ...(warnings.length === 0 ? {} : { warnings }),
  })
}

export function failureText({ ended, exit_code }: Pick<Finished, 'ended' | 'exit_code'>): string {
  switch (ended) {
    case 'exited':
      return `Command exited with code ${exit_code}`
    case 'signaled':
      return `Command was ended by a signal (code ${exit_code})`
    case 'timed_out':
      return 'Command reached its time limit'
    case 'out_of_memory':
      return 'Command ran out of memory'
    case 'canceled':
      return 'Command was canceled'
    case 'lost':
      return 'The sandbox ended before the command did'
  }
}
