import type { ResolvedConfig } from '../contract/config.ts'
import { AppError, isAppError } from '../contract/errors.ts'
import { NO_NETWORK, type PublishedPort, type DenialSummary } from '../contract/network.ts'
import type { AuditSink } from '../contract/events.ts'
import type { RunIo, RunRequest, RunResult } from '../contract/run.ts'
import { SEEN_ON_COMMAND_LINE } from '../contract/secrets.ts'
import type { Driver, PreparedRun, RunOutcome, RunSpec } from '../drivers/driver.ts'
import { ignore } from '../lib/ignore.ts'
import { checkCommand } from '../policy/commands.ts'
import { checkIsolation } from '../policy/isolation.ts'
import { type Machine, type ResolvedPermissions, resolvePermissions } from '../policy/permissions.ts'
import { noticesBefore } from './notices.ts'
import type { BegunRun } from './begin-run.ts'
import { type LastWords, networkForRun, type NetworkOfRun, type RunNetworkDeps } from './network/for-run.ts'
import { wantedSecrets } from './network/run-secrets.ts'
import { exitCodeOfOutcome, sentencesAbout } from './run-report.ts'
import { insideDirectory, sandboxEnvironment } from './run-inputs.ts'
import type { WorkspaceChoice } from './workspace/describe.ts'

/** What a run needs from outside; made by `main`. */
export interface RunDeps {
  readonly loadConfig: (request: RunRequest) => Promise<ResolvedConfig>
  readonly describeWorkspace: (mode: 'none' | 'copy' | 'mount', cwd: string | undefined, signal: AbortSignal) => Promise<WorkspaceChoice>
  readonly audit: AuditSink
  readonly machine: Machine
  readonly network: RunNetworkDeps
  /** Monotonic, in ms. */
  readonly now: () => number
  /** True the first time it is asked about a key, for this user; a scope makes it once per project. */
  readonly firstTime: (key: string, scope?: string) => boolean
}

/** What was decided about a request: every check has passed. */
interface Decided {
  readonly spec: RunSpec
  readonly workspace: WorkspaceChoice
  readonly network: NetworkOfRun
  /** Sentences for before the command's own output. */
  readonly notices: readonly string[]
}

/**
 * One command in a sandbox, from the request to the report. The driver has begun with what every sandbox has; nothing of the
 * request's own happens before every check has passed.
 */
export async function run(deps: RunDeps, begun: BegunRun, request: RunRequest, io: RunIo, signal: AbortSignal): Promise<RunResult> {
  const { driver, prepared, recovery, id } = begun
  let decided: Decided
  try {
    decided = await decide(deps, driver, { ...request, id }, io, signal)
  } catch (error) {
    await prepared.discard()
    throw error
  }
  decided.notices.forEach((text) => io.onNotice(text))
  recovery.alongside(() => deps.audit.rehearse?.())
  const started = deps.now()
  let outcome: RunOutcome
  let lastWords: LastWords | undefined
  try {
    outcome = await runRecorded(deps, prepared, decided.spec, request, signal)
  } finally {
    lastWords = await decided.network.close()
  }
  const durationMs = deps.now() - started
  await recovery.done()
  return report(deps, io, decided, outcome, { backend: driver.name, durationMs, ...(lastWords === undefined ? {} : { lastWords }) })
}

async function decide(
  deps: RunDeps,
  driver: Driver,
  request: RunRequest & { readonly id: string },
  io: RunIo,
  signal: AbortSignal,
): Promise<Decided> {
  const config = await deps.loadConfig(request)
  const wanted = await wantedSecrets(request.secrets, config)
  const secretHosts = wanted === undefined || wanted.hosts.length === 0 ? {} : { secretHosts: wanted.hosts }
  const resolved = withinDriver(driver, request, await resolvePermissions({ ...request, ...secretHosts }, config, deps.machine))
  await refuseBlockedCommand(deps, request, config)
  const tooWeak = checkIsolation({ name: driver.name, isolation: driver.facts.isolation }, config.minIsolation)
  if (tooWeak !== undefined) throw tooWeak
  const workspace = await deps.describeWorkspace(resolved.permissions.workspace, request.cwd, signal)
  refusePorts(driver, [...config.publish, ...(request.publish ?? [])])
  const spec = specOf(request, config, resolved, workspace)
  const notices = noticesBefore(deps.firstTime, { config, resolved, workspace, cwd: request.cwd ?? '' })
  // Last of all: what it opens must be closed again.
  const network = await networkForRun(deps.network, { id: request.id, request, config, permissions: resolved.permissions, wanted, io })
  return {
    spec: {
      ...spec,
      env: { ...network.env, ...spec.env },
      ...(network.network === undefined ? {} : { network: network.network }),
      ...(network.ports === undefined ? {} : { ports: network.ports.forDriver }),
      ...(network.secretFiles.length === 0 ? {} : { secretFiles: network.secretFiles }),
    },
    workspace,
    network,
    // A value on the command line is worth a word once.
    notices: [
      ...notices,
      ...network.notices.filter((text) => text !== SEEN_ON_COMMAND_LINE || deps.firstTime('secret value on the command line')),
    ],
  }
}

function refusePorts(driver: Driver, wanted: readonly PublishedPort[]): void {
  if (wanted.length === 0 || driver.facts.runPorts === true) return
  throw new AppError('not_available_yet', `backend "${driver.name}" cannot publish ports of a single run`)
}

/** A driver without a way out has no network: what was asked for by name is refused, what is only implied is left out. */
function withinDriver(driver: Driver, request: RunRequest, resolved: ResolvedPermissions): ResolvedPermissions {
  if (driver.facts.egress !== 'none' || resolved.permissions.network === 'none') return resolved
  if (request.network !== undefined || request.allow !== undefined) {
    throw new AppError('not_available_yet', `backend "${driver.name}" cannot give a sandbox a network`)
  }
  return { ...resolved, permissions: { ...resolved.permissions, network: 'none', networkRules: NO_NETWORK } }
}

async function refuseBlockedCommand(deps: RunDeps, request: RunRequest, config: ResolvedConfig): Promise<void> {
  const decision = checkCommand(request.command, config.commands)
  if (decision.allowed) return
  await deps.audit.append({ type: 'policy_violation', sandbox: 'ephemeral', policy: 'commands', details: decision.reason })
  throw new AppError('policy_denied', decision.reason, { fix: `Change [security.commands] in ${decision.source}.` })
}

function specOf(
  request: RunRequest & { readonly id: string },
  config: ResolvedConfig,
  resolved: ResolvedPermissions,
  workspace: WorkspaceChoice,
): RunSpec {
  return {
    id: request.id,
    command: request.command,
    env: sandboxEnvironment(request, config, resolved.permissions.passEnv),
    callerPath: request.callerEnv['PATH'] ?? '',
    cwd: insideDirectory(request.workdir, workspace),
    image: request.image ?? 'host',
    workspace: workspace.view,
    permissions: resolved.permissions,
    timeoutMs: request.timeoutMs,
  }
}

/** Runs, and puts a failure of ours into the audit log before it goes on. */
async function runRecorded(
  deps: RunDeps,
  prepared: PreparedRun,
  spec: RunSpec,
  request: RunRequest,
  signal: AbortSignal,
): Promise<RunOutcome> {
  try {
    return await prepared.run(spec, signal)
  } catch (error) {
    try {
      await deps.audit.append({ type: 'sandbox_error', name: spec.id, error: isAppError(error) ? error.code : 'internal' })
    } catch (second) {
      ignore(second, 'the first failure is the one to report')
    }
    throw await withImageHint(error, request)
  }
}

/** A command that is not here may be written in a way that only a shell understands, or be in an image: the fix says so. */
async function withImageHint(error: unknown, request: RunRequest): Promise<unknown> {
  if (!isAppError(error, 'command_not_found')) return error
  const { missingCommandHint } = await import('../images/detect/missing-command-hint.ts')
  const [name = ''] = request.command
  const hint = shellHabit(name) ?? missingCommandHint(name)
  return hint === undefined ? error : new AppError('command_not_found', error.message, { cause: error, fix: hint })
}

/** What somebody meant whose first word is no name of a program. */
function shellHabit(word: string): string | undefined {
  if (/^\w+=/.test(word)) return `Set a variable with -e: \`agentkernel run -e ${word} …\`.`
  if (/\s/.test(word)) return 'Write the words of the command apart, without quotes around all of them, or run `sh -c "…"`.'
  if (['cd', 'source', 'export', 'alias', 'ulimit', 'umask', 'set'].includes(word)) return 'Only a shell knows this word: run `sh -c "…"`.'
  return undefined
}

async function report(
  deps: RunDeps,
  io: RunIo,
  { spec, workspace, network }: Decided,
  outcome: RunOutcome,
  { backend, durationMs, lastWords }: { readonly backend: string; readonly durationMs: number; readonly lastWords?: LastWords },
): Promise<RunResult> {
  const result = resultOf(spec, outcome, { durationMs, backend, ports: network.ports?.ports })
  sentencesAbout(outcome, spec, durationMs).forEach((text) => io.onNotice(text))
  const after = workspace.noticeAfter?.()
  if (after !== undefined) io.onNotice(after)
  for (const text of lastWords?.notices ?? []) io.onNotice(text)
  await record(deps, io, spec, result, lastWords?.denials ?? [])
  return result
}

function resultOf(
  spec: RunSpec,
  outcome: RunOutcome,
  { durationMs, backend, ports }: { readonly durationMs: number; readonly backend: string; readonly ports: readonly string[] | undefined },
): RunResult {
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
    ...(ports === undefined ? {} : { ports }),
  }
}

/** Refusals on the network that one run writes down. */
const MOST_DENIALS = 20

/** The command has run; a log that cannot be written is worth a sentence, not the command's exit status. */
async function record(deps: RunDeps, io: RunIo, spec: RunSpec, result: RunResult, denials: readonly DenialSummary[]): Promise<void> {
  const { allow } = spec.permissions.networkRules
  try {
    for (const { target, reason } of denials.slice(0, MOST_DENIALS)) {
      await deps.audit.append({ type: 'policy_violation', sandbox: spec.id, policy: 'network', details: `${target}: ${reason}` })
    }
    await deps.audit.append({
      type: 'command_executed',
      sandbox: spec.id,
      command: spec.command,
      exit_code: result.exitCode,
      backend: result.backend,
      profile: result.profile,
      duration_ms: Math.round(result.durationMs),
      ...(allow.length === 0 ? {} : { network_allow: allow }),
    })
  } catch (error) {
    if (!isAppError(error, 'audit_write_failed')) throw error
    io.onNotice(`this run is not in the audit log: ${error.message}`)
  }
}
