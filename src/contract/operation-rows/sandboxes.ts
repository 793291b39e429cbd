import * as z from 'zod'
import type { Operation } from '../operation.ts'
import {
  CreateRequestSchema,
  PatchRequestSchema,
  ResizeRequestSchema,
  SandboxInfoSchema,
  SandboxStatsSchema,
} from '../schemas/sandboxes.ts'
import { AuditEntrySchema } from '../schemas/system.ts'

/** The member `name` that the address gives. */
export const named = z.object({ name: z.string().describe('Name of the sandbox') })

const importing = { config: z.string().describe('The file, TOML'), backend: z.string().exactOptional() }

/** Sandboxes that stay. */
export const SANDBOX_ROWS = {
  sandboxList: {
    summary: 'List sandboxes',
    input: z.object({
      label: z.array(z.string()).exactOptional().describe('`key:value`; with several, those that have all of them'),
      project: z.string().exactOptional().describe('Host path of the project they were made from'),
    }),
    output: z.array(SandboxInfoSchema),
    http: { method: 'GET', path: '/sandboxes' },
    mcp: 'sandbox_list',
  },
  sandboxCreate: {
    summary: 'Make a sandbox and start it',
    input: CreateRequestSchema,
    output: SandboxInfoSchema,
    http: { method: 'POST', path: '/sandboxes', status: 201 },
    mcp: 'sandbox_create',
    action: 'Create',
    event: 'sandbox_created',
  },
  sandboxGetByUuid: {
    summary: 'Show a sandbox by its UUID',
    input: z.object({ uuid: z.string() }),
    output: SandboxInfoSchema,
    http: { method: 'GET', path: '/sandboxes/by-uuid/{uuid}' },
  },
  sandboxGet: { summary: 'Show a sandbox', input: named, output: SandboxInfoSchema, http: { method: 'GET', path: '/sandboxes/{name}' } },
  sandboxPatch: {
    summary: 'Change labels, description or lifecycle',
    input: named.extend(PatchRequestSchema.shape),
    output: SandboxInfoSchema,
    http: { method: 'PATCH', path: '/sandboxes/{name}' },
    action: 'Create',
  },
  sandboxRemove: {
    summary: 'Remove a sandbox, running or not',
    input: named,
    output: z.string(),
    http: { method: 'DELETE', path: '/sandboxes/{name}' },
    mcp: 'sandbox_remove',
    action: 'Create',
    event: 'sandbox_removed',
  },
  sandboxStart: {
    summary: 'Start a sandbox',
    input: named,
    output: z.string(),
    http: { method: 'POST', path: '/sandboxes/{name}/start' },
    mcp: 'sandbox_start',
    action: 'Create',
    event: 'sandbox_started',
  },
  sandboxStop: {
    summary: 'Stop a sandbox and keep its files',
    input: named,
    output: z.string(),
    http: { method: 'POST', path: '/sandboxes/{name}/stop' },
    mcp: 'sandbox_stop',
    action: 'Create',
    event: 'sandbox_stopped',
  },
  sandboxLogs: {
    summary: 'Read the audit records of a sandbox',
    input: named,
    output: z.array(AuditEntrySchema),
    http: { method: 'GET', path: '/sandboxes/{name}/logs' },
  },
  sandboxStats: {
    summary: 'Show what a sandbox uses and what runs in it',
    input: named,
    output: SandboxStatsSchema,
    http: { method: 'GET', path: '/sandboxes/{name}/stats' },
  },
  sandboxExtend: {
    summary: 'Let a sandbox live longer',
    input: named.extend({ by: z.string().default('1h').describe('Added to the later of now and its end; `0` takes the end away') }),
    output: z.object({ expires_at: z.string().nullable() }),
    http: { method: 'POST', path: '/sandboxes/{name}/extend' },
    mcp: 'sandbox_extend_ttl',
    action: 'Create',
  },
  sandboxResize: {
    summary: 'Change the limits of a sandbox',
    input: named.extend(ResizeRequestSchema.shape),
    output: SandboxInfoSchema,
    http: { method: 'POST', path: '/sandboxes/{name}/resize' },
    action: 'Create',
  },
  sandboxRecover: {
    summary: 'Make an archived or failed sandbox an ordinary stopped one',
    input: named,
    output: SandboxInfoSchema,
    http: { method: 'POST', path: '/sandboxes/{name}/recover' },
    action: 'Create',
  },
  sandboxExport: {
    summary: 'Give a sandbox as an agentkernel.toml',
    input: named,
    output: z.string(),
    http: { method: 'GET', path: '/sandboxes/{name}/config' },
  },
  sandboxImport: {
    summary: 'Make a sandbox from an agentkernel.toml and leave it stopped',
    input: z.object({ ...importing, as: z.string().exactOptional().describe('Name of the new one; absent = as the file says') }),
    output: SandboxInfoSchema,
    http: { method: 'POST', path: '/sandboxes/import', status: 201 },
    action: 'Create',
    event: 'sandbox_created',
  },
  sandboxImportAs: {
    summary: 'Make a sandbox of a given name from an agentkernel.toml and leave it stopped',
    input: named.extend(importing),
    output: SandboxInfoSchema,
    http: { method: 'POST', path: '/sandboxes/{name}/config', status: 201 },
    action: 'Create',
    event: 'sandbox_created',
  },
  session: {
    summary: 'Read the audit records of a sandbox, counted among its sessions',
    input: named,
    output: z.object({ sandbox: z.string(), entries: z.array(AuditEntrySchema) }),
    http: { method: 'GET', path: '/sandboxes/{name}/session' },
  },
} as const satisfies Record<string, Operation>
