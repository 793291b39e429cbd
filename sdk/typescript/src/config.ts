import { ValidationError } from './errors.ts'
import type { WebSocketFactory, WsConstructor } from './web-socket.ts'

/** How to reach the server. What is not given comes from the environment, then from the defaults. */
export interface AgentKernelOptions {
  /** Where the server is. Slashes at its end are dropped. @default AGENTKERNEL_BASE_URL, else http://localhost:18888 */
  baseUrl?: string
  /** Sent as `Authorization: Bearer KEY`. @default AGENTKERNEL_API_KEY, else none */
  apiKey?: string
  /** Limit of a request that gives one answer, in ms; 0 = none. Streams have none. @default 30000 */
  timeout?: number
  /** Used in place of the global `fetch`, for example to reach a unix socket or a proxy. */
  fetch?: FetchFunction
  /** Opens WebSockets, where the global `WebSocket` is missing (Node 20) or cannot reach the server. */
  webSocket?: WebSocketFactory
  /** The class `WebSocket` of the npm package `ws`, for Node 20. */
  ws?: WsConstructor
}

/** What this package needs of `fetch`; the global one fits. */
export type FetchFunction = (url: string, init: RequestInit) => Promise<Response>

export interface ClientConfig {
  readonly baseUrl: string
  readonly apiKey: string | undefined
  /** ms; 0 = none. */
  readonly timeout: number
  readonly fetch: FetchFunction
  readonly webSocket: WebSocketFactory | undefined
  readonly ws: WsConstructor | undefined
}

const DEFAULT_BASE_URL = 'http://localhost:18888'
const DEFAULT_TIMEOUT_MS = 30_000
/** The longest time that timers of every runtime can wait; more would end at once. */
const MAX_TIMEOUT_MS = 2 ** 31 - 1

/** Options as given, then the environment, then the defaults. Errors: `invalid_argument`. */
export function resolveConfig(options: AgentKernelOptions, env: (name: string) => string | undefined = fromEnvironment): ClientConfig {
  const baseUrl = (options.baseUrl || env('AGENTKERNEL_BASE_URL') || DEFAULT_BASE_URL).replace(/\/+$/, '')
  if (!/^https?:\/\/[^/?#]/i.test(baseUrl)) {
    throw new ValidationError(`baseUrl must begin with http:// or https://, not ${JSON.stringify(baseUrl)}`)
  }
  // `fetch` refuses them too, with a message that repeats the password.
  if (/^https?:\/\/[^/?#]*@/i.test(baseUrl)) throw new ValidationError('baseUrl must not hold a user name or password; use apiKey')
  const apiKey = options.apiKey || env('AGENTKERNEL_API_KEY') || undefined
  if (apiKey !== undefined && !/^[\x21-\x7e]+$/.test(apiKey)) {
    throw new ValidationError('the API key holds a space, a line end or another character that no header may have')
  }
  return {
    baseUrl,
    apiKey,
    timeout: checkTimeout(options.timeout ?? DEFAULT_TIMEOUT_MS),
    // Called as a function of its own: the global one must not be called with our object as `this`.
    fetch: options.fetch ?? ((url, init) => fetch(url, init)),
    webSocket: options.webSocket,
    ws: options.ws,
  }
}

/** Errors: `invalid_argument` for what is no time in ms; Infinity means none, as 0 does. */
export function checkTimeout(timeout: number): number {
  if (timeout === Infinity) return 0
  if (typeof timeout !== 'number' || !(timeout >= 0)) throw new ValidationError(`timeout must be a number of ms, not ${String(timeout)}`)
  return Math.min(timeout, MAX_TIMEOUT_MS)
}

/** Runtimes without a `process`, and Deno without the permission to read the environment, have no variables. */
function fromEnvironment(name: string): string | undefined {
  const { process } = globalThis as { process?: { env?: Record<string, string | undefined> } }
  try {
    return process?.env?.[name]
  } catch (error) {
    if (error instanceof Error && /NotCapable|PermissionDenied/.test(error.name)) return undefined
    throw error
  }
}
