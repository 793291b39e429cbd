import { AppError } from '../../contract/errors.ts'
import type { Caller } from '../../contract/sandbox-operations.ts'
import { Secret } from '../../lib/secret.ts'
import type { Handlers } from '../handler.ts'

type Names = 'llmUsage' | 'llmSandboxUsage' | 'llmKeys' | 'llmKeySet' | 'llmKeyRemove'

/** What was spent on language models, and whose keys are used. A sandbox that is gone is still in the books, so none is looked up. */
export const llmHandlers: Handlers<Names> = {
  llmUsage: async (input, { deps }) => ({ data: await deps.operations.llmUsage(input) }),
  llmSandboxUsage: async (input, { deps }) => {
    const usage = await deps.operations.llmUsage(input)
    return { data: Object.hasOwn(usage, input.sandbox) ? usage[input.sandbox]! : [] }
  },
  llmKeys: async (_input, { deps }) => ({ data: await deps.operations.llmKeys() }),
  llmKeySet: async ({ value, ...input }, { deps, caller }) => {
    requireKey(caller)
    return { data: await deps.operations.llmKeySet({ ...input, ...(value === undefined ? {} : { value: new Secret(value) }) }) }
  },
  llmKeyRemove: async (input, { deps, caller }) => {
    requireKey(caller)
    return { data: await deps.operations.llmKeyRemove(input) }
  },
}

/** Whoever could say which key goes where would have the organisation's keys sent to a host of their own. */
function requireKey(caller: Caller): void {
  if (!caller.authenticated) throw new AppError('api_key_required', 'keys for language models need an API key')
}
