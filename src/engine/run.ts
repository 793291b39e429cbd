import type { ResolvedConfig } from '../contract/config.ts'
import { AppError, isAppError } from '../contract/errors.ts'
import type { AuditSink } from '../contract/events.ts'
import type { RunIo, RunRequest, RunResult } from '../contract/run.ts'
import type { Driver, RunOutcome, RunSpec } from '../drivers/driver.ts'
import { ignore } from '../lib/ignore.ts'
import { checkCommand } from '../policy/commands.ts'
import { checkIsolation } from '../policy/isolation.ts'
import { type Machine, type ResolvedPermissions, resolvePermissions } from '../policy/permissions.ts'
import { exitCodeOfOutcome, sentencesAbout } from './run-report.ts'
import { insideDirectory, sandboxEnvironment } from './run-inputs.ts'
import type { WorkspaceChoice } from './workspace/describe.ts'

/** What a run needs from outside; made by `main`. */
export interface RunDeps {
  readonly loadConfig: (request: RunRequest) => Promise<ResolvedConfig>
  /** The driver for a request. Errors: `backend_unknown`, `backend_unavailable`, `not_available_yet`. */
  readonly chooseDriver: (name: string | undefined) => Promise<Driver>
  readonly describeWorkspace: (mode: 'none' | 'copy' | 'mount', cwd: string | undefined) => Promise<WorkspaceChoice>
  readonly audit: AuditSink
  readonly machine: Machine
  /** Sixteen characters of `[0-9a-z]`, new each time. */
  readonly newId: () => string
  /** Monotonic, in ms. */
  readonly now: () => number
  /** True the first time it is asked about a key, for this user; a scope makes it once per project. */
  readonly firstTime: (key: string, scope?: string) => boolean
}

/**
 * One command in a sandbox, from the request to the report. The order matters: what refuses comes before what costs,
 * and nothing exists on the machine before every check has passed.
 */
export async function run(deps: RunDeps, request: RunRequest, io: RunIo, signal: AbortSignal): Promise<RunResult> {
  const config = await deps.loadConfig(request)
  const resolved = resolvePermissions(request, config, deps.machine)
  await refuseBlockedCommand(deps, request, config)
  const driver = await deps.chooseDriver(request.backend)
  const tooWeak = checkIsolation({ name: driver.name, isolation: driver.facts.isolation }, config.minIsolation)
  if (tooWeak !== undefined) throw tooWeak
  const workspace = await deps.describeWorkspace(resolved.permissions.workspace, request.cwd)
  const spec = specOf(deps, request, config, resolved, workspace)
  const notices = noticesBefore(deps, config, resolved, workspace)
  notices.forEach((text) => io.onNotice(text))
  const started = deps.now()
  const outcome = await runRecorded(deps, driver, spec, io, signal)
  const durationMs = deps.now() - started
  const result = resultOf(spec, outcome, durationMs, driver.name)
  sentencesAbout(outcome, spec, durationMs).forEach((text) => io.onNotice(text))
  const after = workspace.noticeAfter?.()
  if (after !== undefined) io.onNotice(after)
  await record(deps, io, spec, driver.name, result.exitCode, durationMs)
  return result
}

async function refuseBlockedCommand(deps: RunDeps, request: RunRequest, config: ResolvedConfig): Promise<void> {
  const decision = checkCommand(request.command, config.commands)
  if (decision.allowed) return
  await deps.audit.append({ type: 'policy_violation', sandbox: 'ephemeral', policy: 'commands', details: decision.reason })
  throw new AppError('policy_denied', decision.reason, { fix: `Change [security.commands] in ${decision.source}.` })
}

function specOf(
  deps: RunDeps,
  request: RunRequest,
  config: ResolvedConfig,
  resolved: ResolvedPermissions,
  workspace: WorkspaceChoice,
): RunSpec {
  return {
    id: deps.newId(),
    command: request.command,
    env: sandboxEnvironment(request, config, resolved.permissions.passEnv),
    callerPath: request.callerEnv['PATH'] ?? '',
    cwd: insideDirectory(request.workdir, workspace),
    image: 'host',
    workspace: workspace.view,
    permissions: resolved.permissions,
    timeoutMs: request.timeoutMs,
  }
}

/** What the user should know before the command's own output begins; the repeating ones only the first time. */
function noticesBefore(deps: RunDeps, config: ResolvedConfig, resolved: ResolvedPermissions, workspace: WorkspaceChoice): string[] {
  const project = workspace.view?.hostPath ?? config.sources.at(-1)?.path ?? ''
  const notices = [...config.warnings]
  if (config.inertKeys.length > 0) {
    notices.push(
      `not honoured, because a project's own file may only narrow: ${config.inertKeys.join(', ')}. Read the file, then run \`agentkernel trust\`.`,
    )
  }
  if (config.laterKeys.length > 0 && deps.firstTime(`later:${config.laterKeys.join(',')}`, project)) {
    notices.push(`without effect in this release: ${config.laterKeys.join(', ')}.`)
  }
  if (config.image !== undefined && config.image !== 'host' && deps.firstTime(`image:${config.image}`, project)) {
    notices.push(`the configured image ${config.image} cannot be used in this release; the command runs on this machine's own programs.`)
  }
  if (resolved.impliedNetwork !== 'none' && deps.firstTime('network-off')) {
    notices.push(
      `the network is off: profile ${resolved.permissions.profile} allows it, but its policed way out arrives with a later release. (Said once.)`,
    )
  }
  if (workspace.notice !== undefined) notices.push(workspace.notice)
  return notices
}

/** Runs the driver and puts a failure of ours into the audit log before it goes on. */
async function runRecorded(deps: RunDeps, driver: Driver, spec: RunSpec, io: RunIo, signal: AbortSignal): Promise<RunOutcome> {
  if (driver.runOnce === undefined) throw new AppError('backend_unavailable', `backend "${driver.name}" cannot run single commands`)
  let recovering: Promise<unknown> = Promise.resolve()
  const onStarted = (): void => {
    io.onStarted?.()
    // What a crashed run left is removed while this one works, so that it costs no time.
    recovering = driver.recover(signal).catch((error: unknown) => ignore(error, 'the next run tries again'))
  }
  try {
    const outcome = await driver.runOnce(spec, { ...io, onStarted }, signal)
    await recovering
    return outcome
  } catch (error) {
    try {
      await deps.audit.append({ type: 'sandbox_error', name: spec.id, error: isAppError(error) ? error.code : 'internal' })
    } catch (second) {
      ignore(second, 'the first failure is the one to report')
    }
    throw error
  }
}

function resultOf(spec: RunSpec, outcome: RunOutcome, durationMs: number, backend: string): RunResult {
  return {
    exitCode: exitCodeOfOutcome(outcome),
    ended: outcome.ended,
    ...(outcome.signal === undefined ? {} : { signal: outcome.signal }),
    durationMs,
    ...(outcome.memoryPeakBytes === undefined ? {} : { memoryPeakBytes: outcome.memoryPeakBytes }),
    memoryLimitBytes: spec.permissions.memoryBytes,
    backend,
    profile: spec.permissions.profile,
    network: spec.permissions.network,
  }
}

/** The command has run; a log that cannot be written is worth a sentence, not the command's exit status. */
async function record(deps: RunDeps, io: RunIo, spec: RunSpec, backend: string, exitCode: number, durationMs: number): Promise<void> {
  try {
    await deps.audit.append({
      type: 'command_executed',
      sandbox: spec.id,
      command: spec.command,
      exit_code: exitCode,
      backend,
      profile: spec.permissions.profile,
      duration_ms: Math.round(durationMs),
    })
  } catch (error) {
    if (!isAppError(error, 'audit_write_failed')) throw error
    io.onNotice(`this run is not in the audit log: ${error.message}`)
  }
}
