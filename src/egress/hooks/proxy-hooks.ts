import { join } from 'node:path'
import { AppError } from '../../contract/errors.ts'
import type { AuditSink } from '../../contract/events.ts'
import type { ProxyHook } from '../../contract/network.ts'
import type { HookInfo, HookRequest } from '../../contract/proxy-hooks.ts'
import type { SeenRequest } from '../http/exchange.ts'
import { checkHook, shownHook } from './check-hook.ts'
import { fileTarget } from './file-target.ts'
import type { HookFile } from './hook-file.ts'
import type { HookTarget } from './hook-target.ts'
import { HookWorker } from './hook-worker.ts'
import { payloadOf } from './payload.ts'
import { webhookTarget } from './webhook-target.ts'

export interface ProxyHooksOptions {
  /** Those of the configuration: nobody can take them away here. */
  readonly configured: readonly ProxyHook[]
  /** Those that were registered, which outlive this process. */
  readonly file: HookFile
  /** Files of hooks are below `hooks` in it. */
  readonly dataDir: string
  readonly audit: AuditSink
  readonly trusted: () => Promise<readonly string[]>
  readonly now: () => Date
  /** One line for a log. */
  readonly log: (text: string) => void
}

/** For one sandbox: what its gateway calls. */
export interface HookObserver {
  readonly onRequest: (seen: SeenRequest) => void
  readonly onResponse: (seen: SeenRequest) => void
}

const MOST_HOOKS = 50

/** Everybody who is told of requests, for all gateways of this process. Changes hold for sandboxes that run, too. */
export class ProxyHooks {
  readonly #options: ProxyHooksOptions
  readonly #hooks = new Map<string, { readonly hook: ProxyHook; readonly worker: HookWorker; readonly isConfigured: boolean }>()
  #changing: Promise<unknown> = Promise.resolve()

  constructor(options: ProxyHooksOptions) {
    this.#options = options
    for (const hook of options.file.read()) this.#begin(hook, false)
    for (const hook of options.configured) this.#begin(hook, true)
  }

  /** As others may see them. */
  list(): readonly HookInfo[] {
    return [...this.#hooks.values()].map(({ hook, isConfigured }) => ({ ...shownHook(hook), source: isConfigured ? 'config' : 'api' }))
  }

  /** Errors: `invalid_argument`, `already_exists`. */
  add(written: HookRequest): Promise<void> {
    return this.#change(() => {
      const hook = checkHook(written)
      if ('problem' in hook) throw new AppError('invalid_argument', hook.problem)
      if (this.#hooks.has(hook.name)) throw new AppError('already_exists', `a hook named "${hook.name}" exists already`)
      if (this.#hooks.size >= MOST_HOOKS) throw new AppError('invalid_argument', `there are ${MOST_HOOKS} hooks already`)
      this.#options.file.write([...this.#registered(), hook])
      this.#begin(hook, false)
    })
  }

  /** Errors: `not_found`, `invalid_argument` for one of the configuration. */
  remove(name: string): Promise<void> {
    return this.#change(() => {
      const found = this.#hooks.get(name)
      if (found === undefined) throw new AppError('not_found', `there is no hook named "${name.slice(0, 70)}"`)
      if (found.isConfigured) throw new AppError('invalid_argument', `the hook "${name}" is in the configuration; take it out there`)
      this.#options.file.write(this.#registered().filter((hook) => hook.name !== name))
      this.#hooks.delete(name)
      void found.worker.end(0)
    })
  }

  observe(sandbox: string): HookObserver {
    const tell = (event: ProxyHook['event'], seen: SeenRequest): void => {
      if (this.#hooks.size === 0) return
      const payload = payloadOf(sandbox, seen, this.#options.now())
      for (const { hook, worker } of this.#hooks.values()) if (hook.event === event) worker.push(payload)
    }
    return { onRequest: (seen) => tell('on_request', seen), onResponse: (seen) => tell('on_response', seen) }
  }

  /** Waits at most so long for what is under way. Never rejects. */
  async close(limitMs: number): Promise<void> {
    await Promise.all([...this.#hooks.values()].map(({ worker }) => worker.end(limitMs)))
  }

  #registered(): ProxyHook[] {
    return [...this.#hooks.values()].filter(({ isConfigured }) => !isConfigured).map(({ hook }) => hook)
  }

  /** The configuration wins over what was registered under the same name. */
  #begin(hook: ProxyHook, isConfigured: boolean): void {
    const tell = (problem: string): void => this.#options.log(`hook ${hook.name}: ${problem}`)
    this.#hooks.set(hook.name, { hook, isConfigured, worker: new HookWorker(this.#target(hook), tell) })
  }

  #target({ target, event }: ProxyHook): HookTarget {
    const { dataDir, trusted, audit } = this.#options
    if (target.type === 'webhook') return webhookTarget({ url: target.url, event, trusted })
    if (target.type === 'file') return fileTarget({ folder: join(dataDir, 'hooks'), path: target.path })
    return {
      batch: 1,
      atOnce: 1,
      deliver: async ([payload]) => {
        if (payload === undefined) return
        // The log has its own time of each record.
        const { timestamp: _, ...facts } = payload
        await audit.append({ type: 'proxy_request', ...facts })
      },
    }
  }

  #change(change: () => void): Promise<void> {
    const done = this.#changing.then(change)
    this.#changing = done.catch(() => undefined)
    return done
  }
}
