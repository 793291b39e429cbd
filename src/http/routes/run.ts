import type * as z from 'zod'
import type { RunRequest, SecretAsk } from '../../contract/run.ts'
import { Secret } from '../../lib/secret.ts'
import type { RunRequestSchema } from '../../contract/schemas/run.ts'
import { MAX_JSON_OUTPUT_BYTES } from '../../contract/sandboxes.ts'
import { collectOutput } from '../collect-output.ts'
import { commandReply, failureText } from '../command-reply.ts'
import { failureOf } from '../envelope.ts'
import type { ServerEvent } from '../event-stream.ts'
import type { Exchange } from '../exchange.ts'
import type { Handlers } from '../handler.ts'
import { errorEvent, runEvent, sessionEvents } from '../run-events.ts'
import { eventsResponse } from '../stream-response.ts'

type RunInput = z.output<typeof RunRequestSchema>
const MIB = 1024 ** 2

export const runHandlers: Handlers<'run' | 'runStream' | 'batchRun'> = {
  run: async (input, exchange, warnings) => commandReply(await runToEnd(input, exchange, MAX_JSON_OUTPUT_BYTES), warnings),

  runStream: async (input, exchange, warnings) => eventsResponse(exchange, follow(input, exchange, warnings)),

  batchRun: async ({ commands }, exchange) => {
    // All results travel in one answer, so that they share its room.
    const room = Math.floor(MAX_JSON_OUTPUT_BYTES / commands.length)
    const results = await atOnce(exchange.limits.batchAtOnce, commands, (command) => batchResult(command, exchange, room))
    return { data: { results } }
  },
}

async function runToEnd(input: RunInput, exchange: Exchange, room: number) {
  const { deps, caller, signal } = exchange
  const session = await deps.sandboxes.runStream(runRequestOf(input), { caller }, signal)
  session.closeStdin()
  const { output, stdout, stderr, end, truncated } = await collectOutput(session, room)
  await countRun(input, exchange, end.duration_ms)
  return { output, stdout, stderr, ...end, exec_id: session.id, image: imageOf(input), ...(truncated ? { truncated } : {}) }
}

async function batchResult(input: RunInput, exchange: Exchange, room: number) {
  try {
    const { output, exit_code, ended } = await runToEnd(input, exchange, room)
    return { output, error: exit_code === 0 ? null : failureText({ exit_code, ended }), exit_code }
  } catch (error) {
    return { output: null, error: String(failureOf(error).body['error']) }
  }
}

/** The making of the sandbox is part of the stream: what goes wrong with it is an event. */
async function* follow(input: RunInput, exchange: Exchange, warnings: readonly string[]): AsyncGenerator<ServerEvent> {
  const { deps, caller, signal } = exchange
  const ignored = warnings.length === 0 ? {} : { warnings }
  try {
    yield runEvent('started', { command: input.command, fast: input.fast ?? true, timestamp: deps.now().toISOString(), ...ignored })
    yield runEvent('progress', { stage: 'creating' })
    const session = await deps.sandboxes.runStream(runRequestOf(input), { caller }, signal)
    session.closeStdin()
    yield runEvent('progress', { stage: 'sandbox_created', sandbox: session.id })
    yield runEvent('progress', { stage: 'sandbox_started', sandbox: session.id })
    yield* sessionEvents(session)
    await countRun(input, exchange, (await session.result).duration_ms)
  } catch (error) {
    yield errorEvent(error)
  }
}

async function countRun(input: RunInput, { deps, metrics }: Exchange, ms: number): Promise<void> {
  metrics.command(input.backend ?? (await deps.backend()) ?? 'none', ms / 1000)
}

/** Every backend there is has the host's own programs as its root when none is asked for; the answer says so. */
const imageOf = ({ image = 'host' }: RunInput): string => image

/** The request of the wire as the engine takes it. Nothing of the server's own environment or directory is in it. */
export function runRequestOf(input: RunInput): RunRequest {
  const { command, cwd, profile, backend, image, workdir, network, allow, block, workspace } = input
  return {
    command,
    cwd,
    env: Object.fromEntries((input.env ?? []).map(splitVariable)),
    callerEnv: {},
    ...present({ profile, backend, image, workdir, network, allow, block, workspace }),
    ...present({
      secrets: secretsOf(input),
      configPath: input.config_path,
      timeoutMs: input.timeout_ms === 0 ? undefined : input.timeout_ms,
      memoryBytes: input.memory_mb === undefined ? undefined : input.memory_mb * MIB,
      cpus: input.vcpus,
    }),
  }
}

/** Undefined: none. They name nothing of this machine but its vault. */
function secretsOf({ secrets = [], secret_files: files = [], placeholder_secrets: placeholders = false }: RunInput): SecretAsk | undefined {
  if (secrets.length === 0 && files.length === 0) return undefined
  return { bindings: secrets.map((one) => (typeof one === 'string' ? new Secret(one) : one)), files, placeholders, isLocal: false }
}

function splitVariable(entry: string): [string, string] {
  const at = entry.indexOf('=')
  return [entry.slice(0, at), entry.slice(at + 1)]
}

/** Without the members that are undefined. */
function present<T extends object>(members: T): { [K in keyof T]?: Exclude<T[K], undefined> } {
  // The cast is true: exactly the members that are undefined have been left out.
  return Object.fromEntries(Object.entries(members).filter(([, value]) => value !== undefined)) as {
    [K in keyof T]?: Exclude<T[K], undefined>
  }
}

/** Maps in order, at most `most` at a time. */
async function atOnce<T, R>(most: number, items: readonly T[], work: (item: T) => Promise<R>): Promise<R[]> {
  const results: R[] = []
  let next = 0
  const worker = async (): Promise<void> => {
    for (let at = next++; at < items.length; at = next++) {
      const item = items[at]
      if (item !== undefined) results[at] = await work(item)
    }
  }
  await Promise.all(Array.from({ length: Math.min(most, items.length) }, worker))
  return results
}
