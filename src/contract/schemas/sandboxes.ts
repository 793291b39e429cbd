import { SecretRequestSchema } from './secrets.ts'
import * as z from 'zod'
import { NETWORK_LEVELS, PROFILE_NAMES, WORKSPACE_MODES } from '../config.ts'
import type { GuestEntry, WatchChange } from '../guest-protocol.ts'
import { NETWORK_MODES } from '../network.ts'
import { LIFECYCLE_EVENTS, SANDBOX_STATES } from '../sandboxes.ts'
import type {
  CreateRequest,
  DetachedCommand,
  ExecRequest,
  ExecResult,
  FileContent,
  Lifecycle,
  LifecycleEvent,
  PatchRequest,
  ReconcileReport,
  SandboxInfo,
  SandboxStats,
} from '../sandboxes.ts'
import { labelsProblem } from '../../lib/labels.ts'
import { command, environment, hostPath, noNul, timeoutMs } from './text.ts'

/**
 * The shapes of `../sandboxes.ts` for doors that speak JSON. The types there are the contract; `satisfies` holds each schema to its
 * type, and a test that none lacks a member.
 */
const seconds = z.int().min(0)
const labels = z.record(z.string(), z.string()).describe('Keys and values of the user')
/** Labels that somebody sets; the rule is in `lib/labels.ts`. */
const newLabels = z
  .record(z.string(), z.string())
  .superRefine((given, context) => {
    const problem = labelsProblem(given)
    if (problem !== undefined) context.addIssue({ code: 'custom', message: problem })
  })
  .describe('At most 64; keys of letters, digits, `.`, `_`, `/` and `-`')
const newDescription = z.string().max(4096)
const vcpus = z.number().positive().max(4096).describe('Cores, fractions allowed')
const memoryMb = z
  .int()
  .min(6)
  .max(2 ** 31)
  .describe('Memory in MiB')
export const networkMode = z.enum(NETWORK_MODES).describe('How far it may reach; absent = `allow`, configuration and profile decide')
/** More than anybody writes; each rule has its own limit. */
export const networkRules = z.array(noNul.max(1024)).max(1000)
const time = z.string().describe('RFC 3339, UTC')

export const LifecycleSchema = z
  .object({
    auto_stop_after_seconds: seconds.exactOptional(),
    auto_archive_after_seconds: seconds.exactOptional(),
    auto_delete_after_seconds: seconds.exactOptional(),
  })
  .meta({
    id: 'Lifecycle',
    description: 'When it is stopped, archived and deleted by itself, in seconds without activity',
  }) satisfies z.ZodType<Lifecycle>

export const SandboxInfoSchema = z
  .object({
    name: z.string(),
    uuid: z.string().describe('UUIDv7'),
    status: z.enum(SANDBOX_STATES),
    failure: z.string().exactOptional().describe('Why it is failed'),
    backend: z.string(),
    isolation: z.string(),
    profile: z.enum(PROFILE_NAMES),
    network: z.enum(NETWORK_LEVELS),
    network_rules: z
      .object({ allow: z.array(z.string()), block: z.array(z.string()) })
      .exactOptional()
      .describe('The written rules behind `network`'),
    egress: z.enum(['enforced', 'proxy', 'none']).exactOptional().describe('How what leaves reaches the gateway'),
    ip: z.string().exactOptional(),
    image: z.string(),
    vcpus: vcpus.exactOptional(),
    memory_mb: z.number(),
    workspace: z.enum(WORKSPACE_MODES),
    project: z.string().exactOptional().describe('Host path of the project it was made from'),
    agent: z.string().exactOptional(),
    ports: z.array(z.string()).exactOptional(),
    placeholder_secrets: z.boolean(),
    secret_mappings: z.record(z.string(), z.string()).exactOptional().describe('Variable to the hosts that its secret is for'),
    secret_files: z.array(z.string()).exactOptional(),
    labels: labels.exactOptional(),
    description: z.string().exactOptional(),
    created_at: time,
    started_at: time.exactOptional(),
    last_activity_at: time,
    expires_at: time.exactOptional(),
    archived_at: time.exactOptional(),
    archived_reason: z.string().exactOptional(),
    lifecycle: LifecycleSchema.exactOptional(),
    timings_ms: z.record(z.string(), z.number()).exactOptional().describe('How long each part of the request took'),
    warnings: z.array(z.string()).exactOptional(),
  })
  .meta({ id: 'SandboxInfo' }) satisfies z.ZodType<SandboxInfo>

/** `KEY`, `KEY:HOST`, `KEY:HOST:HEADER`, `KEY=VALUE:HOST`, or a table. */
export const secretBindings = z.array(z.union([z.string().min(1).max(100_000), SecretRequestSchema])).max(100)

export const CreateRequestSchema = z
  .object({
    name: z.string().min(1).describe('1 to 63 letters, digits, `-` and `_`'),
    image: z.string().min(1).exactOptional().describe("Root file system; absent = the backend's own"),
    backend: z.string().min(1).exactOptional().describe('Way to isolate; absent = the best that works here'),
    vcpus: vcpus.exactOptional(),
    memory_mb: memoryMb.exactOptional(),
    profile: z.enum(PROFILE_NAMES).exactOptional().describe('Security profile; permissive needs an API key'),
    agent: z.string().exactOptional().describe('Coding agent it is meant for'),
    ports: z.array(z.string()).exactOptional().describe('`[ADDRESS:]HOST:SANDBOX[/udp]`, or `SANDBOX`; on 127.0.0.1 without an address'),
    network: networkMode.exactOptional(),
    allow: networkRules.exactOptional().describe('Network rules; without `network` they are all that is allowed'),
    block: networkRules.exactOptional().describe('Network rules that win over `allow`'),
    git_push: networkRules.exactOptional().describe('What may be pushed to git servers over HTTPS: `HOST[/REPO]=REF[,REF]`'),
    secrets: secretBindings.exactOptional().describe('Secrets that the gateway puts into requests; needs an API key'),
    secret_files: secretBindings.exactOptional().describe('Secrets that are files inside; needs an API key'),
    secret_mappings: z
      .record(z.string().min(1), z.string().min(1))
      .exactOptional()
      .describe('Variable to host, for values in the vault; needs an API key'),
    placeholder_secrets: z.boolean().exactOptional().describe('Tokens instead of one placeholder for all'),
    labels: newLabels.exactOptional(),
    description: newDescription.exactOptional(),
    lifecycle: LifecycleSchema.exactOptional(),
    ttl: z.string().exactOptional().describe('`1h`, `45s`, `0` = never'),
    env: environment.exactOptional(),
    start: z.boolean().exactOptional().describe('False leaves it stopped; absent = true'),
    dir: hostPath.exactOptional().describe('Host directory whose project is copied in; needs an API key'),
    workspace: z.enum(['none', 'copy']).exactOptional(),
    config_path: hostPath.exactOptional().describe('Host path of a config file; needs an API key'),
    caller_path: z.string().exactOptional().describe('PATH of the caller, to find toolchains; needs an API key'),
  })
  .meta({ id: 'CreateRequest' }) satisfies z.ZodType<CreateRequest>

export const PatchRequestSchema = z
  .object({
    labels: newLabels.exactOptional().describe('Replaces all labels'),
    description: newDescription.nullable().exactOptional(),
    lifecycle: LifecycleSchema.nullable().exactOptional().describe('Null clears it'),
  })
  .meta({ id: 'PatchRequest' }) satisfies z.ZodType<PatchRequest>

export const ResizeRequestSchema = z.object({ vcpus: vcpus.exactOptional(), memory_mb: memoryMb.exactOptional() })

/** What one command says about its network. */
export const commandNetwork = {
  allow: networkRules.exactOptional().describe("Network rules of this command alone, in place of the sandbox's; needs an API key"),
  block: networkRules.exactOptional().describe("Network rules that block for this command alone, besides the sandbox's"),
  network: z.literal('none').exactOptional().describe('No network for this command'),
}

export const ExecRequestSchema = z
  .object({
    command,
    env: environment.exactOptional(),
    workdir: noNul.exactOptional().describe('Directory inside the sandbox'),
    sudo: z.boolean().exactOptional().describe('As root; needs `[api].allow_sudo_exec` over HTTP'),
    timeout_ms: timeoutMs.exactOptional(),
    ...commandNetwork,
  })
  .meta({ id: 'ExecRequest' }) satisfies z.ZodType<ExecRequest>

export const ExecResultSchema = z
  .object({
    output: z.string().describe('stdout followed by stderr, as text; at most 16 MiB'),
    stdout: z.string(),
    stderr: z.string(),
    exit_code: z.int().describe('What a shell would report: the status, 128+N, 124'),
    ended: z.enum(['exited', 'signaled', 'timed_out', 'out_of_memory', 'canceled', 'lost']),
    duration_ms: z.number(),
    exec_id: z.string(),
    truncated: z.boolean().exactOptional().describe('True when `output` holds only the beginning'),
    output_url: z.string().exactOptional().describe('Path that has all of the output'),
  })
  .meta({ id: 'ExecResult' }) satisfies z.ZodType<ExecResult>

export const DetachedCommandSchema = z
  .object({
    id: z.string(),
    sandbox: z.string(),
    command: z.array(z.string()),
    pid: z.int(),
    status: z.enum(['running', 'completed', 'failed']),
    exit_code: z.int().nullable(),
    started_at: time,
  })
  .meta({ id: 'DetachedCommand' }) satisfies z.ZodType<DetachedCommand>

export const FileContentSchema = z
  .object({
    content: z.string(),
    encoding: z.enum(['utf8', 'base64']).describe('base64 when the bytes are not UTF-8'),
    size: z.int(),
  })
  .meta({ id: 'FileContent' }) satisfies z.ZodType<FileContent>

export const FileEntrySchema = z
  .object({
    name: z.string(),
    path: z.string(),
    type: z.enum(['file', 'dir', 'symlink', 'other']),
    size: z.int(),
    mode: z.int().describe('Low twelve bits'),
    uid: z.int(),
    gid: z.int(),
    mtime_ms: z.number(),
    target: z.string().exactOptional().describe('Of a symlink'),
  })
  .meta({ id: 'FileEntry' }) satisfies z.ZodType<GuestEntry>

export const FileChangeSchema = z
  .object({ kind: z.enum(['created', 'modified', 'removed', 'moved']), path: z.string() })
  .meta({ id: 'FileChange' }) satisfies z.ZodType<WatchChange>

export const ReconcileReportSchema = z
  .object({
    dry_run: z.boolean(),
    stopped: z.array(z.string()),
    archived: z.array(z.string()),
    removed: z.array(z.string()),
    actions: z.array(z.object({ sandbox: z.string(), action: z.enum(['stop', 'archive', 'remove']), reason: z.string() })),
  })
  .meta({ id: 'ReconcileReport' }) satisfies z.ZodType<ReconcileReport>

export const SandboxStatsSchema = z
  .object({
    sandbox: z.string(),
    status: z.enum(SANDBOX_STATES),
    memory_bytes: z.number().exactOptional(),
    memory_peak_bytes: z.number().exactOptional(),
    memory_limit_bytes: z.number().exactOptional(),
    cpu_ms: z.number().exactOptional(),
    process_count: z.int().exactOptional(),
    processes: z.array(z.object({ pid: z.int(), argv: z.array(z.string()), rss: z.number(), cpu_ms: z.number() })).exactOptional(),
  })
  .meta({ id: 'SandboxStats' }) satisfies z.ZodType<SandboxStats>

export const LifecycleEventSchema = z
  .object({
    id: z.int(),
    event: z.enum(LIFECYCLE_EVENTS),
    timestamp: time,
    sandbox: z.string(),
    labels,
    metadata: z.record(z.string(), z.unknown()),
  })
  .meta({ id: 'LifecycleEvent' }) satisfies z.ZodType<LifecycleEvent>
