import { mkdirSync } from 'node:fs'
import { dirname } from 'node:path'
import { createAuditLog } from '../src/store/audit/audit-log.ts'
import { formatNumber, formatTable, type Table } from './table.ts'
import { BenchError, LAUNCHER, runBench, withWorld, type World } from './world.ts'

export interface AuditBench {
  readonly writers: number
  readonly records: number
  readonly seconds: number
  readonly verifySeconds: number
}

/** `writers` processes that all append `each` records at once to one log, then `audit verify` over it. Throws a BenchError when it finds fault. */
export async function measureAudit(
  world: World,
  { writers, each }: { readonly writers: number; readonly each: number },
): Promise<AuditBench> {
  const options = { cwd: world.empty, env: world.env }
  const path = Bun.spawnSync([LAUNCHER, 'audit', '--path'], options).stdout.toString().trim()
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 })
  const started = performance.now()
  const command = [process.execPath, import.meta.path, '--writer', path, String(each)]
  const children = Array.from({ length: writers }, () => Bun.spawn(command, { ...options, stdio: ['ignore', 'ignore', 'inherit'] }))
  const codes = await Promise.all(children.map((child) => child.exited))
  const written = performance.now()
  if (codes.some((code) => code !== 0))
    throw new BenchError(`audit: ${codes.filter((code) => code !== 0).length} of ${writers} writers failed`)
  const { stdout } = Bun.spawnSync([LAUNCHER, 'audit', 'verify', '--json'], options)
  const verified = performance.now()
  const found = JSON.parse(stdout.toString()) as { readonly ok?: unknown; readonly records?: unknown }
  if (found.ok !== true || found.records !== writers * each)
    throw new BenchError(`audit: ${writers * each} records were written; verify says ${stdout.toString()}`)
  return { writers, records: writers * each, seconds: (written - started) / 1000, verifySeconds: (verified - written) / 1000 }
}

/** One writer: the product's own log, from the sources, in a process of its own. */
async function write(path: string, count: number): Promise<void> {
  const log = createAuditLog({ path, user: 'bench', pid: process.pid, now: () => new Date(), secrets: () => [] })
  for (let index = 0; index < count; index++) {
    const command = ['/bin/echo', `record ${index}`]
    const event = { sandbox: `run-${index}`, command, exit_code: 0, backend: 'bench', profile: 'moderate', duration_ms: 1 }
    await log.append({ type: 'command_executed', ...event })
  }
}

export function auditTable({ writers, records, seconds, verifySeconds }: AuditBench): Table {
  return {
    title: 'Audit log',
    columns: ['writers at once', 'records', 'time to write s', 'records/s', '`audit verify` s', 'result'],
    rows: [
      [String(writers), String(records), formatNumber(seconds), formatNumber(records / seconds), formatNumber(verifySeconds), 'in order'],
    ],
    notes: ['The time to write includes the start of the writers, each a process of its own.'],
  }
}

async function main([mode, path = '', count]: readonly string[]): Promise<number> {
  if (mode === '--writer') await write(path, Number(count))
  else
    console.log(
      formatTable(auditTable(await withWorld((world) => measureAudit(world, { writers: 20, each: mode === '--quick' ? 50 : 1_000 })))),
    )
  return 0
}

if (import.meta.main) await runBench(() => main(process.argv.slice(2)))
