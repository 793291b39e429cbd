import type { ExecChunk, ExecEnd, ExecSession } from '../contract/sandbox-operations.ts'
import { MAX_JSON_OUTPUT_BYTES } from '../contract/sandboxes.ts'

export interface Collected {
  readonly stdout: string
  readonly stderr: string
  /** stdout followed by stderr. */
  readonly output: string
  readonly truncated: boolean
  readonly end: ExecEnd
}

/** Everything a command writes, up to `limit` bytes of both channels together, the beginning of each; the rest is read and let go. */
export async function collectOutput(session: ExecSession, limit = MAX_JSON_OUTPUT_BYTES): Promise<Collected> {
  const kept = { stdout: [] as Uint8Array[], stderr: [] as Uint8Array[] }
  let room = limit
  let truncated = false
  for await (const chunk of session.output) {
    const bytes = bytesOf(chunk)
    // A copy: a few bytes of a chunk would keep all of what it was received in.
    const part = bytes.slice(0, room)
    if (part.length > 0) kept[chunk.channel].push(part)
    room -= part.length
    if (part.length < bytes.length || 'gap' in chunk) truncated = true
  }
  const end = await session.result
  const [stdout, stderr] = [text(kept.stdout), text(kept.stderr)]
  return { stdout, stderr, output: stdout + stderr, truncated, end }
}

const bytesOf = (chunk: ExecChunk): Uint8Array => ('gap' in chunk ? new Uint8Array() : chunk.bytes)
const text = (chunks: readonly Uint8Array[]): string => Buffer.concat(chunks).toString('utf8')
