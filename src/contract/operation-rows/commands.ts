import * as z from 'zod'
import type { Operation } from '../operation.ts'
import { BatchReplySchema, BatchRequestSchema, RunReplySchema, RunRequestSchema } from '../schemas/run.ts'
import { DetachedCommandSchema, ExecRequestSchema, ExecResultSchema } from '../schemas/sandboxes.ts'
import { named } from './sandboxes.ts'

const detached = named.extend({ id: z.string().describe('Id of the command') })
const channel = z.enum(['stdout', 'stderr']).default('stdout')
const execution = named.extend(ExecRequestSchema.shape)

/** Commands: in a sandbox that is gone afterwards, or in one that stays. */
export const COMMAND_ROWS = {
  run: {
    summary: 'Run a command in a fresh sandbox',
    input: RunRequestSchema,
    output: RunReplySchema,
    http: { method: 'POST', path: '/run' },
    mcp: 'sandbox_run',
    action: 'Run',
    event: 'command_executed',
  },
  runStream: {
    summary: 'Run a command in a fresh sandbox and follow it',
    input: RunRequestSchema,
    http: { method: 'POST', path: '/run/stream', reply: 'events' },
    action: 'Run',
    event: 'command_executed',
  },
  batchRun: {
    summary: 'Run commands in fresh sandboxes, side by side',
    input: BatchRequestSchema,
    output: BatchReplySchema,
    http: { method: 'POST', path: '/batch/run' },
    action: 'Run',
    event: 'command_executed',
  },
  exec: {
    summary: 'Run a command in a sandbox',
    input: execution,
    output: ExecResultSchema,
    http: { method: 'POST', path: '/sandboxes/{name}/exec' },
    mcp: 'sandbox_exec',
    action: 'Exec',
    event: 'command_executed',
  },
  execStream: {
    summary: 'Run a command in a sandbox and follow it',
    input: execution,
    http: { method: 'POST', path: '/sandboxes/{name}/exec/stream', reply: 'events' },
    action: 'Exec',
    event: 'command_executed',
  },
  execSocket: {
    summary: 'Run a command in a sandbox with its streams',
    input: named,
    http: { method: 'GET', path: '/sandboxes/{name}/exec/ws', reply: 'socket' },
    action: 'Exec',
    event: 'command_executed',
  },
  execDetach: {
    summary: 'Start a command in a sandbox and leave it',
    input: execution,
    output: DetachedCommandSchema,
    http: { method: 'POST', path: '/sandboxes/{name}/exec/detach' },
    mcp: 'sandbox_exec_detach',
    action: 'Exec',
    event: 'command_executed',
  },
  execList: {
    summary: 'List the commands of a sandbox',
    input: named,
    output: z.array(DetachedCommandSchema),
    http: { method: 'GET', path: '/sandboxes/{name}/exec/detached' },
    mcp: 'sandbox_exec_list',
  },
  execGet: {
    summary: 'Show a command of a sandbox',
    input: detached,
    output: DetachedCommandSchema,
    http: { method: 'GET', path: '/sandboxes/{name}/exec/detached/{id}' },
    mcp: 'sandbox_exec_status',
  },
  execLogs: {
    summary: 'Read what a command wrote',
    input: detached.extend({ stream: channel }),
    output: z.object({
      stdout: z.string().exactOptional(),
      stderr: z.string().exactOptional(),
      truncated: z.boolean().exactOptional(),
      output_url: z.string().exactOptional(),
    }),
    http: { method: 'GET', path: '/sandboxes/{name}/exec/detached/{id}/logs' },
    mcp: 'sandbox_exec_logs',
  },
  execOutput: {
    summary: 'Read what a command wrote as raw bytes, from any offset, until it ends',
    input: detached.extend({
      stream: channel,
      offset: z.int().min(0).default(0).describe('Bytes since the start of the command'),
      follow: z.boolean().default(false).describe('Go on until the command has ended'),
    }),
    http: { method: 'GET', path: '/sandboxes/{name}/exec/detached/{id}/output', reply: 'bytes' },
  },
  execAttachSocket: {
    summary: 'Come to a command with its streams',
    input: detached,
    http: { method: 'GET', path: '/sandboxes/{name}/exec/detached/{id}/ws', reply: 'socket' },
    action: 'Attach',
    event: 'session_attached',
  },
  execKill: {
    summary: 'End a command',
    input: detached,
    output: z.string(),
    http: { method: 'DELETE', path: '/sandboxes/{name}/exec/detached/{id}' },
    mcp: 'sandbox_exec_kill',
    action: 'Exec',
  },
} as const satisfies Record<string, Operation>
