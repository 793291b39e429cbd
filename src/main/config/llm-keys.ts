import { AppError } from '../../contract/errors.ts'
import { type LlmBudget, type LlmSettings, NO_LLM_SETTINGS } from '../../contract/llm.ts'
import type { ConfigFile } from '../../contract/schemas/config-keys.ts'
import { secretNameProblem } from '../../contract/secrets.ts'
import { domainOf, isDomain } from '../../egress/llm/providers.ts'

/** `[llm]` and `[llm_keys]` of one file. Errors: `config_invalid`. */
export function llmOf(file: ConfigFile, path: string): LlmSettings {
  const { llm, llm_keys } = file
  if (llm === undefined && llm_keys === undefined) return NO_LLM_SETTINGS
  return {
    meter: llm?.meter ?? false,
    budgets: llm?.budget === undefined ? [] : [checkedBudget(llm.budget, `${path}: llm.budget`)],
    globalBudgets: llm?.global_budget === undefined ? [] : [checkedBudget(llm.global_budget, `${path}: llm.global_budget`)],
    hosts: checkedHosts(llm?.hosts ?? {}, `${path}: llm.hosts`),
    keys: checkedKeys(llm_keys ?? {}, `${path}: llm_keys`),
  }
}

/** Files given from the lowest to the highest: budgets add up, so that no file takes another's back. */
export function mergeLlm(settings: readonly LlmSettings[]): LlmSettings {
  return {
    meter: settings.some(({ meter }) => meter),
    budgets: settings.flatMap(({ budgets }) => budgets),
    globalBudgets: settings.flatMap(({ globalBudgets }) => globalBudgets),
    hosts: Object.assign({}, ...settings.map(({ hosts }) => hosts)) as LlmSettings['hosts'],
    keys: Object.assign({}, ...settings.map(({ keys }) => keys)) as LlmSettings['keys'],
  }
}

function checkedBudget(budget: LlmBudget, where: string): LlmBudget {
  const { max_usd, warn_at } = budget
  if (max_usd !== undefined && !(max_usd >= 0))
    throw new AppError('config_invalid', `${where}.max_usd is ${max_usd}; it must not be negative`)
  if (warn_at !== undefined && !(warn_at >= 0 && warn_at <= 1)) {
    throw new AppError('config_invalid', `${where}.warn_at is ${warn_at}; write a share from 0 to 1`)
  }
  return budget
}

function checkedHosts(hosts: LlmSettings['hosts'], where: string): LlmSettings['hosts'] {
  return Object.fromEntries(
    Object.entries(hosts).map(([name, format]) => {
      const host = name.toLowerCase().replace(/\.$/, '')
      if (!isDomain(host)) throw new AppError('config_invalid', `${where}: ${JSON.stringify(name)} is no host name`)
      return [host, format]
    }),
  )
}

function checkedKeys(keys: LlmSettings['keys'], where: string): LlmSettings['keys'] {
  for (const [provider, key] of Object.entries(keys)) {
    if (!isDomain(domainOf(provider)))
      throw new AppError('config_invalid', `${where}: ${JSON.stringify(provider)} is neither a provider nor a host name`)
    const problem = secretNameProblem(key)
    if (problem !== undefined) throw new AppError('config_invalid', `${where}.${provider}: the name of the key ${problem}`)
  }
  return keys
}
