/** What `doctor` found, grouped. */
export interface DoctorReport {
  /** The backend that `run` would use here; undefined when none works. */
  readonly selected: string | undefined
  readonly sections: readonly DoctorSection[]
}
export interface DoctorSection {
  /** `Backend namespace`, `Configuration`, `Files`. */
  readonly title: string
  readonly findings: readonly DoctorFinding[]
}
export interface DoctorFinding {
  readonly check: string
  readonly status: 'ok' | 'warning' | 'error' | 'info'
  readonly detail: string
  readonly fix?: string
}

/** One coding agent as found on this machine. */
export interface AgentStatus {
  /** Key such as `claude`. */
  readonly name: string
  /** `Claude Code`. */
  readonly title: string
  readonly installed: boolean
  readonly version?: string
  /** True when one of its key variables is set. */
  readonly keySet: boolean
  readonly keyVariables: readonly string[]
  readonly installHint: string
}

/** One line of the audit log, as stored: fixed fields, then those of the event, then the chain. */
export interface AuditRecord {
  /** RFC 3339, UTC. */
  readonly timestamp: string
  readonly pid: number
  readonly user: string
  readonly type: string
  /** Hex SHA-256 of the record before (64 zeros for the first). */
  readonly prev: string
  /** Hex SHA-256 over `prev` and this record without `hash`. */
  readonly hash: string
  readonly [field: string]: unknown
}
/** Records, oldest first, and a sentence for each line that could not be read. */
export interface AuditListing {
  readonly records: readonly AuditRecord[]
  readonly warnings: readonly string[]
}
export interface AuditVerification {
  readonly ok: boolean
  readonly path: string
  readonly records: number
  /** The first thing that is wrong: 1-based line (0 = the file as a whole) and a sentence. */
  readonly broken?: { readonly line: number; readonly reason: string }
}

export interface TrustEntry {
  readonly path: string
  readonly sha256: string
  /** RFC 3339, UTC. */
  readonly trustedAt: string
  /** False when the file has changed or is gone since. */
  readonly current: boolean
}
