import * as z from 'zod'
import { PROFILE_NAMES, WORKSPACE_MODES } from '../config.ts'
import { ExecResultSchema, networkMode, networkRules, secretBindings } from './sandboxes.ts'
import { command, environment, hostPath, noNul, timeoutMs } from './text.ts'

/** A run as it arrives at a door that speaks JSON. Absent members mean: as the configuration says. */
export const RunRequestSchema = z
  .object({
    command,
    image: z.string().min(1).exactOptional().describe("Root file system; absent = the backend's own"),
    backend: z.string().min(1).exactOptional().describe('Way to isolate; absent = the best that works here'),
    profile: z.enum(PROFILE_NAMES).exactOptional().describe('Security profile; permissive needs an API key'),
    fast: z.boolean().exactOptional().describe('A hint to use a prepared sandbox; changes nothing else'),
    env: environment.exactOptional(),
    workdir: noNul.exactOptional().describe('Directory inside the sandbox'),
    timeout_ms: timeoutMs.exactOptional(),
    memory_mb: z
      .int()
      .min(6)
      .max(2 ** 31)
      .exactOptional(),
    vcpus: z.number().positive().max(4096).exactOptional().describe('Cores, fractions allowed'),
    network: z
      .union([networkMode, z.boolean().transform((on) => (on ? ('public' as const) : ('none' as const)))])
      .exactOptional()
      .describe('none, listed, public or learn; false is none, true is public'),
    allow: networkRules.exactOptional().describe('Network rules; without `network` they are all that is allowed'),
    block: networkRules.exactOptional().describe('Network rules that win over `allow`'),
    secrets: secretBindings.exactOptional().describe('Secrets that the gateway puts into requests; needs an API key'),
    secret_files: secretBindings.exactOptional().describe('Secrets that are files inside; needs an API key'),
    placeholder_secrets: z.boolean().exactOptional().describe('Tokens instead of one placeholder for all'),
    cwd: hostPath.exactOptional().describe('Host directory whose project is shown; none without it; needs an API key'),
    workspace: z.enum(WORKSPACE_MODES).exactOptional().describe('How the project of `cwd` is shown'),
    config_path: hostPath.exactOptional().describe('Host path of a config file; needs an API key'),
  })
  .meta({ id: 'RunRequest' })

/** How a run ended. */
export const RunReplySchema = ExecResultSchema.omit({ output_url: true })
  .extend({ signal: z.int().exactOptional(), image: z.string() })
  .meta({ id: 'RunReply' })

export const BatchRequestSchema = z.object({
  commands: z
    .array(RunRequestSchema)
    .min(1)
    .max(1000)
    .describe('Run side by side, a few at a time; a failure of one does not touch the others'),
})
export const BatchReplySchema = z.object({
  results: z.array(
    z.object({
      output: z.string().nullable(),
      error: z.string().nullable(),
      exit_code: z.int().exactOptional(),
    }),
  ),
})
