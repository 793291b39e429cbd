import type { DoctorReport } from '../../contract/reports.ts'
import { hostUsage } from '../host-usage.ts'
import { type Handlers, uncancelled } from '../handler.ts'
import type { Exchange } from '../exchange.ts'

type Names =
  | 'health'
  | 'status'
  | 'stats'
  | 'doctor'
  | 'agents'
  | 'auditList'
  | 'auditVerify'
  | 'webhooks'
  | 'webhookDeadLetters'
  | 'gc'
  | 'reconcile'
  | 'benchmark'
  | 'sessions'

/** `startedAt`: `performance.now()` at the start of the server. */
export function systemHandlers(startedAt: number): Handlers<Names> {
  return {
    health: async () => ({ data: 'ok' }),
    status: async (_input, { deps }) => ({
      data: { version: deps.version, backend: (await deps.backend()) ?? 'none', api_key_configured: !deps.keys.none },
    }),
    stats: async (_input, exchange) => ({ data: await serverStats(exchange, startedAt) }),
    doctor: async ({ cwd }, { deps, signal }) => ({ data: doctorReply(await deps.operations.doctor({ cwd }, signal)) }),
    agents: async ({ cwd }, { deps, signal }) => ({
      data: (await deps.operations.agents({ cwd }, signal)).map(
        ({ name, title, installed, version, keySet, keyVariables, installHint }) => ({
          name,
          display_name: title,
          enabled: installed,
          description: `${title}, a coding agent`,
          ...(version === undefined ? {} : { version }),
          key_set: keySet,
          key_variables: keyVariables,
          install_hint: installHint,
        }),
      ),
    }),
    auditList: async (input, { deps }) => {
      const { records, warnings } = await deps.operations.auditList(input)
      return { data: records, ...(warnings.length === 0 ? {} : { beside: { warnings } }) }
    },
    auditVerify: async (_input, { deps }) => ({ data: await deps.operations.auditVerify() }),
    webhooks: async (_input, { deps }) => ({ data: deps.webhooks.list() }),
    webhookDeadLetters: async ({ last }, { deps }) => ({ data: deps.webhooks.deadLetters(last) }),
    gc: async ({ dry_run, labels }, { deps }) => ({
      data: await deps.sandboxes.gc({ dry_run, ...(labels === undefined ? {} : { labels }) }, uncancelled()),
    }),
    reconcile: async (input, { deps }) => ({ data: await deps.sandboxes.reconcile(input, uncancelled()) }),
    benchmark: async (_input, exchange) => ({ data: await benchmark(exchange) }),
    sessions: async (_input, { deps }) => ({ data: await sessions(deps) }),
  }
}

async function serverStats({ deps }: Exchange, startedAt: number) {
  const [sandboxes, backend, resource_usage] = await Promise.all([deps.sandboxes.list({}), deps.backend(), hostUsage()])
  return {
    sandbox_count: sandboxes.length,
    sandbox_limit: deps.sandboxLimit,
    backend: backend ?? 'none',
    uptime_seconds: Math.floor((performance.now() - startedAt) / 1000),
    version: deps.version,
    resource_usage,
  }
}

/** The findings of all sections in one list, named as the earlier product named its backends. */
function doctorReply({ selected, sections }: DoctorReport) {
  const checks = sections.flatMap(({ title, findings }) =>
    findings.map(({ check, status, detail, fix }) => ({
      name: `${title.toLowerCase()}: ${check}`,
      status,
      message: detail,
      ...(fix === undefined ? {} : { fix }),
    })),
  )
  const backend =
    selected === undefined
      ? ({ name: 'backend', status: 'error', message: 'no backend works here' } as const)
      : ({ name: 'backend', status: 'ok', message: selected } as const)
  return {
    checks: [backend, ...checks],
    healthy: selected !== undefined && checks.every(({ status }) => status !== 'error'),
    ...(selected === undefined ? {} : { selected }),
  }
}

/** A real sandbox from its making to its end. Whatever fails in between, it is removed. */
async function benchmark({ deps, caller }: Exchange) {
  const name = `benchmark-${crypto.randomUUID().slice(0, 8)}`
  const started_at = deps.now().toISOString()
  const times = [performance.now()]
  const { image, backend } = await deps.sandboxes.create({ name, vcpus: 1, memory_mb: 256 }, { caller }, uncancelled())
  try {
    times.push(performance.now())
    await deps.sandboxes.exec(name, { command: ['echo', 'hello'] }, { caller }, uncancelled())
    times.push(performance.now())
  } finally {
    await deps.sandboxes.remove(name, uncancelled())
  }
  times.push(performance.now())
  const [a = 0, b = 0, c = 0, d = 0] = times
  const ms = (from: number, to: number): number => Math.round((to - from) * 1000) / 1000
  const finished_at = deps.now().toISOString()
  return {
    create_ms: ms(a, b),
    exec_ms: ms(b, c),
    destroy_ms: ms(c, d),
    total_ms: ms(a, d),
    image,
    backend,
    started_at,
    finished_at,
    timestamp: finished_at,
  }
}

async function sessions({ sandboxes, operations }: Exchange['deps']) {
  const [known, { records }] = await Promise.all([sandboxes.list({}), operations.auditList({})])
  const counts = new Map<unknown, number>()
  for (const record of records) {
    const of = record['sandbox'] ?? record['name']
    counts.set(of, (counts.get(of) ?? 0) + 1)
  }
  return known.map(({ name }) => ({ sandbox: name, entry_count: counts.get(name) ?? 0 }))
}
