import { StreamError } from '../errors.ts'
import { parseEventData } from '../event-data.ts'
import type { RequestOptions } from '../transport.ts'
import type { BatchCommand, BatchRunResponse, RunOptions, RunOutput, StreamEvent, StreamEventType } from '../types/commands.ts'
import { SystemClient } from './system.ts'

const TYPES: readonly string[] = ['started', 'progress', 'output', 'done', 'error'] satisfies StreamEventType[]

/** Commands in sandboxes of their own, which are gone afterwards. */
export abstract class RunClient extends SystemClient {
  /** Runs a command and collects its output. Errors: `command_failed` when it ends with another status than 0. */
  async run(command: readonly string[], options: RunOptions = {}): Promise<RunOutput> {
    return this.api.json('POST', '/run', { body: runBody(command, options), options })
  }

  /**
   * Runs a command and yields what happens as it happens: `started`, `progress`, `output`, and at last `done` or `error`. A command that
   * ends with another status than 0 is `done`, not an error. Leaving the loop ends the command.
   */
  async *runStream(command: readonly string[], options: RunOptions = {}): AsyncGenerator<StreamEvent, void, void> {
    const call = { body: runBody(command, options), options }
    for await (const { event, data } of this.api.events('POST', '/run/stream', call)) {
      // Types of a newer server are left out: whoever wrote the loop does not know them.
      if (!TYPES.includes(event)) continue
      const type = event as StreamEventType
      yield { type, data: parseEventData(data) }
      if (type === 'done' || type === 'error') return
    }
    throw new StreamError('the stream ended before the command did')
  }

  /** Runs commands at the same time, each in a sandbox of its own. One that fails has an `error` in its result. */
  async batchRun(commands: readonly BatchCommand[], options?: RequestOptions): Promise<BatchRunResponse> {
    return this.api.json('POST', '/batch/run', { body: { commands }, options })
  }
}

function runBody(command: readonly string[], options: RunOptions): object {
  const { signal: _signal, timeout: _timeout, ...fields } = options
  return { command, fast: true, ...fields }
}
