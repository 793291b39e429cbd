import { join } from 'node:path'
import { AppError } from '../contract/errors.ts'
import { firstDay, type LlmBudget, type LlmOperations, type LlmUsageRow } from '../contract/llm.ts'
import type { Operations } from '../contract/operations.ts'
import type { OrgKeyFile } from '../egress/llm/org-keys.ts'
import { parseDurationMs } from '../lib/duration.ts'
import type { LlmStore } from '../store/llm/llm-store.ts'
import type { Paths } from './paths.ts'

/** Metering as doors see it. Files are opened for one question each: a command is gone soon, and the daemon must not hold them. */
export function llmOperations(paths: Paths, secretSet: Operations['secretSet']): LlmOperations {
  const keys = () => orgKeyFile(paths)
  return {
    llmUsage: async ({ since, ...filter }) => withStore(paths, (store) => store.usage({ ...filter, ...sinceOf(since) })),
    llmReport: async ({ since, by, ...filter }): Promise<readonly LlmUsageRow[]> =>
      withStore(paths, (store) => store.report({ ...filter, ...sinceOf(since) }, by)),
    llmKeys: async () => (await keys()).list(),
    llmKeySet: async ({ provider, vault_key_name, value }) => {
      const { checkedDomain } = await import('../egress/llm/org-keys.ts')
      const { defaultKeyName } = await import('../egress/llm/providers.ts')
      checkedDomain(provider)
      const name = vault_key_name ?? defaultKeyName(provider)
      // The value first: a key that is named and not there would make requests go out without one.
      if (value !== undefined) await secretSet({ name, value })
      return (await keys()).set(provider, name)
    },
    llmKeyRemove: async ({ provider }) => (await keys()).remove(provider),
    llmBudgets: async () =>
      withStore(paths, (store) => store.budgets().map(({ sandbox, budget }) => stateOf(store, sandbox, budget, new Date()))),
    llmBudgetSet: async ({ sandbox, budget }) => {
      checkBudget(budget)
      return withStore(paths, (store) => {
        store.setBudget(sandbox, budget)
        return stateOf(store, sandbox, budget, new Date())
      })
    },
    llmBudgetClear: async ({ sandbox }) =>
      withStore(paths, (store) => {
        if (store.clearBudget(sandbox)) return
        const whose = sandbox === undefined ? 'no budget for all sandboxes is set' : `no budget is set for "${sandbox}"`
        throw new AppError('not_found', whose, { fix: '`agentkernel llm budget` shows those that are.' })
      }),
  }
}

/** `llm_keys.json` beside the vault. */
export async function orgKeyFile(paths: Paths): Promise<OrgKeyFile> {
  const { OrgKeyFile } = await import('../egress/llm/org-keys.ts')
  return new OrgKeyFile(join(paths.dataDir, 'secrets'), join(paths.stateDir, 'llm_keys.json'))
}

export async function openLlmStore(paths: Paths): Promise<LlmStore> {
  const { LlmStore } = await import('../store/llm/llm-store.ts')
  return new LlmStore(join(paths.dataDir, 'llm.sqlite'), () => new Date())
}

async function withStore<T>(paths: Paths, work: (store: LlmStore) => T): Promise<T> {
  const store = await openLlmStore(paths)
  try {
    return work(store)
  } finally {
    store.close()
  }
}

function stateOf(store: LlmStore, sandbox: string | undefined, budget: LlmBudget, now: Date) {
  const whose = sandbox === undefined ? {} : { sandbox }
  const fromDay = firstDay(budget.period, now)
  return { ...whose, budget, spent: store.spent({ ...whose, ...(fromDay === undefined ? {} : { fromDay }) }) }
}

function sinceOf(since: string | undefined): { readonly sinceMs?: number } {
  if (since === undefined) return {}
  const ms = parseDurationMs(since)
  if (ms === undefined) throw new AppError('invalid_argument', `${JSON.stringify(since)} is not a duration; write 12h, 7d, 30m`)
  return { sinceMs: Math.max(0, Date.now() - ms) }
}

function checkBudget({ period: _period, warn_at, ...limits }: LlmBudget): void {
  const given = Object.entries(limits)
  if (given.length === 0) throw new AppError('invalid_argument', 'a budget needs at least one limit')
  const bad = given.find(([name, value]) => !(value >= 0) || (name !== 'max_usd' && !Number.isSafeInteger(value)))
  if (bad !== undefined) throw new AppError('invalid_argument', `${bad[0]} cannot be ${bad[1]}`)
  if (warn_at !== undefined && !(warn_at >= 0 && warn_at <= 1)) {
    throw new AppError('invalid_argument', `warn_at cannot be ${warn_at}; it is a share from 0 to 1`)
  }
}
