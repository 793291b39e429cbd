import type { RequestHead, ResponseHead } from '../types.ts'
import type { Headers } from './head.ts'

/** The content of a message, without the framing it came in. */
export interface Body {
  /** Undefined: only its end tells. */
  readonly bytes: number | undefined
  /** Reads no further than its reader asks. Throws when it is cut off. To be iterated once. */
  readonly content: AsyncIterable<Uint8Array>
  /** All of it, where it is in memory. */
  readonly whole?: Uint8Array
  /** What followed the content; to be asked when that has ended. Absent: nothing that is passed on. */
  readonly trailers?: () => Headers
}

/** A request as a program sent it, whatever the version of HTTP. Its headers are about the message, not about the connection. */
export interface Incoming {
  /** Target in origin form, checked to be for the connection it came on. */
  readonly head: RequestHead
  readonly body: Body | undefined
  /** The protocol that the program wants to go on with, as written. */
  readonly upgrade?: string
  /** The program takes what follows the content of an answer. */
  readonly wantsTrailers?: boolean
}

/** Where answers go. */
export interface Asker {
  /** Sends a whole answer. False: the program is gone. Never rejects unless the body does: then the program has seen that it is cut off. */
  answer(head: ResponseHead, body: Body | undefined): Promise<boolean>
  /** From now on the connection belongs to another protocol: sends the head, then passes bytes both ways. HTTP/1.1 only. */
  upgrade?(head: ResponseHead, other: Raw): Promise<void>
  /** Called at most once, when the program is gone before its answer was sent. */
  onGone: (() => void) | undefined
}

/** The other side of an upgraded connection. */
export interface Raw {
  read(): Promise<Uint8Array | undefined>
  write(bytes: Uint8Array): Promise<boolean>
  end(): void
  destroy(): void
}

/** What a server answered. */
export interface Answer {
  readonly head: ResponseHead
  readonly body: Body | undefined
  /** With status 101. */
  readonly raw?: Raw
  /** The exchange is over; `isWhole`: the answer was read to its end, and what it came on can be used again. Safe to repeat. */
  done(isWhole: boolean): void
}

/** True where sending a request twice is as good as once (RFC 9110, 9.2.2). */
export const isIdempotent = (method: string): boolean => ['GET', 'HEAD', 'OPTIONS', 'PUT', 'DELETE'].includes(method)
