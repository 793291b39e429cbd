import type { ClientConfig } from './config.ts'
import { ValidationError } from './errors.ts'
import { SOCKET_KEY_PROTOCOL, SOCKET_PROTOCOL } from './exec-socket.ts'

/** What this package needs of a WebSocket. The global class, that of `ws` and Bun's fit. */
export interface WebSocketLike {
  binaryType: string
  onopen: ((event: never) => void) | null
  onmessage: ((event: never) => void) | null
  onerror: ((event: never) => void) | null
  onclose: ((event: never) => void) | null
  send(data: string | Uint8Array): void
  close(code?: number, reason?: string): void
  /** Stops reading, so that a slow reader holds the sender up. Without it what is not read gathers in memory, up to a limit. */
  pause?(): void
  resume?(): void
}

export interface WebSocketInit {
  /** To be sent with the request that opens the WebSocket. */
  headers: Record<string, string>
  /** To be offered, where `headers` can be sent. */
  protocols: string[]
  /** To be offered instead by an implementation that cannot send headers: the key is one of them. */
  protocolsWithKey: string[]
}

/** Opens a WebSocket, for example `(url, { headers, protocols }) => new WebSocket(url, { headers, protocols })`. */
export type WebSocketFactory = (url: string, init: WebSocketInit) => WebSocketLike

/** The class of the npm package `ws`. */
export type WsConstructor = new (url: string, protocols: string[], options: { headers: Record<string, string> }) => WebSocketLike

/** Opens a WebSocket to a path of the server. Errors: `usage` where the runtime has none. */
export function openWebSocket(config: ClientConfig, path: string, headers: Record<string, string>): WebSocketLike {
  const url = config.baseUrl.replace(/^http/i, 'ws') + path
  const protocols = [SOCKET_PROTOCOL]
  const protocolsWithKey = config.apiKey === undefined ? protocols : [...protocols, SOCKET_KEY_PROTOCOL + base64Url(config.apiKey)]
  if (config.webSocket !== undefined) return config.webSocket(url, { headers, protocols, protocolsWithKey })
  if (config.ws !== undefined) return new config.ws(url, protocols, { headers })
  const { Bun, WebSocket } = globalThis as { Bun?: unknown; WebSocket?: GlobalWebSocket }
  if (WebSocket === undefined) {
    throw new ValidationError('this runtime has no WebSocket', {
      code: 'usage',
      fix: 'Use Node 22 or newer, Bun or Deno, or pass the class of the npm package `ws` as the option `ws`.',
    })
  }
  return Bun === undefined ? new WebSocket(url, protocolsWithKey) : new WebSocket(url, { headers, protocols })
}

/** As far as it is the same everywhere; the object is Bun's own. */
type GlobalWebSocket = new (url: string, options: string[] | { headers: Record<string, string>; protocols: string[] }) => WebSocketLike

function base64Url(text: string): string {
  const bytes = new TextEncoder().encode(text)
  return btoa(String.fromCharCode(...bytes))
    .replaceAll('+', '-')
    .replaceAll('/', '_')
    .replaceAll('=', '')
}
