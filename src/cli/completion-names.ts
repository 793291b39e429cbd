import { ignore } from '../lib/ignore.ts'
import type { SandboxOperations } from '../contract/sandbox-operations.ts'
import type { CliContext } from './context.ts'
import { commandLine } from './printable.ts'

/** A prompt that waits longer than this feels broken, in ms. */
const PATIENCE_MS = 300

type Candidates = readonly (readonly [word: string, description: string])[]

/** Names of sandboxes with their states, if a daemon runs; none is started for this. */
export function sandboxNames(context: CliContext): Promise<Candidates> {
  return ask(context, async (sandboxes) => (await sandboxes.list({})).map(({ name, status }) => [name, status]))
}

/** Ids of the detached commands of a sandbox. */
export function execNames(sandbox: string, context: CliContext): Promise<Candidates> {
  return ask(context, async (sandboxes) =>
    (await sandboxes.execList(sandbox)).map(({ id, status, command }) => [id, `${status}: ${commandLine(command)}`]),
  )
}

async function ask(context: CliContext, question: (sandboxes: SandboxOperations) => Promise<Candidates>): Promise<Candidates> {
  const answer = async (): Promise<Candidates> => {
    const { running, version } = await (await context.daemon()).status()
    // Asking an older daemon would replace it.
    return running && version === context.version ? question(await context.sandboxes()) : []
  }
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<Candidates>((resolve) => (timer = setTimeout(() => resolve([]), PATIENCE_MS)))
  try {
    return await Promise.race([answer(), late])
  } catch (error) {
    ignore(error, 'completion is a convenience')
    return []
  } finally {
    clearTimeout(timer)
  }
}
