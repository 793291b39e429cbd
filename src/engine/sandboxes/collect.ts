import type { ExecSession } from '../../contract/sandbox-operations.ts'
import { type ExecResult, MAX_JSON_OUTPUT_BYTES } from '../../contract/sandboxes.ts'

/**
 * Reads a command's output to its end and keeps the beginning of it, `MAX_JSON_OUTPUT_BYTES` in all. `outputUrl` tells where the whole is,
 * for output that was longer.
 */
export async function collect(session: ExecSession, outputUrl: (id: string) => string | undefined): Promise<ExecResult> {
  const kept = { stdout: [] as Uint8Array[], stderr: [] as Uint8Array[] }
  let room = MAX_JSON_OUTPUT_BYTES
  let truncated = false
  for await (const chunk of session.output) {
    if (!('bytes' in chunk) || chunk.bytes.length > room) truncated = true
    if (!('bytes' in chunk) || room === 0) continue
    // A copy: the bytes are the connection's, and it uses them again.
    const part = chunk.bytes.slice(0, room)
    room -= part.length
    kept[chunk.channel].push(part)
  }
  const end = await session.result
  const stdout = Buffer.concat(kept.stdout).toString('utf8')
  const stderr = Buffer.concat(kept.stderr).toString('utf8')
  const url = truncated ? outputUrl(session.id) : undefined
  return {
    output: stdout + stderr,
    stdout,
    stderr,
    exit_code: end.exit_code,
    ended: end.ended,
    duration_ms: end.duration_ms,
    exec_id: session.id,
    ...(truncated ? { truncated: true } : {}),
    ...(url === undefined ? {} : { output_url: url }),
  }
}
