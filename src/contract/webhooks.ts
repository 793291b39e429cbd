/** What the sender of webhooks tells of itself. */
export interface WebhookReports {
  list(): readonly WebhookStatus[]
  /** Deliveries that were given up, newest first, at most `last`. */
  deadLetters(last: number): readonly UndeliveredEvent[]
}
export interface WebhookStatus {
  /** Without credentials. */
  readonly url: string
  /** Names of the events it gets; absent = all. */
  readonly events?: readonly string[]
  /** True when deliveries carry an HMAC. */
  readonly signed: boolean
  readonly delivered: number
  readonly failed: number
  readonly pending: number
  readonly last_error?: string
}
export interface UndeliveredEvent {
  readonly id: number
  readonly url: string
  /** What was to be sent. */
  readonly event: unknown
  readonly attempts: number
  readonly error: string
  readonly failed_at: string
}
