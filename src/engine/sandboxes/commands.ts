import { posix } from 'node:path'
import { AppError, isAppError } from '../../contract/errors.ts'
import type { AuditSink } from '../../contract/events.ts'
import type { ExecEnded, GuestExec } from '../../contract/guest-protocol.ts'
import type { AttachFrom, Caller, ExecEnd, ExecLog, ExecSession, ExecStreamRequest } from '../../contract/sandbox-operations.ts'
import type { DetachedCommand } from '../../contract/sandboxes.ts'
import type { GuestExecStream } from '../../guestlink/index.ts'
import { ignore } from '../../lib/ignore.ts'
import { checkCommand } from '../../policy/commands.ts'
import type { SandboxRecord } from '../../store/sandboxes/store.ts'
import type { EventBus } from './events.ts'
import type { Driver } from '../../drivers/driver.ts'
import { verbsOf } from './lifecycle.ts'
import type { SandboxNetworks } from './networks.ts'
import type { OomWatch } from './oom-watch.ts'
import { requireRunning, type Running, type RunningDeps } from './running.ts'
import { savedOf } from './saved.ts'
import { parseVariables } from './variables.ts'

export interface CommandDeps extends RunningDeps {
  readonly events: EventBus
  readonly audit: AuditSink
  readonly newExecId: () => string
  readonly oom: OomWatch
  /** Ids of commands that somebody waits for through this daemon. */
  readonly attended: Set<string>
  /** Gateways of the sandboxes that run. */
  readonly networks: Pick<SandboxNetworks, 'wayOut'>
  /** One line for the daemon's log. */
  readonly log: (text: string) => void
}

const SIGKILL = 9
/** How long the end of a command that was killed is waited for, in ms. */
const KILL_LIMIT_MS = 2_000
const SIGINT = 2

/** Starts a command in a sandbox that runs. Aborting `signal` ends it, unless it is detached. */
export async function startCommand(
  deps: CommandDeps,
  name: string,
  request: ExecStreamRequest,
  options: { readonly caller: Caller; readonly detach: boolean },
  signal: AbortSignal,
): Promise<ExecSession> {
  const running = await requireRunning(deps, name)
  await refuseBlocked(deps, running, request)
  if (signal.aborted) throw new AppError('canceled', 'the request was withdrawn')
  const driver = await deps.driver(running.record.backend)
  const verbs = verbsOf(driver)
  const id = deps.newExecId()
  const ownNetwork = await openOwnNetwork(deps, driver, running, { id, request })
  const kills = (): number | undefined => verbs.usage(running.handle).oomKills
  const key = oomKey(running.record)
  deps.oom.begin(key, kills)
  const stream = running.guest.exec(
    {
      op: 'exec',
      id,
      argv: request.command,
      env: environment(running, request, options.caller),
      cwd: directory(running, request.workdir),
      ...(request.tty === undefined ? {} : { tty: request.tty }),
      ...(request.stdin === true ? { stdin: true } : {}),
      ...(options.detach ? { detach: true } : {}),
      ...(request.timeout_ms === undefined || request.timeout_ms === 0 ? {} : { timeout_ms: request.timeout_ms }),
      ...(request.sudo === true ? { user: 'root' as const } : {}),
      ...(ownNetwork === undefined ? {} : { network: true }),
    },
    // A detached command goes on without whoever asked for it.
    options.detach ? undefined : signal,
  )
  const result = ended(stream, () => deps.oom.wasForMemory(key, kills))
  if (ownNetwork !== undefined) void result.then(ownNetwork.close, ownNetwork.close)
  follow(deps, running, result)
  // Whatever becomes of it, also when it never starts.
  void record(deps, running, request, result)
  if (!options.detach) attend(deps, stream.id, result)
  const pid = await stream.started
  if (options.detach) void readToEnd(stream)
  if (options.detach) deps.events.emit('sandbox.exec.started', running.record, { command: request.command, exec_id: stream.id, pid })
  return sessionOf(stream, pid, result)
}

/**
 * Rules of a command's own hold for the flows of a network of its own. Undefined: it has the sandbox's. Errors: `not_available_yet` where the driver
 * has no such thing or the sandbox no network, `invalid_argument`, `policy_denied`.
 */
async function openOwnNetwork(
  deps: CommandDeps,
  driver: Driver,
  { record }: Running,
  { id, request }: { readonly id: string; readonly request: ExecStreamRequest },
): Promise<{ readonly close: () => void } | undefined> {
  const { allow, block, network } = request
  if (allow === undefined && block === undefined && network === undefined) return undefined
  if (driver.facts.commandNetworks !== true) {
    throw new AppError('not_available_yet', `backend "${driver.name}" cannot give a command a network of its own`)
  }
  const { spec, network: saved } = savedOf(record)
  const wayOut = await deps.networks.wayOut(record.id)
  if (wayOut === undefined) {
    if (network === 'none' || allow === undefined) return undefined
    const fix = 'Make it with --network listed, and with --allow RULE for what all of its commands may reach.'
    throw new AppError('policy_denied', `sandbox "${record.name}" was made without a network`, { fix })
  }
  const { commandRules } = await import('../../policy/network/command-rules.ts')
  wayOut.setRules(await commandRules(request, spec.permissions.networkRules, saved?.widest ?? 'public'), id)
  return { close: () => wayOut.removeRules(id) }
}

/** The end of a detached command comes after its output, which is in the log already. */
async function readToEnd(stream: GuestExecStream): Promise<void> {
  try {
    for await (const _ of stream.output);
  } catch (error) {
    ignore(error, 'the result says it')
  }
}

/** Comes to a command that was started earlier. Aborting ends the visit only. */
export async function attachCommand(
  deps: CommandDeps,
  name: string,
  id: string,
  from: AttachFrom,
  signal: AbortSignal,
): Promise<ExecSession> {
  const running = await requireRunning(deps, name)
  const stream = running.guest.attach(
    {
      op: 'attach',
      id,
      ...(from.stdout === undefined ? {} : { stdout: from.stdout }),
      ...(from.stderr === undefined ? {} : { stderr: from.stderr }),
      ...(from.stdin === true ? { stdin: true } : {}),
    },
    signal,
  )
  const result = ended(stream, () => false)
  follow(deps, running, result)
  const pid = await stream.started
  await deps.audit.append({ type: 'session_attached', sandbox: name })
  return sessionOf(stream, pid, result)
}

export async function listCommands(deps: CommandDeps, name: string): Promise<DetachedCommand[]> {
  const { guest } = await requireRunning(deps, name)
  // Those that were left, and those that a daemon before this one left behind.
  const left = (exec: GuestExec): boolean => exec.detach || (exec.running && !deps.attended.has(exec.id))
  return (await guest.execList()).filter(left).map((exec) => detachedOf(name, exec))
}

/** Errors: `exec_not_found`. */
export async function findCommand(deps: CommandDeps, name: string, id: string): Promise<DetachedCommand> {
  return detachedOf(name, (await findExec(deps, name, id)).exec)
}

export async function killCommand(deps: CommandDeps, name: string, id: string): Promise<void> {
  const { guest, exec } = await findExec(deps, name, id)
  if (!exec.running) return
  const visit = guest.attach({ op: 'attach', id, stdout: exec.stdout.end, stderr: exec.stderr.end }, AbortSignal.timeout(KILL_LIMIT_MS))
  void readToEnd(visit)
  await guest.execSignal(id, SIGKILL)
  try {
    await visit.result
  } catch (error) {
    ignore(error, 'killed it is; its end is told as soon as it comes')
  }
}

/** Which part of a command's output is wanted. */
export interface LogPart {
  readonly channel: 'stdout' | 'stderr'
  /** @default 0 */
  readonly offset?: number
  /** Go on until the command has ended. @default false */
  readonly follow?: boolean
  readonly signal?: AbortSignal | undefined
}

/** What is kept of a channel from an offset on, and no more unless it is to be followed: the command may go on. */
export async function commandLog(deps: CommandDeps, name: string, id: string, part: LogPart): Promise<ExecLog> {
  const { channel, offset = 0, follow = false, signal } = part
  const { guest, exec } = await findExec(deps, name, id)
  const other = channel === 'stdout' ? 'stderr' : 'stdout'
  const { start, end } = exec[channel]
  const from = Math.min(Math.max(start, offset), end)
  const stream = guest.attach({ op: 'attach', id, follow, [channel]: from, [other]: exec[other].end }, signal)
  stream.result.catch((error: unknown) => ignore(error, 'reading the bytes fails the same way'))
  return { start: from, end, bytes: bytesOf(stream, channel) }
}

async function* bytesOf(
  stream: Pick<GuestExecStream<unknown>, 'output' | 'cancel' | 'result'>,
  channel: 'stdout' | 'stderr',
): AsyncGenerator<Uint8Array> {
  try {
    for await (const chunk of stream.output) if (chunk.channel === channel && 'bytes' in chunk) yield chunk.bytes
    await stream.result
  } finally {
    stream.cancel()
  }
}

async function findExec(deps: CommandDeps, name: string, id: string): Promise<{ guest: Running['guest']; exec: GuestExec }> {
  const { guest } = await requireRunning(deps, name)
  const exec = (await guest.execList()).find((candidate) => candidate.id === id)
  if (exec === undefined) throw new AppError('exec_not_found', `sandbox "${name}" has no command "${id}"`)
  return { guest, exec }
}

async function refuseBlocked(deps: CommandDeps, { record }: Running, request: ExecStreamRequest): Promise<void> {
  const decision = checkCommand(request.command, savedOf(record).commands)
  if (decision.allowed) return
  await deps.audit.append({ type: 'policy_violation', sandbox: record.name, policy: 'commands', details: decision.reason })
  throw new AppError('policy_denied', decision.reason, {
    fix: `Change [security.commands] in ${decision.source}, and make the sandbox anew.`,
  })
}

/** The driver's own, the configuration's, the caller's; trace context is the door's to give, nobody else's. */
function environment({ record, handle }: Running, request: ExecStreamRequest, caller: Caller): string[] {
  const { TRACEPARENT: _parent, TRACESTATE: _state, ...asked } = parseVariables(request.env ?? [])
  const env = { ...handle.guest?.env, ...record.environment, ...asked, ...traceContext(caller) }
  return Object.entries(env).map(([key, value]) => `${key}=${value}`)
}

/** W3C trace context of the request, as variables of its command. */
export function traceContext({ traceparent, tracestate }: Caller): Readonly<Record<string, string>> {
  return {
    ...(traceparent === undefined ? {} : { TRACEPARENT: traceparent }),
    ...(tracestate === undefined ? {} : { TRACESTATE: tracestate }),
  }
}

function directory({ record, handle }: Running, workdir: string | undefined): string {
  const start = savedOf(record).cwd
  const from = start === '' ? (handle.guest?.cwd ?? '/') : start
  if (workdir?.includes('\0') === true) throw new AppError('invalid_argument', 'the working directory holds a NUL character')
  return workdir === undefined || workdir === '' ? from : posix.resolve(from, workdir)
}

/** Somebody waits for this command: it is nobody else's to find. */
function attend({ attended }: CommandDeps, id: string, result: Promise<unknown>): void {
  attended.add(id)
  result.catch((error: unknown) => ignore(error, 'whoever waits for the command is told')).finally(() => attended.delete(id))
}

/** A sandbox in which a command runs is in use. */
function follow({ activity }: CommandDeps, { record: { id } }: Running, result: Promise<unknown>): void {
  const release = activity.hold(id)
  result.catch((error: unknown) => ignore(error, 'whoever waits for the command is told')).finally(release)
}

/** One start of one sandbox: its counts begin anew with each. */
export const oomKey = ({ id, startedAt }: Pick<SandboxRecord, 'id' | 'startedAt'>): string => `${id} ${startedAt}`

async function ended(stream: GuestExecStream, killedForMemory: () => boolean): Promise<ExecEnd> {
  const result = await stream.result
  const killed = result.ended === 'signaled' && result.signal === SIGKILL
  return {
    exit_code: exitCodeOf(result),
    ended: killed && killedForMemory() ? 'out_of_memory' : result.ended,
    duration_ms: result.duration_ms,
    ...(result.signal === undefined ? {} : { signal: result.signal }),
  }
}

/** What a shell would report. */
function exitCodeOf(result: ExecEnded): number {
  switch (result.ended) {
    case 'exited':
      return result.status ?? 0
    case 'signaled':
      return 128 + (result.signal ?? SIGKILL)
    case 'timed_out':
      return 124
    case 'canceled':
      return 128 + SIGINT
    default:
      return 125
  }
}

/** The audit log and the events hear of every command, whoever waits for it. */
async function record(
  deps: CommandDeps,
  { record: sandbox }: Running,
  request: ExecStreamRequest,
  result: Promise<ExecEnd>,
): Promise<void> {
  const end = await result.catch((error: unknown) => {
    ignore(error, 'a command without an end is recorded as such')
    return undefined
  })
  try {
    deps.events.emit('sandbox.exec.completed', sandbox, {
      command: request.command,
      duration_ms: end?.duration_ms ?? 0,
      success: end?.exit_code === 0,
      exit_code: end?.exit_code ?? null,
    })
    await deps.audit.append({
      type: 'command_executed',
      sandbox: sandbox.name,
      command: request.command,
      exit_code: end?.exit_code ?? null,
      backend: sandbox.backend,
      profile: savedOf(sandbox).spec.permissions.profile,
      duration_ms: Math.round(end?.duration_ms ?? 0),
    })
  } catch (error) {
    deps.log(`a command in sandbox ${sandbox.name} could not be recorded: ${isAppError(error) ? error.message : String(error)}`)
  }
}

function sessionOf(stream: GuestExecStream, pid: number, result: Promise<ExecEnd>): ExecSession {
  return {
    id: stream.id,
    pid,
    output: stream.output,
    write: (bytes) => stream.write(bytes),
    closeStdin: () => stream.closeStdin(),
    signal: (number) => stream.signal(number),
    resize: (cols, rows) => stream.resize(cols, rows),
    result,
  }
}

function detachedOf(sandbox: string, exec: GuestExec): DetachedCommand {
  const code = exec.result === undefined ? null : exitCodeOf(exec.result)
  return {
    id: exec.id,
    sandbox,
    command: exec.argv,
    pid: exec.pid,
    status: exec.running ? 'running' : code === 0 ? 'completed' : 'failed',
    exit_code: code,
    started_at: new Date(exec.started_at_ms).toISOString(),
  }
}
