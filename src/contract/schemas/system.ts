import * as z from 'zod'

/** Shapes of what the server says about itself. */
export const StatusSchema = z
  .object({ version: z.string(), backend: z.string().describe('`none` when no backend works here'), api_key_configured: z.boolean() })
  .meta({ id: 'Status' })

export const ServerStatsSchema = z
  .object({
    sandbox_count: z.int(),
    sandbox_limit: z.int().describe('0 = unlimited'),
    backend: z.string(),
    uptime_seconds: z.int(),
    version: z.string(),
    resource_usage: z.object({
      cpu_percent: z.number().describe('Of all cores, over 200 ms'),
      memory_used_mb: z.int(),
      memory_total_mb: z.int(),
      disk_used_mb: z.int().describe('Of the root file system'),
    }),
  })
  .meta({ id: 'ServerStats' })

export const DoctorReplySchema = z
  .object({
    checks: z.array(
      z.object({
        name: z.string(),
        status: z.enum(['ok', 'warning', 'info', 'error']),
        message: z.string(),
        fix: z.string().exactOptional(),
      }),
    ),
    healthy: z.boolean(),
    selected: z.string().exactOptional().describe('The backend that is used when none is named'),
  })
  .meta({ id: 'DoctorReply' })

export const AgentSchema = z
  .object({
    name: z.string(),
    display_name: z.string(),
    enabled: z.boolean().describe('Found on PATH'),
    description: z.string(),
    version: z.string().exactOptional(),
    key_set: z.boolean(),
    key_variables: z.array(z.string()),
    install_hint: z.string(),
  })
  .meta({ id: 'Agent' })

export const AuditEntrySchema = z
  .looseObject({ timestamp: z.string(), type: z.string(), pid: z.int(), user: z.string(), prev: z.string(), hash: z.string() })
  .meta({ id: 'AuditEntry' })

export const AuditVerificationSchema = z
  .object({
    ok: z.boolean(),
    path: z.string(),
    records: z.int(),
    broken: z.object({ line: z.int(), reason: z.string() }).exactOptional(),
  })
  .meta({ id: 'AuditVerification' })

export const BenchmarkSchema = z
  .object({
    create_ms: z.number(),
    exec_ms: z.number(),
    destroy_ms: z.number(),
    total_ms: z.number(),
    image: z.string(),
    backend: z.string(),
    started_at: z.string(),
    finished_at: z.string(),
    timestamp: z.string(),
  })
  .meta({ id: 'Benchmark' })

export const RemovedSchema = z.object({ removed: z.array(z.string()), count: z.int() })

export const WebhookSchema = z
  .object({
    url: z.string().describe('Without credentials'),
    events: z.array(z.string()).exactOptional().describe('Absent = all'),
    signed: z.boolean(),
    delivered: z.int(),
    failed: z.int(),
    pending: z.int(),
    last_error: z.string().exactOptional(),
  })
  .meta({ id: 'Webhook' })

export const DeadLetterSchema = z
  .object({
    id: z.int(),
    url: z.string(),
    event: z.unknown().describe('What was to be sent'),
    attempts: z.int(),
    error: z.string(),
    failed_at: z.string(),
  })
  .meta({ id: 'DeadLetter' })

export const SessionSchema = z.object({ sandbox: z.string(), entry_count: z.int() })
