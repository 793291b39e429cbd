import { AppError } from '../../contract/errors.ts'
import type { Caller } from '../../contract/sandbox-operations.ts'
import { Secret } from '../../lib/secret.ts'
import type { Handlers } from '../handler.ts'

/** Notices go to the server's log: whoever asks over HTTP is not the one who keeps the vault's files. */
export const secretHandlers: Handlers<'secretList' | 'secretSet' | 'secretDelete'> = {
  secretList: async (_input, { deps, caller }) => {
    requireKey(caller)
    const { entries, notices } = await deps.operations.secretList()
    for (const notice of notices) deps.log('info', notice, {})
    return { data: entries }
  },

  secretSet: async ({ name, value }, { deps, caller }) => {
    requireKey(caller)
    const { notices } = await deps.operations.secretSet({ name, value: new Secret(value) })
    for (const notice of notices) deps.log('info', notice, {})
    return { data: 'Secret stored' }
  },

  secretDelete: async ({ name }, { deps, caller }) => {
    requireKey(caller)
    const { deleted } = await deps.operations.secretDelete({ name })
    if (!deleted) throw new AppError('not_found', `no secret "${name}"`, { fix: 'List them with `agentkernel secret list`.' })
    return { data: 'Secret deleted' }
  },
}

/** Whoever could put a key of their own in place of the user's would read what is sent with it. */
function requireKey(caller: Caller): void {
  if (!caller.authenticated) throw new AppError('api_key_required', 'the vault needs an API key')
}
