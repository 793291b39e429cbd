import * as z from 'zod'
import { PROFILE_NAMES, WORKSPACE_MODES } from '../config.ts'

const noNul = z.string().refine((text) => !text.includes('\0'), 'must not contain a NUL character')

/** Input of the `run` operation as it arrives at a door that speaks JSON. */
export const RunRequestSchema = z.object({
  command: z.array(noNul).min(1),
  cwd: z.string().startsWith('/').optional(),
  configPath: z.string().optional(),
  profile: z.enum(PROFILE_NAMES).optional(),
  backend: z.string().optional(),
  image: z.string().optional(),
  env: z.record(z.string(), noNul).default({}),
  callerEnv: z.record(z.string(), noNul).default({}),
  workdir: z.string().optional(),
  timeoutMs: z.int().min(1).optional(),
  memoryBytes: z.int().min(1).optional(),
  cpus: z.number().positive().optional(),
  network: z.boolean().optional(),
  workspace: z.enum(WORKSPACE_MODES).optional(),
})
