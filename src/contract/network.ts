/**
 * What a sandbox may reach, as written rules. Nothing is implied: what a profile allows is expanded to the rule `public`, and an empty
 * list is nothing. `docs/network.md` is the reference of the grammar; `src/policy/network` compiles it.
 *
 *     public                            every public address, by any name, on every TCP port; UDP except QUIC
 *     example.com  *.example.com        a name; with `*.` the name and everything below it; TCP ports 80 and 443
 *     example.com:5432  :8000-8100  :*  with ports, comma-separated; `*` = every port
 *     udp:example.com:123               the same for UDP
 *     10.0.0.0/8:5432  [fd00::]/8:53    literal addresses, and what a named host may resolve to beyond public addresses
 *     host.agentkernel.internal:8080    a port of this machine's own loopback
 *     GET,HEAD https://api.x.com/v1/*   requests by method and path; the gateway opens the TLS of that host
 *     preset:python                     the hosts of an ecosystem
 */
export interface NetworkRules {
  /** Canonical text of each rule, in the order given, each once. */
  readonly allow: readonly string[]
  /** Block wins over allow. */
  readonly block: readonly string[]
}
export const NO_NETWORK: NetworkRules = { allow: [], block: [] }
export const PUBLIC_RULE = 'public'

/** The name that stands for this machine's own loopback inside a sandbox; reachable only where a rule names it. */
export const HOST_NAME_INSIDE = 'host.agentkernel.internal'

/** What a user can say to `--network`: `learn` allows every public host and prints the rules that would have been enough. */
export const NETWORK_MODES = ['none', 'listed', 'public', 'learn'] as const
export type NetworkMode = (typeof NETWORK_MODES)[number]

/**
 * The addresses inside every sandbox. The range is reserved for benchmarks (RFC 2544), so that it is nobody's.
 * 198.18.0.1 is the gateway and answers DNS, 198.18.0.2 the sandbox; names get addresses from 198.18.1.0 on.
 */
export const GATEWAY_ADDRESS = '198.18.0.1'
export const SANDBOX_ADDRESS = '198.18.0.2'
export const SYNTHETIC_FIRST = '198.18.1.0'
export const SYNTHETIC_LAST = '198.19.255.254'
export const SANDBOX_ADDRESS_6 = 'fd61:6b00::2'
export const GATEWAY_ADDRESS_6 = 'fd61:6b00::1'
export const TUN_MTU = 65_535

/** One thing the gateway decided: a line of `--network-log`, of learn mode and of `network simulate`. Only what is known is present. */
export interface NetworkEvent {
  /** RFC 3339, UTC. */
  readonly time: string
  readonly sandbox: string
  /** The command, where it has rules of its own. */
  readonly exec?: string
  readonly kind: 'dns' | 'tcp' | 'udp' | 'http'
  /** The name asked for, lower case, without a trailing dot. */
  readonly host?: string
  /** The literal that was asked for or dialled. */
  readonly address?: string
  readonly port?: number
  readonly method?: string
  /** Without query: it may hold secrets. */
  readonly path?: string
  readonly verdict: 'allowed' | 'denied' | 'failed'
  /** The rule that decided, as written. */
  readonly rule?: string
  /** One sentence without secrets; with `denied` and `failed`. */
  readonly reason?: string
  /** The argument that would allow it, e.g. `--allow example.com`. Absent where nothing should. */
  readonly hint?: string
  readonly status?: number
  readonly bytes_out?: number
  readonly bytes_in?: number
  readonly duration_ms?: number
  /** Names of the secrets that were put in, never values. */
  readonly secrets?: readonly string[]
  /** True: the gateway saw the request itself; false: it saw a name only. */
  readonly opened?: boolean
}

/** Denials of a sandbox, summed up: `run` prints them at its end. */
export interface DenialSummary {
  /** Host or address, with port where it matters. */
  readonly target: string
  readonly count: number
  readonly reason: string
  readonly hint?: string
}

/** A port of the sandbox that the host listens for. */
export interface PublishedPort {
  /** Address of the host. @default 127.0.0.1 */
  readonly hostAddress: string
  /** 0 = chosen by the host. */
  readonly hostPort: number
  readonly sandboxPort: number
  readonly protocol: 'tcp' | 'udp'
}

export const HOOK_EVENTS = ['on_request', 'on_response'] as const
export const HOOK_TARGETS = ['webhook', 'file', 'audit'] as const

/** A program or file that is told of requests that the gateway opened. */
export interface ProxyHook {
  readonly name: string
  readonly event: (typeof HOOK_EVENTS)[number]
  readonly target:
    | { readonly type: 'webhook'; readonly url: string }
    | { readonly type: 'file'; readonly path: string }
    | { readonly type: 'audit' }
}
