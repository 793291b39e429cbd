import { describe, expect, test } from 'bun:test'
import type * as z from 'zod'
import type { AttachMessage, ExecMessage } from '../exec-socket.ts'
import type { GuestEntry } from '../guest-protocol.ts'
import type { CreateRequest, ExecRequest, ExecResult, LifecycleEvent, PatchRequest, SandboxInfo, SandboxStats } from '../sandboxes.ts'
import { type AttachMessageSchema, ControlMessageSchema, ExecMessageSchema } from './exec-socket.ts'
import {
  CreateRequestSchema,
  type ExecRequestSchema,
  type ExecResultSchema,
  type FileEntrySchema,
  type LifecycleEventSchema,
  type PatchRequestSchema,
  type SandboxInfoSchema,
  type SandboxStatsSchema,
} from './sandboxes.ts'

/** Members of a type that its schema lacks: the compiler refuses this file when there is one. */
type Missing<T, S extends z.ZodType> = Exclude<keyof T, keyof z.output<S>>
const nothingIsMissing: [
  Missing<SandboxInfo, typeof SandboxInfoSchema>,
  Missing<CreateRequest, typeof CreateRequestSchema>,
  Missing<PatchRequest, typeof PatchRequestSchema>,
  Missing<ExecRequest, typeof ExecRequestSchema>,
  Missing<ExecResult, typeof ExecResultSchema>,
  Missing<GuestEntry, typeof FileEntrySchema>,
  Missing<SandboxStats, typeof SandboxStatsSchema>,
  Missing<LifecycleEvent, typeof LifecycleEventSchema>,
  Missing<ExecMessage, typeof ExecMessageSchema>,
  Missing<AttachMessage, typeof AttachMessageSchema>,
][] = []

test('every member of the contract has its place in a schema', () => {
  expect(nothingIsMissing).toEqual([])
})

describe('a request for a sandbox', () => {
  test('needs a name and nothing else', () => {
    expect(CreateRequestSchema.parse({ name: 'a' })).toEqual({ name: 'a' })
  })

  test.each([
    {},
    { name: '' },
    { name: 'a', memory_mb: 5 },
    { name: 'a', memory_mb: 1.5 },
    { name: 'a', vcpus: 0 },
    { name: 'a', vcpus: 5000 },
    { name: 'a', profile: 'custom' },
    { name: 'a', workspace: 'mount' },
    { name: 'a', dir: 'relative' },
    { name: 'a', env: ['NAME'] },
    { name: 'a', lifecycle: { auto_stop_after_seconds: -1 } },
  ])('is not %j', (request) => {
    expect(CreateRequestSchema.safeParse(request).success).toBe(false)
  })
})

describe('a message of the exec WebSocket', () => {
  test.each([
    { type: 'exec', command: [] },
    { type: 'exec', command: ['a'], tty: { cols: 0, rows: 1 } },
    { type: 'exec', command: ['a'], tty: { cols: 70_000, rows: 1 } },
    { type: 'exec', command: ['a'], tty: true },
    { type: 'run', command: ['a'] },
  ])('starts nothing: %j', (message) => {
    expect(ExecMessageSchema.safeParse(message).success).toBe(false)
  })

  test.each([{ type: 'signal', signal: 0 }, { type: 'signal', signal: 65 }, { type: 'resize', cols: 1 }, { type: 'exec' }, {}])(
    'controls nothing: %j',
    (message) => {
      expect(ControlMessageSchema.safeParse(message).success).toBe(false)
    },
  )
})
