import { ignore } from '../../lib/ignore.ts'

/** A line that the helper, a shim or process 1 sends back; `guest/internal/status`. */
export interface StatusLine {
  readonly error?: 'launch' | 'workdir' | 'lookup' | 'exec' | 'keep'
  readonly step?: string
  readonly errno?: number
  readonly detail?: string
  readonly ended?: 'exited' | 'signaled'
  readonly code?: number
  readonly max_rss?: number
  readonly stopped?: boolean
  readonly started?: boolean
  readonly copied?: boolean
  readonly ungrouped?: boolean
  /** There is no network device; process 1 offers a proxy. */
  readonly network?: 'proxy'
  /** Of a shim: its sandbox answers. */
  readonly ready?: boolean
}

/** Most bytes of status that a run can produce; more is a bug or an attack and is not read. */
const LIMIT = 64 * 1024

/** Reads status lines. Process 1 writes them, beyond the workload's reach; still, a line that is no object is dropped. */
export function readStatusLines(text: string): StatusLine[] {
  return text
    .slice(0, LIMIT)
    .split('\n')
    .flatMap((line) => {
      if (line === '') return []
      try {
        const value: unknown = JSON.parse(line)
        // The fields are checked where they are used: each has one meaning and a default.
        return typeof value === 'object' && value !== null && !Array.isArray(value) ? [value as StatusLine] : []
      } catch (error) {
        ignore(error, 'a line cut off by a kill says nothing')
        return []
      }
    })
}
