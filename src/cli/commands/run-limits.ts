import { MIN_MEMORY_BYTES } from '../../contract/run.ts'
import { formatByteSize, parseByteSize } from '../../lib/byte-size.ts'
import { usageError } from '../parse-arguments.ts'
import { quoted } from '../printable.ts'
import { RUN_SPEC } from './run-spec.ts'

/** More than any machine this runs on; a larger number is a slip of the unit. */
const MOST_MEMORY = 8 * 1024 ** 4
const LEAST_CPUS = 0.01
const MOST_CPUS = 4096

/** Bytes of a `--memory` value. Errors: `usage`. */
export function parseMemory(text: string): number {
  const accepted = 'write a size such as 512m or 2g; a bare number is bytes'
  const bytes = parseByteSize(text)
  if (bytes === undefined) throw usageError(RUN_SPEC, `--memory ${quoted(text)} is not a size above zero; ${accepted}.`)
  if (bytes < MIN_MEMORY_BYTES)
    throw usageError(
      RUN_SPEC,
      `--memory ${quoted(text)} is ${formatByteSize(bytes)}, but the least is ${MIN_MEMORY_BYTES / 1024 ** 2}m; ${accepted}.`,
    )
  if (bytes > MOST_MEMORY)
    throw usageError(RUN_SPEC, `--memory ${quoted(text)} is more than any machine has (the most is 8t); ${accepted}.`)
  return bytes
}

/** Cores of a `--cpus` value. Errors: `usage`. */
export function parseCpus(text: string): number {
  const cpus = /^(\d{1,4}(\.\d{1,3})?|\.\d{1,3})$/.test(text) ? Number(text) : Number.NaN
  if (cpus >= LEAST_CPUS && cpus <= MOST_CPUS) return cpus
  throw usageError(
    RUN_SPEC,
    `--cpus ${quoted(text)} is not a number of cores; write a number from ${LEAST_CPUS} to ${MOST_CPUS}, such as 2 or 0.5.`,
  )
}
