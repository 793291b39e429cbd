import type { Operations } from '../contract/operations.ts'
import type { ProxyHookOperations } from '../contract/proxy-hooks.ts'
import type { SandboxOperations } from '../contract/sandbox-operations.ts'
import type { WebhookReports } from '../contract/webhooks.ts'
import type { Metrics } from '../lib/metrics.ts'
import type { ApiKeys } from './auth.ts'

/** What the HTTP door is handed. */
export interface HttpDeps {
  readonly operations: Pick<
    Operations,
    | 'doctor'
    | 'agents'
    | 'auditList'
    | 'auditVerify'
    | 'secretList'
    | 'secretSet'
    | 'secretDelete'
    | 'llmUsage'
    | 'llmKeys'
    | 'llmKeySet'
    | 'llmKeyRemove'
  >
  readonly sandboxes: SandboxOperations
  readonly webhooks: WebhookReports
  readonly proxyHooks: ProxyHookOperations
  /** The keys of TCP listeners; `/status` says whether there are any. */
  readonly keys: ApiKeys
  readonly version: string
  /** The backend that is used when none is named; undefined when none works here. */
  readonly backend: () => Promise<string | undefined>
  /** Most sandboxes there may be; 0 = unlimited. */
  readonly sandboxLimit: number
  /** `[api].allow_sudo_exec`. */
  readonly allowSudoExec: boolean
  readonly now: () => Date
  readonly log: HttpLog
  readonly metrics: Metrics
  readonly limits?: Partial<HttpLimits>
}

/** One line of the log, with fields. Never holds a key, a body, or an address with its query. */
export type HttpLog = (
  level: 'debug' | 'info' | 'warning' | 'error',
  message: string,
  fields: Readonly<Record<string, string | number | undefined>>,
) => void

export interface HttpLimits {
  /** Largest JSON body, in bytes. */
  readonly jsonBytes: number
  /** Within this a JSON body must have arrived, in ms. */
  readonly jsonMs: number
  /** Longest pause within an upload, in ms. */
  readonly uploadStallMs: number
  /** Longest pause of a client that reads an answer, in seconds; at most 255. */
  readonly readStallSeconds: number
  /** Requests at once; more are answered 429. */
  readonly inFlight: number
  /** Pause after which a stream of events says that it is alive, in ms. */
  readonly heartbeatMs: number
  /** Commands of one batch at once. */
  readonly batchAtOnce: number
  /** Within this a WebSocket's first message must have come, in ms. */
  readonly socketFirstMessageMs: number
}

export const DEFAULT_LIMITS: HttpLimits = {
  jsonBytes: 16 * 1024 ** 2,
  jsonMs: 30_000,
  uploadStallMs: 60_000,
  readStallSeconds: 120,
  inFlight: 2048,
  heartbeatMs: 15_000,
  batchAtOnce: 4,
  socketFirstMessageMs: 10_000,
}
