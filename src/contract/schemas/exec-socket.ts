import * as z from 'zod'
import type { AttachMessage, ControlMessage, ExecMessage } from '../exec-socket.ts'
import { commandNetwork } from './sandboxes.ts'
import { command, environment, noNul, timeoutMs } from './text.ts'

const side = z.int().min(1).max(65_535)
const offset = z.int().min(0)

/** Messages of a client of the exec WebSocket; `../exec-socket.ts` says what they mean. */
export const ExecMessageSchema = z.object({
  type: z.literal('exec'),
  command,
  env: environment.exactOptional(),
  workdir: noNul.exactOptional(),
  tty: z.object({ cols: side, rows: side }).exactOptional(),
  stdin: z.boolean().exactOptional(),
  sudo: z.boolean().exactOptional(),
  timeout_ms: timeoutMs.exactOptional(),
  ...commandNetwork,
}) satisfies z.ZodType<ExecMessage>

export const AttachMessageSchema = z.object({
  type: z.literal('attach'),
  stdout: offset.exactOptional(),
  stderr: offset.exactOptional(),
  stdin: z.boolean().exactOptional(),
}) satisfies z.ZodType<AttachMessage>

export const ControlMessageSchema = z.discriminatedUnion('type', [
  z.object({ type: z.literal('resize'), cols: side, rows: side }),
  z.object({ type: z.literal('signal'), signal: z.int().min(1).max(64) }),
  z.object({ type: z.literal('stdin_eof') }),
]) satisfies z.ZodType<ControlMessage>
