import { statfs } from 'node:fs/promises'
import { cpus, freemem, totalmem } from 'node:os'

const MIB = 1024 ** 2
const SAMPLE_MS = 200

/** What this machine uses now. Takes 200 ms, over which the processors are measured. */
export async function hostUsage(): Promise<{
  readonly cpu_percent: number
  readonly memory_used_mb: number
  readonly memory_total_mb: number
  readonly disk_used_mb: number
}> {
  const before = processorTimes()
  const [disk] = await Promise.all([statfs('/'), Bun.sleep(SAMPLE_MS)])
  const after = processorTimes()
  const total = after.total - before.total
  return {
    cpu_percent: total === 0 ? 0 : Math.round((1 - (after.idle - before.idle) / total) * 1000) / 10,
    memory_used_mb: Math.round((totalmem() - freemem()) / MIB),
    memory_total_mb: Math.round(totalmem() / MIB),
    disk_used_mb: Math.round(((disk.blocks - disk.bfree) * disk.bsize) / MIB),
  }
}

function processorTimes(): { readonly idle: number; readonly total: number } {
  const times = cpus().map((cpu) => cpu.times)
  const idle = times.reduce((sum, time) => sum + time.idle, 0)
  return { idle, total: times.reduce((sum, time) => sum + time.user + time.nice + time.sys + time.irq, idle) }
}
