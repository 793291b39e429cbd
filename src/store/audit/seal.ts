import type { EventName } from '../../contract/events.ts'

/**
 * Why a writer sealed a part of the log. A seal is a record of type `log_sealed` which pins bytes that are no records of the chain.
 * - `torn`: a line that a crash cut off. Harmless.
 * - `legacy`: what the earlier product, which did not hash, had written. Harmless.
 * - `foreign`: whole lines that no writer of this log made.
 * - `rewritten`: the log no longer held the record that the head names; the chain goes on from the head.
 * - `head_missing`: there were records, but no readable head; what was cut off, if anything, is unknown.
 */
export type SealReason = 'torn' | 'legacy' | 'foreign' | 'rewritten' | 'head_missing'

const ACCUSATIONS: Readonly<Record<SealReason, string | undefined>> = {
  torn: undefined,
  legacy: undefined,
  foreign: 'the line was not written by this log',
  rewritten: 'the end of the log had been cut off or changed before this record was written',
  head_missing: 'the head file was missing or unreadable when this record was written, so records before it may be gone',
}

/** The fields of a seal. The sealed bytes end at the newline before the seal's own line. */
export interface Seal {
  readonly type: EventName & 'log_sealed'
  readonly reason: SealReason
  /** First byte that is sealed. */
  readonly offset: number
  /** How many bytes are sealed, the last newline not counted; may be 0. */
  readonly bytes: number
  /** Hex SHA-256 of those bytes. */
  readonly sha256: string
}

const MARK = Buffer.from('"type":"log_sealed"')

/** The seal in a line of the chain, or undefined when the line is an ordinary record. */
export function readSeal(line: Buffer): Seal | undefined {
  if (!line.includes(MARK)) return undefined
  // The line's hash was checked: it is a record that this code wrote, so its `log_sealed` has these fields.
  const fields = JSON.parse(line.toString()) as Seal
  return fields.type === 'log_sealed' ? fields : undefined
}

/** What a seal says against the log, as a sentence; undefined for the harmless ones. A reason of a later version counts as harm. */
export function accusationOf(seal: Seal): string | undefined {
  return seal.reason in ACCUSATIONS
    ? ACCUSATIONS[seal.reason]
    : `it was sealed for a reason unknown to this version: ${String(seal.reason)}`
}
