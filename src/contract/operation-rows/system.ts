import * as z from 'zod'
import type { Operation } from '../operation.ts'
import { LifecycleEventSchema, ReconcileReportSchema } from '../schemas/sandboxes.ts'
import {
  AgentSchema,
  AuditEntrySchema,
  AuditVerificationSchema,
  BenchmarkSchema,
  DeadLetterSchema,
  DoctorReplySchema,
  RemovedSchema,
  ServerStatsSchema,
  SessionSchema,
  StatusSchema,
  WebhookSchema,
} from '../schemas/system.ts'
import { hostPath } from '../schemas/text.ts'

const nothing = z.object({})
const place = z.object({ cwd: hostPath.exactOptional().describe('Host directory one stands in; needs an API key') })
const last = z.int().min(1).max(100_000)

/** The server, the machine, and what happened. */
export const SYSTEM_ROWS = {
  health: {
    summary: 'Tell that the server answers',
    input: nothing,
    output: z.literal('ok'),
    http: { method: 'GET', path: '/health', open: true },
  },
  status: { summary: 'Name version and backend', input: nothing, output: StatusSchema, http: { method: 'GET', path: '/status' } },
  stats: {
    summary: 'Count sandboxes and measure the machine',
    input: nothing,
    output: ServerStatsSchema,
    http: { method: 'GET', path: '/stats' },
  },
  metrics: { summary: 'Metrics as Prometheus text', input: nothing, http: { method: 'GET', path: '/metrics', reply: 'text' } },
  openapi: { summary: 'This description, OpenAPI 3.1', input: nothing, http: { method: 'GET', path: '/openapi.json', reply: 'document' } },
  reference: { summary: 'This description as a page', input: nothing, http: { method: 'GET', path: '/docs', reply: 'html' } },
  doctor: {
    summary: 'Find out what works on this machine',
    input: place,
    output: DoctorReplySchema,
    http: { method: 'GET', path: '/doctor' },
  },
  agents: {
    summary: 'List coding agents and whether they are installed',
    input: place,
    output: z.array(AgentSchema),
    http: { method: 'GET', path: '/agents' },
  },
  auditList: {
    summary: 'Read the audit log',
    input: z.object({ sandbox: z.string().exactOptional(), last: last.default(100).describe('Most records, the newest') }),
    output: z.array(AuditEntrySchema),
    http: { method: 'GET', path: '/audit' },
  },
  auditVerify: {
    summary: 'Check the audit log for changes',
    input: nothing,
    output: AuditVerificationSchema,
    http: { method: 'GET', path: '/audit/verify' },
  },
  events: {
    summary: 'Follow what happens to sandboxes',
    input: z.object({
      sandbox: z.string().exactOptional(),
      after: z.int().min(0).exactOptional().describe('Begin after the event of this number; the header Last-Event-ID does the same'),
    }),
    output: LifecycleEventSchema,
    http: { method: 'GET', path: '/events', reply: 'events' },
  },
  webhooks: {
    summary: 'List webhooks and how they fare',
    input: nothing,
    output: z.array(WebhookSchema),
    http: { method: 'GET', path: '/webhooks' },
  },
  webhookDeadLetters: {
    summary: 'List deliveries that were given up',
    input: z.object({ last: last.default(100) }),
    output: z.array(DeadLetterSchema),
    http: { method: 'GET', path: '/webhooks/dead-letters' },
  },
  gc: {
    summary: 'Remove sandboxes whose time is over',
    input: z.object({
      dry_run: z.boolean().default(false),
      labels: z.record(z.string(), z.string()).exactOptional().describe('Remove those with all of these labels instead'),
    }),
    output: RemovedSchema,
    http: { method: 'POST', path: '/gc' },
    action: 'Create',
  },
  reconcile: {
    summary: 'Stop, archive and delete what its lifecycle says',
    input: z.object({ dry_run: z.boolean().default(false) }),
    output: ReconcileReportSchema,
    http: { method: 'POST', path: '/lifecycle/reconcile' },
    action: 'Create',
  },
  benchmark: {
    summary: 'Measure a sandbox from its making to its end',
    input: nothing,
    output: BenchmarkSchema,
    http: { method: 'POST', path: '/benchmark' },
    action: 'Create',
  },
  sessions: {
    summary: 'Count the audit records of each sandbox',
    input: nothing,
    output: z.array(SessionSchema),
    http: { method: 'GET', path: '/sessions' },
  },
} as const satisfies Record<string, Operation>
