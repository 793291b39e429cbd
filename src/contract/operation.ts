import type * as z from 'zod'
import type { EventName } from './events.ts'

/**
 * What every door needs to know of an operation. Doors that speak JSON (HTTP, MCP, the SDKs), `spec/openapi.json` and the reference
 * page `docs/operations.md` are derived from the table; CLI commands are written by hand.
 */
export interface Operation {
  readonly summary: string
  /** What arrives at a door that speaks JSON: over HTTP the members of path, query and body together. */
  readonly input: z.ZodType
  /** `data` of the answer, or each event of a stream; undefined = not reachable over HTTP, or bytes. */
  readonly output?: z.ZodType
  /** HTTP binding; undefined = not reachable over HTTP. */
  readonly http?: HttpBinding
  /** MCP tool name; undefined = not a tool. */
  readonly mcp?: string
  /** Action that policy decides on; undefined = reading that needs no decision. */
  readonly action?: PolicyAction
  /** Event written to the audit log when it is done. */
  readonly event?: EventName
}
export type PolicyAction = 'Run' | 'Create' | 'Exec' | 'Attach' | 'Mount'

export interface HttpBinding {
  readonly method: HttpMethod
  /** `/sandboxes/{name}/files/{path}`: a last parameter called `path` takes the rest of the address, slashes included. */
  readonly path: string
  /** Status of success. @default 200 */
  readonly status?: 201
  /** Form of the answer. @default 'json' */
  readonly reply?: ReplyForm
  /** The body is raw bytes, not JSON. */
  readonly bytesIn?: true
  /** Reachable without a key although keys are set. */
  readonly open?: true
}
export type HttpMethod = 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE'
/** `json`: the envelope. `document`: JSON without it. `socket`: becomes a WebSocket. */
export type ReplyForm = 'json' | 'document' | 'events' | 'bytes' | 'tar' | 'text' | 'html' | 'socket'
