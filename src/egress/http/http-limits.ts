/** How long things may take that programs and servers do over HTTP. */
export interface HttpLimits {
  /** How long a program's connection may wait for its next request, in ms. @default 600,000 */
  readonly idleMs: number
  /** How long the head of a request may take, from its first byte, in ms. @default 30,000 */
  readonly headMs: number
  /** How long a server may take to begin its answer, in ms: models think for minutes. @default 900,000 */
  readonly responseMs: number
}

export const HTTP_LIMITS: HttpLimits = { idleMs: 600_000, headMs: 30_000, responseMs: 900_000 }
