import { AppError } from '../../contract/errors.ts'
import type { Caller } from '../../contract/sandbox-operations.ts'
import type { Handlers } from '../handler.ts'

type Names = 'sandboxProxy' | 'proxyHookList' | 'proxyHookAdd' | 'proxyHookRemove'

/** The way out of sandboxes, and who is told of it. */
export const networkHandlers: Handlers<Names> = {
  sandboxProxy: async ({ name }, { deps }) => ({ data: await deps.sandboxes.proxy(name) }),
  proxyHookList: async (_input, { deps, caller }) => {
    requireKey(caller)
    return { data: await deps.proxyHooks.list() }
  },
  proxyHookAdd: async (hook, { deps, caller }) => {
    requireKey(caller)
    const count = await deps.proxyHooks.add(hook)
    return { data: `Hook '${hook.name}' registered in ${count} proxies` }
  },
  proxyHookRemove: async ({ name }, { deps, caller }) => {
    requireKey(caller)
    await deps.proxyHooks.remove(name)
    return { data: `Hook '${name}' removed` }
  },
}

/** Whoever could register one would read where every sandbox goes. */
function requireKey(caller: Caller): void {
  if (!caller.authenticated) throw new AppError('api_key_required', 'hooks need an API key')
}
