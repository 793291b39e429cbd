import { type AgentKernelOptions, resolveConfig } from '../config.ts'
import { type RequestOptions, Transport } from '../transport.ts'
import type { Query } from '../url.ts'

/** A request to a route that has no method here. */
export interface CustomRequest extends RequestOptions {
  query?: Query
  /** Sent as JSON. */
  body?: unknown
}

/**
 * The root of the client. Its methods are many and flat, as users know them; each file of this folder adds those of one subject to
 * the class before it, and `client.ts` ends the chain.
 */
export abstract class ClientBase {
  /** @internal */
  protected readonly api: Transport

  /** Errors: `invalid_argument` for a baseUrl, key or timeout that cannot be. */
  constructor(options: AgentKernelOptions = {}) {
    this.api = new Transport(resolveConfig(options))
  }

  /** Any route: resolves with the `data` of the answer, or with all of it where it has no envelope. `path` begins with a slash. */
  async request<T = unknown>(method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE', path: string, request: CustomRequest = {}): Promise<T> {
    const { query, body, ...options } = request
    return this.api.json<T>(method, path, { ...(query && { query }), body, options })
  }
}
