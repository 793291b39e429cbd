import type { AuditRecord } from '../../contract/reports.ts'
import { ignore } from '../../lib/ignore.ts'
import { readLinesBackwards } from './read-lines.ts'
import { withSnapshot } from './snapshot.ts'

export interface ListAuditOptions {
  /** Only records whose `sandbox` or `name` is this. */
  readonly sandbox?: string
  /** Only so many, the newest. All when not given; 0 means none. */
  readonly last?: number
}

export interface AuditListing {
  /** Oldest first. `prev` and `hash` are empty in records of the earlier product. */
  readonly records: AuditRecord[]
  /** One sentence for each line that could not be read, oldest first. */
  readonly warnings: string[]
}

/**
 * The records of the log at `path`, read from its end, so that asking for the last few costs the same however long the log is. Does
 * not check the chain. A log that does not exist has no records. Errors: `audit_read_failed`.
 */
export async function listAudit(path: string, options: ListAuditOptions = {}): Promise<AuditListing> {
  const { sandbox, last = Number.POSITIVE_INFINITY } = options
  return withSnapshot(path, ({ fd, size }) => {
    const records: AuditRecord[] = []
    const warnings: string[] = []
    if (fd === undefined || last <= 0) return { records, warnings }
    for (const line of readLinesBackwards(fd, size)) {
      const record = line.overlong ? undefined : parseRecord(line.bytes.toString())
      if (record === undefined) warnings.push(`${path}: the line at byte ${line.offset} is not an audit record; it was skipped`)
      else if (sandbox === undefined || record['sandbox'] === sandbox || record['name'] === sandbox) records.push(record)
      if (records.length >= last) break
    }
    return { records: records.reverse(), warnings: warnings.reverse() }
  })
}

/** One line as a record; undefined when it is none. */
export function parseRecord(line: string): AuditRecord | undefined {
  const fields = parseObject(repairSshUser(line))
  if (fields === undefined) return undefined
  const { timestamp, pid, user, type, prev = '', hash = '' } = fields
  if (typeof timestamp !== 'string' || typeof pid !== 'number' || typeof user !== 'string' || typeof type !== 'string') return undefined
  if (typeof prev !== 'string' || typeof hash !== 'string') return undefined
  return { ...fields, timestamp, pid, user, type, prev, hash }
}

/**
 * Early versions of the earlier product wrote `ssh_connected` with `user` twice: who ran it, and who logged in. The second becomes
 * `ssh_user`. A quote inside a JSON string is escaped, so the pattern cannot match within a value.
 */
function repairSshUser(line: string): string {
  if (!line.includes('ssh_connected')) return line
  const first = line.indexOf('"user":')
  const second = line.indexOf(',"user":', first + 1)
  return first === -1 || second === -1 ? line : `${line.slice(0, second)},"ssh_user":${line.slice(second + ',"user":'.length)}`
}

function parseObject(text: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(text)
    // An object that came out of JSON has string keys, and nothing is known of its values.
    return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Record<string, unknown>) : undefined
  } catch (error) {
    ignore(error, 'not JSON: the caller says so')
    return undefined
  }
}
