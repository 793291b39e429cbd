import * as z from 'zod'
import type { AgentStatus, AuditListing, AuditVerification, DoctorReport, TrustEntry } from './reports.ts'
import type { RunIo, RunRequest, RunResult } from './run.ts'
import { RunRequestSchema } from './schemas/run.ts'
import type { EventName } from './events.ts'

/**
 * Every operation of the product, as data. Doors are derived from it: HTTP routes, MCP tools, reference pages, SDK
 * types. CLI commands are written by hand and call the functions of `Operations` (same names).
 */
export interface Operation {
  /** Dotted name, e.g. `audit.list`. */
  readonly name: string
  readonly summary: string
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

export const OPERATIONS = [
  {
    name: 'run',
    summary: 'Run a command in a fresh sandbox',
    input: RunRequestSchema,
    http: { method: 'POST', path: '/run' },
    mcp: 'sandbox_run',
    action: 'Run',
    event: 'command_executed',
  },
  { name: 'doctor', summary: 'Find out what works on this machine', input: z.object({}), http: { method: 'GET', path: '/doctor' } },
  {
    name: 'agents',
    summary: 'List coding agents and whether they are installed',
    input: z.object({}),
    http: { method: 'GET', path: '/agents' },
  },
  {
    name: 'audit.list',
    summary: 'Read the audit log',
    input: z.object({ sandbox: z.string().optional(), last: z.int().min(1).optional() }),
    http: { method: 'GET', path: '/audit' },
  },
  { name: 'audit.verify', summary: 'Check the audit log for changes', input: z.object({}), http: { method: 'GET', path: '/audit/verify' } },
  {
    name: 'init',
    summary: 'Write an agentkernel.toml',
    input: z.object({ dir: z.string(), name: z.string().optional(), agent: z.string().optional() }),
  },
  {
    name: 'trust.add',
    summary: 'Honour every key of a project file as it is now',
    input: z.object({ path: z.string() }),
    event: 'config_trusted',
  },
  { name: 'trust.list', summary: 'List trusted project files', input: z.object({}) },
  { name: 'trust.remove', summary: 'Stop trusting a project file', input: z.object({ path: z.string() }) },
] as const satisfies readonly Operation[]

/** The functions behind the table. `main` makes them; doors call them. */
export interface Operations {
  readonly run: (request: RunRequest, io: RunIo, signal: AbortSignal) => Promise<RunResult>
  readonly doctor: (input: { readonly cwd: string | undefined }, signal: AbortSignal) => Promise<DoctorReport>
  readonly agents: (signal: AbortSignal) => Promise<readonly AgentStatus[]>
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
