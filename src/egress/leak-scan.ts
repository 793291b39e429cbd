import type { Injector } from './types.ts'

/** How much of a connection that is not opened is looked through: where programs say who they are. */
const SCANNED_BYTES = 256 * 1024
/** Longer than any placeholder, so that one across two chunks is found. */
const OVERLAP_BYTES = 128

/** Looks for placeholders in what a program sends unopened. Undefined: nothing to look for. */
export function leakScan(injector: Injector | undefined): ((chunk: Uint8Array) => boolean) | undefined {
  if (injector === undefined) return undefined
  let left = SCANNED_BYTES
  let tail: Uint8Array = new Uint8Array(0)
  return (chunk) => {
    if (left <= 0) return true
    const part = chunk.subarray(0, left)
    const text = tail.length === 0 ? part : Buffer.concat([tail, part])
    left -= part.length
    tail = text.slice(-OVERLAP_BYTES)
    return !injector.leaks(text)
  }
}
