import * as z from 'zod'
import { PROFILE_NAMES } from './config.ts'
import type { ExplainReport, LearnReport, RulesInput, SimulatedEvent, SimulationReport } from './network-reports.ts'
import type { Operation } from './operation.ts'
import { COMMAND_ROWS } from './operation-rows/commands.ts'
import { FILE_ROWS } from './operation-rows/files.ts'
import { LLM_ROWS } from './operation-rows/llm.ts'
import { NETWORK_ROWS } from './operation-rows/network.ts'
import { SANDBOX_ROWS } from './operation-rows/sandboxes.ts'
import { SECRET_ROWS } from './operation-rows/secrets.ts'
import { SYSTEM_ROWS } from './operation-rows/system.ts'
import type { LlmOperations } from './llm.ts'
import type { AgentStatus, AuditListing, AuditVerification, DoctorReport, TrustEntry } from './reports.ts'
import type { SecretEntry, SecretRequest } from './secrets.ts'
import type { Secret } from '../lib/secret.ts'
import { networkMode, networkRules } from './schemas/sandboxes.ts'
import type { RunIo, RunRequest, RunResult, SecretAsk } from './run.ts'

export type { Operation } from './operation.ts'

const nothing = z.object({})
const oneFile = z.object({ path: z.string().min(1) })
const rules = z.object({
  cwd: z.string().optional(),
  configPath: z.string().optional(),
  profile: z.enum(PROFILE_NAMES).optional(),
  network: networkMode.optional(),
  allow: networkRules.optional(),
  block: networkRules.optional(),
})
const oneLog = z.object({ log: z.string().min(1).describe('File of `run --network-log`') })

/** What only a program on this machine can ask for. */
const LOCAL_ROWS = {
  auditPath: { summary: 'Name the audit log', input: nothing },
  init: {
    summary: 'Write an agentkernel.toml',
    input: z.object({ dir: z.string().startsWith('/'), name: z.string().optional(), agent: z.string().optional() }),
    action: 'Create',
  },
  secretForward: { summary: 'Find the values of secrets for a sandbox that stays', input: z.object({ cwd: z.string().optional() }) },
  trustAdd: { summary: 'Honour every key of a project file as it is now', input: oneFile, event: 'config_trusted' },
  trustList: { summary: 'List trusted project files', input: nothing },
  trustRemove: { summary: 'Stop trusting a project file', input: oneFile },
  networkExplain: {
    summary: 'Say what the network rules say to a host',
    input: rules.extend({ target: z.string().min(1), method: z.string().optional() }),
  },
  networkSimulate: { summary: 'Decide a recorded network log again, by other rules', input: rules.extend(oneLog.shape) },
  networkLearn: { summary: 'Say which network rules would have been enough for a recorded log', input: oneLog },
  names: { summary: 'Names for shell completion', input: z.object({ kind: z.enum(['backend', 'profile', 'agent', 'secret', 'preset']) }) },
} as const satisfies Record<string, Operation>

/** Everything the product can do. Each function of `Operations` has a row of its name. */
export const OPERATIONS = {
  ...COMMAND_ROWS,
  ...SANDBOX_ROWS,
  ...FILE_ROWS,
  ...SECRET_ROWS,
  ...LLM_ROWS,
  ...NETWORK_ROWS,
  ...SYSTEM_ROWS,
  ...LOCAL_ROWS,
} as const satisfies Record<keyof Operations, Operation>
export type OperationName = keyof typeof OPERATIONS

/** Operations that HTTP reaches. */
export type HttpOperationName = {
  [N in OperationName]: (typeof OPERATIONS)[N] extends { readonly http: unknown } ? N : never
}[OperationName]

/** The functions behind the table. `main` makes them; doors call them. */
export interface Operations extends LlmOperations {
  readonly run: (request: RunRequest, io: RunIo, signal: AbortSignal) => Promise<RunResult>
  readonly doctor: (input: { readonly cwd: string | undefined; readonly trust?: boolean }, signal: AbortSignal) => Promise<DoctorReport>
  /** Programs of the project that `cwd` is in are never started. */
  readonly agents: (input: { readonly cwd: string | undefined }, signal: AbortSignal) => Promise<readonly AgentStatus[]>
  readonly auditPath: () => string
  /** The newest `last` records (all when undefined), oldest first, optionally of one sandbox. */
  readonly auditList: (input: { readonly sandbox?: string; readonly last?: number }) => Promise<AuditListing>
  readonly auditVerify: () => Promise<AuditVerification>
  /** Writes `agentkernel.toml` in `dir` and resolves with its path and text. Errors: `already_exists`, `invalid_argument`. */
  readonly init: (input: {
    readonly dir: string
    readonly name?: string
    readonly agent?: string
  }) => Promise<{ readonly path: string; readonly image: string; readonly reason: string }>
  /** Pins a file's hash. Errors: `not_found`, `config_invalid`. */
  readonly trustAdd: (input: { readonly path: string }) => Promise<TrustEntry & { readonly widens: readonly string[] }>
  readonly trustList: () => Promise<readonly TrustEntry[]>
  /** Resolves with false when the file was not trusted. */
  readonly trustRemove: (input: { readonly path: string }) => Promise<boolean>
  /** `notices`: sentences for the user, here and below. Errors, here and below: those of the vault. */
  readonly secretList: () => Promise<{ readonly entries: readonly SecretEntry[]; readonly notices: readonly string[] }>
  /** `seen`: the value stood on the command line. Errors: `invalid_argument`, `vault_read_only`. */
  /** Secrets of a command line as a request to the daemon, which has neither this environment nor files nor stdin. Errors: `invalid_argument`, `not_found`. */
  readonly secretForward: (input: { readonly ask: SecretAsk; readonly cwd: string | undefined }) => Promise<{
    readonly secrets: readonly SecretRequest[]
    readonly files: readonly SecretRequest[]
    readonly notices: readonly string[]
  }>
  readonly secretSet: (input: {
    readonly name: string
    readonly value: Secret
    readonly seen?: boolean
  }) => Promise<{ readonly notices: readonly string[] }>
  readonly secretDelete: (input: { readonly name: string }) => Promise<{ readonly deleted: boolean; readonly notices: readonly string[] }>
  readonly secretGet: (input: {
    readonly name: string
  }) => Promise<{ readonly value: Secret | undefined; readonly notices: readonly string[] }>
  /** With the rules that a `run` with the same options would have. Errors: `invalid_argument`, those of the configuration. */
  readonly networkExplain: (input: RulesInput & { readonly target: string; readonly method?: string }) => Promise<ExplainReport>
  /** `onEvent` gets each line that is an event. Errors: `not_found`, as above. */
  readonly networkSimulate: (
    input: RulesInput & { readonly log: string },
    onEvent?: (event: SimulatedEvent) => void,
  ) => Promise<SimulationReport>
  /** `text` is arguments, `toml` a piece of a config file. Errors: `not_found`. */
  readonly networkLearn: (input: {
    readonly log: string
  }) => Promise<{ readonly report: LearnReport; readonly text: string; readonly toml: string }>
  /** Names for shell completion. */
  readonly names: (kind: 'backend' | 'profile' | 'agent' | 'secret' | 'preset') => Promise<readonly string[]>
}
