import { EMPTY_HEAD, type AuditHead } from './audit-files.ts'
import { readFully } from './read-lines.ts'
import { sha256OfRange, scanChain } from './scan-chain.ts'
import type { Seal, SealReason } from './seal.ts'

/** Where the next record goes, and what has to be sealed before it. */
export interface WritePosition {
  readonly count: number
  readonly hash: string
  /** The log does not end with a newline. */
  readonly midLine: boolean
  readonly seal?: Omit<Seal, 'type'>
}

/**
 * Compares the log, which is `size` bytes long, with its head. The caller holds the lock. In the usual case this reads the last
 * bytes of the log; more only after a crash, a change from outside, or when the log has no head yet.
 */
export async function findWritePosition(fd: number, size: number, head: AuditHead | 'missing' | 'invalid'): Promise<WritePosition> {
  if (head === 'invalid' || head === 'missing') return withoutHead(fd, size, head)
  const midLine = size > 0 && lastByte(fd, size) !== NEWLINE
  if (!endsWithHead(fd, size, head)) {
    return { count: head.count, hash: head.hash, midLine, seal: sealOf(fd, 'rewritten', size, 0) }
  }
  if (size === head.size) return { count: head.count, hash: head.hash, midLine }
  const { hash, count, midLine: open, region } = await readRest(fd, size, head)
  if (region === undefined) return { hash, count, midLine: open }
  return { hash, count, midLine: open, seal: sealOf(fd, region.reason, region.offset, bytesOf(fd, region.offset, size)) }
}

/** A log of the earlier product, or an empty one, has no head; one with records must have it. */
async function withoutHead(fd: number, size: number, head: 'missing' | 'invalid'): Promise<WritePosition> {
  const { hash, count, midLine, region } = await readRest(fd, size, EMPTY_HEAD)
  if (head === 'missing' && count === 0 && (region === undefined || region.reason === 'legacy')) {
    if (region === undefined) return { hash, count, midLine }
    return { hash, count, midLine, seal: sealOf(fd, 'legacy', region.offset, bytesOf(fd, region.offset, size)) }
  }
  const offset = region?.offset ?? size
  return { hash, count, midLine, seal: sealOf(fd, 'head_missing', offset, bytesOf(fd, offset, size)) }
}

/** Follows the chain past the head: records that a killed writer did not get to count, then at most one region that is no chain. */
async function readRest(fd: number, size: number, head: AuditHead) {
  const { hash, count, fault, loose } = await scanChain(fd, { offset: head.size, hash: head.hash, count: head.count }, size)
  const midLine = size > 0 && lastByte(fd, size) !== NEWLINE
  const offset = loose?.offset ?? fault?.offset
  if (offset === undefined) return { hash, count, midLine, region: undefined }
  const reason: SealReason =
    fault !== undefined ? 'foreign' : count === 0 && offset === 0 ? 'legacy' : loose?.torn === true ? 'torn' : 'foreign'
  return { hash, count, midLine, region: { offset, reason } }
}

/** True when the record that the head names still stands where it stood. */
function endsWithHead(fd: number, size: number, head: AuditHead): boolean {
  if (size < head.size) return false
  if (head.count === 0) return true
  const end = Buffer.from(`"hash":"${head.hash}"}\n`)
  const found = Buffer.alloc(end.length)
  return head.size >= end.length && readFully(fd, found, head.size - end.length) === end.length && found.equals(end)
}

function sealOf(fd: number, reason: SealReason, offset: number, bytes: number): Omit<Seal, 'type'> {
  return { reason, offset, bytes, sha256: sha256OfRange(fd, offset, bytes) }
}

/** The length of a region up to the end of the log; a newline at its end is not sealed, as if the writer had added it. */
function bytesOf(fd: number, offset: number, size: number): number {
  if (offset === size) return 0
  return size - offset - (lastByte(fd, size) === NEWLINE ? 1 : 0)
}

const NEWLINE = 10

function lastByte(fd: number, size: number): number | undefined {
  const byte = Buffer.alloc(1)
  return readFully(fd, byte, size - 1) === 1 ? byte[0] : undefined
}
