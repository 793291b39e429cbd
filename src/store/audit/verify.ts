import type { AuditVerification } from '../../contract/reports.ts'
import type { AuditHead } from './audit-files.ts'
import { GENESIS } from './record-chain.ts'
import { scanChain, type ScanResult } from './scan-chain.ts'
import { withSnapshot } from './snapshot.ts'

/**
 * Checks the whole log against its own chain and against its head, with flat memory, while others may go on writing. Names the
 * first record that is wrong. A log that does not exist and never had a record is in order.
 *
 * `records` counts the records of the chain up to the fault. Lines of the earlier product, which have no hash, are accepted at the
 * beginning; the first append after them pins them as they are. Errors: `audit_read_failed`.
 */
export async function verifyAudit(path: string): Promise<AuditVerification> {
  return withSnapshot(path, async ({ fd, size, head }) => {
    const scan: ScanResult = fd === undefined ? { hash: GENESIS, count: 0 } : await scanAll(fd, size, head)
    const broken = findFault(scan, head)
    return { ok: broken === undefined, path, records: scan.count, ...(broken !== undefined && { broken }) }
  })
}

function scanAll(fd: number, size: number, head: AuditHead | 'missing' | 'invalid'): Promise<ScanResult> {
  const isHead = (hash: string, count: number) =>
    typeof head === 'object' && count === head.count && hash !== head.hash ? 'the head names another hash for this record' : undefined
  return scanChain(fd, { offset: 0, hash: GENESIS, count: 0 }, size, isHead)
}

function findFault(scan: ScanResult, head: AuditHead | 'missing' | 'invalid'): AuditVerification['broken'] {
  const fault = scan.accusation ?? scan.fault ?? looseFault(scan)
  if (fault !== undefined) return { line: fault.line, reason: fault.reason }
  if (head === 'invalid') return { line: 0, reason: 'the head file is not readable as one' }
  if (head === 'missing')
    return scan.count === 0 ? undefined : { line: 0, reason: 'the head file is missing, so a cut-off end would not show' }
  if (scan.count >= head.count) return undefined
  return { line: 0, reason: `the end is missing: the head counts ${head.count} records, the log has ${scan.count}` }
}

/** Loose bytes at the end are in order when the next append will seal them as harmless. */
function looseFault({ loose, count }: ScanResult): ScanResult['fault'] {
  if (loose === undefined || loose.torn) return undefined
  return count === 0 && loose.offset === 0 ? undefined : loose
}
