import type { NetworkEvent } from '../contract/network.ts'
import type { CompiledPolicy } from '../policy/network/types.ts'

/**
 * The words of the gateway. A `Flow` is what a program in a sandbox opened; `Target` is where it goes; `HostNetwork` is the only
 * way out of this process. `gateway.ts` takes each flow through decide → dial → pass; `http/` opens those that it must look into.
 */

/** What a program in the sandbox asks for, as its agent says. Hostile. */
export interface FlowRequest {
  readonly op: 'tcp' | 'udp'
  /** A literal address; with `via: 'proxy'` it may be a name. */
  readonly dst: string
  readonly port: number
  readonly via?: 'tun' | 'proxy'
  /** The command with rules of its own that it belongs to. Set by the host's side, never by the sandbox. */
  readonly tag?: string
}

/** How a program learns that it cannot: reset, unreachable, or a time limit. */
export type FlowRefusal = 'refused' | 'denied' | 'unreachable' | 'timed_out'

/** A connection of a program in the sandbox, or with `udp` its datagrams to one address: then each chunk is a datagram. */
export interface Flow {
  readonly request: FlowRequest
  /** The program's `connect` succeeds. Once, before any other method but `refuse`. */
  accept(): void
  /** The program's `connect` fails, or after `accept` the connection is reset. Safe to repeat. */
  refuse(why: FlowRefusal, message: string): void
  /**
   * What the program sends, in order; the end means that it sends no more. For one reader at a time. Throws when the flow is gone.
   * Taking a chunk gives its sender room for the next.
   */
  read(): Promise<Uint8Array | undefined>
  /** Puts bytes back that were read, to be read first. */
  unread(bytes: Uint8Array): void
  /** Resolves when more may be written: false when the flow is gone. Never rejects. */
  write(bytes: Uint8Array): Promise<boolean>
  /** No more is written; what the program sends is still read. */
  end(): void
  /** Settles when both directions have ended or the flow is gone. Never rejects. */
  readonly closed: Promise<void>
}

/** Where a flow goes, once that is decided. */
export interface Target {
  /** Name in lower case without trailing dot, or literal address. */
  readonly host: string
  readonly port: number
  readonly tag?: string
}

/** A decision, with what a person or a model needs to understand it. */
export type Verdict =
  | { readonly allowed: true; readonly rule: string }
  | { readonly allowed: false; readonly reason: string; readonly hint?: string; readonly rule?: string }

/** A connection to the outside. */
export interface Upstream {
  /** The literal that was checked and dialled. */
  readonly address: string
  /** As in `Flow`. */
  read(): Promise<Uint8Array | undefined>
  write(bytes: Uint8Array): Promise<boolean>
  end(): void
  destroy(): void
  readonly closed: Promise<void>
}

/** Why something outside could not be reached. Codes: `not_found` (no such name), `denied` (its addresses), `refused`, `unreachable`, `timed_out`. */
export class DialError extends Error {
  readonly code: 'not_found' | 'denied' | 'refused' | 'unreachable' | 'timed_out'
  constructor(code: DialError['code'], message: string) {
    super(message)
    this.code = code
  }
}

/** The host's network. The only place that looks up names and dials; it dials literals that `check` allowed, and nothing else. */
export interface HostNetwork {
  /** Addresses of a name, those that may be dialled first; an empty list never. Throws DialError `not_found`. */
  resolve(name: string, signal?: AbortSignal): Promise<readonly string[]>
  /** Throws DialError. `address` is a literal. */
  dialTcp(address: string, port: number, signal?: AbortSignal): Promise<Upstream>
  dialUdp(address: string, port: number): Promise<Upstream>
  /** Other records of a name, as the host's own name servers tell them; empty: none of this type. Throws DialError `not_found`. */
  records?(name: string, type: RecordType, signal?: AbortSignal): Promise<readonly NameRecord[]>
}

/** Types of records that the gateway passes on, besides addresses. */
export const RECORD_TYPES = ['CNAME', 'MX', 'TXT', 'SRV', 'NS', 'SOA', 'CAA'] as const
export type RecordType = (typeof RECORD_TYPES)[number]

/** What follows the head of a record: numbers of 8, 16 or 32 bits, names, and strings of at most 255 bytes with their length before them. */
export type RecordField =
  | { readonly u8: number }
  | { readonly u16: number }
  | { readonly u32: number }
  | { readonly name: string }
  | { readonly text: Uint8Array }
  | { readonly rest: Uint8Array }
export interface NameRecord {
  readonly fields: readonly RecordField[]
}

/** What takes note of decisions. Never throws, never waits. */
export type Record = (event: Omit<NetworkEvent, 'time' | 'sandbox'>) => void

/** The head of a request, as the gateway understood and will send it. Names as written, order kept. */
export interface RequestHead {
  readonly method: string
  /** Origin form: path and query. */
  readonly target: string
  readonly headers: readonly (readonly [name: string, value: string])[]
}
export interface ResponseHead {
  readonly status: number
  readonly headers: readonly (readonly [name: string, value: string])[]
}

/** Changes bytes on their way; may keep some back until more come. */
export interface BodyFilter {
  push(chunk: Uint8Array): Uint8Array
  end(): Uint8Array
  /** True when lengths may differ: then the message is sent with another framing. */
  readonly changesLength: boolean
  /** Set once something was found that must not pass: why. Nothing more comes out then, and the exchange is to be broken off. */
  readonly blocked?: string | undefined
}

/** Puts secrets in, takes echoes of them out. One for each sandbox. */
export interface Injector {
  /** Patterns of hosts whose TLS must be opened. */
  opens(host: string, port: number): boolean
  /** Decides on one request. `blocked`: a placeholder is on its way to where it must not go. */
  request(
    target: Target & { readonly scheme: 'http' | 'https' },
    head: RequestHead,
  ):
    | { readonly kind: 'pass'; readonly head: RequestHead; readonly body?: BodyFilter; readonly secrets: readonly string[] }
    | { readonly kind: 'blocked'; readonly reason: string; readonly secrets: readonly string[] }
  /** Hides values that the other side sends back. Undefined: nothing to hide for this host. */
  response(target: Target, head: ResponseHead): { readonly head: ResponseHead; readonly body?: BodyFilter } | undefined
  /** Looks for placeholders in bytes that leave unopened, as they are. True: one is in it. */
  leaks(bytes: Uint8Array): boolean
}

/** Watches one exchange with a language model. Never changes it. */
export interface MeterTap {
  requestBody(chunk: Uint8Array): void
  response(head: ResponseHead): void
  /** As it came from the other side, content encoding included. */
  responseBody(chunk: Uint8Array): void
  /** Once, whatever happened. */
  end(): void
}
export interface Meter {
  opens(host: string): boolean
  /** Undefined: this is no request to a model. `refused`: a budget is used up; the reason is for a model to read. */
  begin(
    target: Target,
    head: RequestHead,
    secrets: readonly string[],
  ): { readonly kind: 'tap'; readonly tap: MeterTap } | { readonly kind: 'refused'; readonly reason: string } | undefined
}

/** What the gateway lends to the engine that opens HTTP. */
export interface HttpDoors {
  /** The rules that hold now; undefined: the tag is unknown, and everything is denied. */
  policy(tag?: string): CompiledPolicy | undefined
  /**
   * Decides again, looks the name up, checks its addresses and dials the first that answers. Throws DialError. For the very `target` that
   * `serve` was given, the first call may hand over the connection that the gateway made before it saw that this is HTTP.
   */
  dial(target: Target, signal?: AbortSignal): Promise<Upstream>
  readonly record: Record
}

/** Looks into HTTP, and into TLS with a leaf of the sandbox's own authority. One for each sandbox. */
export interface HttpEngine {
  /**
   * Takes over a flow that was accepted. `first`: what was read of it so far, never empty and never to be read again. `target.host` is
   * the name or literal that the gateway decided on; an SNI that differs from it was refused before. With a verdict that does not allow,
   * the engine answers a readable 403 and dials nobody, and the gateway has recorded the denial. Everything else the engine records.
   * Resolves when the flow is done with; never rejects.
   */
  serve(flow: Flow, first: Uint8Array, target: Target, scheme: 'http' | 'tls', verdict: Verdict): Promise<void>
  /** Ends what it keeps open between flows. Safe to repeat. */
  close?(): void
}
