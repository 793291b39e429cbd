import * as z from 'zod'
import type { AgentStatus, AuditListing, AuditVerification, DoctorReport, TrustEntry } from './reports.ts'
import type { RunIo, RunRequest, RunResult } from './run.ts'
import { RunRequestSchema } from './schemas/run.ts'
import type { EventName } from './events.ts'

/**
 * What every door needs to know of an operation. Doors that speak JSON (HTTP, MCP, the SDKs) and the reference page
 * `docs/operations.md` are derived from the table; CLI commands are written by hand and call the functions of the same names.
 */
export interface Operation {
  readonly summary: string
  /** What arrives at a door that speaks JSON. */
  readonly input: z.ZodType
  /** HTTP binding; undefined = not reachable over HTTP. */
  readonly http?: { readonly method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE'; readonly path: string }
  /** MCP tool name; undefined = not a tool. */
  readonly mcp?: string
  /** Action that policy decides on; undefined = reading that needs no decision. */
  readonly action?: 'Run' | 'Create'
  /** Event written to the audit log when it is done. */
  readonly event?: EventName
}

const nothing = z.object({})
const oneFile = z.object({ path: z.string().min(1) })

export const OPERATIONS = {
  run: {
    summary: 'Run a command in a fresh sandbox',
    input: RunRequestSchema,
    http: { method: 'POST', path: '/run' },
    mcp: 'sandbox_run',
    action: 'Run',
    event: 'command_executed',
  },
  doctor: {
    summary: 'Find out what works on this machine',
    input: z.object({ cwd: z.string().startsWith('/').optional() }),
    http: { method: 'GET', path: '/doctor' },
  },
  agents: {
    summary: 'List coding agents and whether they are installed',
    input: z.object({ cwd: z.string().startsWith('/').optional() }),
    http: { method: 'GET', path: '/agents' },
  },
  auditPath: { summary: 'Name the audit log', input: nothing },
  auditList: {
    summary: 'Read the audit log',
    input: z.object({ sandbox: z.string().optional(), last: z.int().min(1).optional() }),
    http: { method: 'GET', path: '/audit' },
  },
  auditVerify: { summary: 'Check the audit log for changes', input: nothing, http: { method: 'GET', path: '/audit/verify' } },
  init: {
    summary: 'Write an agentkernel.toml',
    input: z.object({ dir: z.string().startsWith('/'), name: z.string().optional(), agent: z.string().optional() }),
    action: 'Create',
  },
  trustAdd: { summary: 'Honour every key of a project file as it is now', input: oneFile, event: 'config_trusted' },
  trustList: { summary: 'List trusted project files', input: nothing },
  trustRemove: { summary: 'Stop trusting a project file', input: oneFile },
  names: { summary: 'Names for shell completion', input: z.object({ kind: z.enum(['backend', 'profile', 'agent']) }) },
} as const satisfies Record<keyof Operations, Operation>

/** The functions behind the table. `main` makes them; doors call them. */
export interface Operations {
  readonly run: (request: RunRequest, io: RunIo, signal: AbortSignal) => Promise<RunResult>
  readonly doctor: (input: { readonly cwd: string | undefined }, signal: AbortSignal) => Promise<DoctorReport>
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
  /** Names for shell completion. */
  readonly names: (kind: 'backend' | 'profile' | 'agent') => Promise<readonly string[]>
}
