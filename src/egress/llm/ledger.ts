import { addSpend, firstDay, type LlmBudget, type LlmSpend } from '../../contract/llm.ts'
import { isAppError } from '../../contract/errors.ts'
import { ignore } from '../../lib/ignore.ts'

/** Where spending is written down, for all processes. Both may throw `store_failed`. */
export interface LlmBook {
  /** What was spent since `fromDay` (`2026-01-31`, UTC; absent: ever), by a sandbox or, without one, by all. */
  spent(input: { readonly sandbox?: string; readonly fromDay?: string }): LlmSpend
  /** Budgets that were set by `llm budget set`; without `sandbox` the one of all. */
  budget(sandbox?: string): LlmBudget | undefined
}

/** A limit that is nearly or quite used up. */
export interface BudgetWarning {
  readonly scope: 'sandbox' | 'all sandboxes'
  /** `8,100 of 10,000 tokens are used`. */
  readonly message: string
}

export interface LedgerOptions {
  readonly sandbox: string
  readonly book: LlmBook
  /** Budgets of the config; those that were set in the book hold besides. */
  readonly budgets: readonly LlmBudget[]
  readonly globalBudgets: readonly LlmBudget[]
  readonly now: () => Date
  /** Called once for each limit and period. */
  readonly warn?: (warning: BudgetWarning) => void
}

/** What other processes spend is seen after this, in ms. */
const FRESH_MS = 1000
const DEFAULT_WARN_AT = 0.8

interface Applied {
  readonly scope: BudgetWarning['scope']
  readonly budget: LlmBudget
}

/** Decides whether a sandbox may go on to call models. */
export class Ledger {
  readonly #options: LedgerOptions
  /** Of requests under way: what they have used so far. */
  readonly #running = new Set<() => LlmSpend>()
  readonly #spent = new Map<string, { readonly spend: LlmSpend; readonly at: number }>()
  readonly #warned = new Set<string>()
  #set: { readonly budgets: readonly Applied[]; readonly at: number } | undefined

  constructor(options: LedgerOptions) {
    this.#options = options
  }

  /** True when any budget holds for this sandbox. */
  hasBudget(): boolean {
    try {
      return this.#budgets().length > 0
    } catch (error) {
      ignore(error, 'a book that cannot be read may hold a budget; `refusal` says what is wrong')
      return true
    }
  }

  /** Why the next request must not be made; undefined: it may. Fails closed when the book cannot be read. */
  refusal(): string | undefined {
    try {
      for (const applied of this.#budgets()) {
        const reason = this.#check(applied)
        if (reason !== undefined) return reason
      }
      return undefined
    } catch (error) {
      if (!isAppError(error)) throw error
      return `The budget for language models cannot be checked: ${error.message}. Stop calling the model and tell the user.`
    }
  }

  /** Why a request whose tokens cannot be seen must not be made: a budget would not hold. */
  unmeterable(): string | undefined {
    const counts = ({ budget }: Applied): boolean => budget.max_tokens !== undefined || budget.max_usd !== undefined
    return this.#budgets().some(counts)
      ? 'A budget of tokens or dollars holds here, and tokens cannot be counted on a WebSocket. Use plain HTTP requests to the model instead.'
      : undefined
  }

  /** Counts a request while it is under way. Call the function when it is written down. */
  begin(spend: () => LlmSpend): () => void {
    this.#running.add(spend)
    return () => {
      this.#running.delete(spend)
      this.#spent.clear()
      // Warnings come when a limit is passed, not at the next request.
      this.refusal()
    }
  }

  #budgets(): readonly Applied[] {
    const now = performance.now()
    if (this.#set === undefined || now - this.#set.at > FRESH_MS) {
      const { sandbox, book, budgets, globalBudgets } = this.#options
      const own = [...budgets, book.budget(sandbox)].map((budget) => ({ scope: 'sandbox' as const, budget }))
      const all = [...globalBudgets, book.budget()].map((budget) => ({ scope: 'all sandboxes' as const, budget }))
      this.#set = { budgets: [...own, ...all].flatMap(({ scope, budget }) => (budget === undefined ? [] : [{ scope, budget }])), at: now }
    }
    return this.#set.budgets
  }

  #check({ scope, budget }: Applied): string | undefined {
    const fromDay = firstDay(budget.period, this.#options.now())
    const spent = this.#spentSince(scope, fromDay)
    for (const limit of LIMITS) {
      const most = budget[limit.key]
      if (most === undefined) continue
      const used = limit.used(spent)
      const share = `${scope}/${limit.key}/${most}/${fromDay ?? ''}`
      if (used >= most) return this.#refuse({ scope, share, period: budget.period, limit: limit.show(most), used: limit.show(used) })
      if (used >= most * (budget.warn_at ?? DEFAULT_WARN_AT)) {
        this.#warn(`${share}/soon`, scope, `${limit.show(used)} of a budget of ${limit.show(most)}${per(budget.period)} are used`)
      }
    }
    if (budget.max_usd === undefined || spent.unpriced === 0) return undefined
    return `A budget in dollars holds here, and ${count(spent.unpriced)} calls went to models without a price. Stop calling the model and tell the user to add its price to llm-prices.toml, or to use a model with a price.`
  }

  #refuse(hit: { scope: BudgetWarning['scope']; share: string; period: LlmBudget['period']; limit: string; used: string }): string {
    const of = hit.scope === 'sandbox' ? '' : ' for all sandboxes together'
    this.#warn(`${hit.share}/gone`, hit.scope, `the budget of ${hit.limit}${per(hit.period)} is used up: ${hit.used}`)
    return `The budget of ${hit.limit}${per(hit.period)}${of} is used up (${hit.used} used). Stop calling the model and tell the user.`
  }

  #warn(key: string, scope: BudgetWarning['scope'], message: string): void {
    if (this.#warned.has(key)) return
    this.#warned.add(key)
    this.#options.warn?.({ scope, message })
  }

  #spentSince(scope: BudgetWarning['scope'], fromDay: string | undefined): LlmSpend {
    const key = `${scope}/${fromDay ?? ''}`
    const now = performance.now()
    let known = this.#spent.get(key)
    if (known === undefined || now - known.at > FRESH_MS) {
      const of = scope === 'sandbox' ? { sandbox: this.#options.sandbox } : {}
      known = { spend: this.#options.book.spent({ ...of, ...(fromDay === undefined ? {} : { fromDay }) }), at: now }
      // Days pass; what was kept of former ones is of no use.
      if (this.#spent.size > 16) this.#spent.clear()
      this.#spent.set(key, known)
    }
    return [...this.#running].reduce((sum, running) => addSpend(sum, running()), known.spend)
  }
}

const LIMITS: readonly {
  readonly key: 'max_tokens' | 'max_usd' | 'max_requests' | 'max_bytes_out'
  readonly used: (spend: LlmSpend) => number
  readonly show: (value: number) => string
}[] = [
  { key: 'max_tokens', used: ({ tokens }) => tokens, show: (value) => `${count(value)} tokens` },
  { key: 'max_usd', used: ({ usd }) => usd, show: (value) => `$${value < 1 ? value.toPrecision(2) : value.toFixed(2)}` },
  { key: 'max_requests', used: ({ requests }) => requests, show: (value) => `${count(value)} requests` },
  { key: 'max_bytes_out', used: ({ bytes_out }) => bytes_out, show: (value) => `${count(value)} bytes sent` },
]

const count = (value: number): string => Math.ceil(value).toLocaleString('en-US')
const per = (period: LlmBudget['period']): string => (period === 'day' ? ' a day' : period === 'month' ? ' a month' : '')
