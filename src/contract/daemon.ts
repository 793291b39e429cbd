/** The daemon as its user sees it. */
export interface DaemonStatus {
  readonly running: boolean
  readonly pid?: number
  readonly version?: string
  readonly started_at?: string
  /** Address of the TCP listener, with `serve`. */
  readonly url?: string
  /** True when it stays until it is told to go. */
  readonly stays?: boolean
  /** Where it writes what happens. */
  readonly log: string
  readonly socket?: string
  readonly sandboxes?: { readonly running: number; readonly total: number }
}

/** What `serve` is asked for, as the command line gives it. */
export interface ServeRequest {
  readonly host?: string
  /** @default 18888 */
  readonly port?: number
  readonly apiKeys: readonly string[]
  readonly apiKeyFile?: string
  readonly tls: boolean
  readonly tlsCert?: string
  readonly tlsKey?: string
  readonly requireTls: boolean
  readonly webhookUrls: readonly string[]
  /** A config file the user named. */
  readonly configPath?: string
  readonly cwd: string | undefined
}

/** The daemon's own life. Errors: `daemon_unreachable`. */
export interface DaemonOperations {
  /** Starts a daemon that stays, or makes the one that runs stay. */
  start(): Promise<DaemonStatus>
  /** Ends it; sandboxes go on. Resolves with false when none ran. */
  stop(): Promise<boolean>
  status(): Promise<DaemonStatus>
  /**
   * Is the daemon, in this process, with a TCP listener, until a signal. `onReady` gets the address and sentences about it.
   * Errors: `address_in_use`, `invalid_argument`, `api_key_required` (a host that is not loopback needs keys).
   */
  serve(request: ServeRequest, onReady: (url: string, notices: readonly string[]) => void): Promise<void>
}
