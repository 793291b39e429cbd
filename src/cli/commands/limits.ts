import { MIN_MEMORY_BYTES } from '../../contract/run.ts'
import { formatByteSize, parseByteSize } from '../../lib/byte-size.ts'
import type { CommandSpec } from '../command.ts'
import { usageError } from '../parse-arguments.ts'
import { quoted } from '../printable.ts'

/** More than any machine this runs on; a larger number is a slip of the unit. */
const MOST_MEMORY = 8 * 1024 ** 4
const LEAST_CPUS = 0.01
const MOST_CPUS = 4096
const MIB = 1024 ** 2

/** Bytes of a `--memory` value. Errors: `usage`. */
export function parseMemory(spec: CommandSpec, text: string): number {
  const accepted = 'write a size such as 512m or 2g; a bare number is bytes'
  const bytes = parseByteSize(text)
  if (bytes === undefined) throw usageError(spec, `--memory ${quoted(text)} is not a size above zero; ${accepted}.`)
  if (bytes < MIN_MEMORY_BYTES)
    throw usageError(
      spec,
      `--memory ${quoted(text)} is ${formatByteSize(bytes)}, but the least is ${MIN_MEMORY_BYTES / MIB}m; ${accepted}.`,
    )
  if (bytes > MOST_MEMORY) throw usageError(spec, `--memory ${quoted(text)} is more than any machine has (the most is 8t); ${accepted}.`)
  return bytes
}

/** The same in MiB, the unit of sandboxes that stay, rounded up. Errors: `usage`. */
export function parseMemoryMb(spec: CommandSpec, text: string): number {
  return Math.ceil(parseMemory(spec, text) / MIB)
}

/** Cores of a `--cpus` value; `shown` is the flag as typed. Errors: `usage`. */
export function parseCpus(spec: CommandSpec, shown: string, text: string): number {
  const cpus = /^(\d{1,4}(\.\d{1,3})?|\.\d{1,3})$/.test(text) ? Number(text) : Number.NaN
  if (cpus >= LEAST_CPUS && cpus <= MOST_CPUS) return cpus
  throw usageError(
    spec,
    `${shown} ${quoted(text)} is not a number of cores; write a number from ${LEAST_CPUS} to ${MOST_CPUS}, such as 2 or 0.5.`,
  )
}
