import { AppError, isAppError } from '../../../contract/errors.ts'
import type { SandboxOperations } from '../../../contract/sandbox-operations.ts'
import type { SandboxInfo } from '../../../contract/sandboxes.ts'
import { uncanceled } from '../../caller.ts'
import type { Command, FlagSpec } from '../../command.ts'
import { JSON_FLAG } from '../../command.ts'
import { usageError } from '../../parse-arguments.ts'
import type { ParsedArguments } from '../../parse-arguments.ts'
import { printable, printableJson, quoted } from '../../printable.ts'
import { withProgress } from '../../progress.ts'
import { renderError } from '../../render-error.ts'
import { checkedName, nameOf, ONE_NAME } from './named.ts'
import { writeWarnings } from './show.ts'

/** A command that changes the state of one sandbox. */
function change(
  facts: Pick<Command['spec'], 'name' | 'summary' | 'description' | 'examples'> & { readonly flags?: readonly FlagSpec[] },
  words: { readonly doing: string; readonly done: string },
  work: (sandboxes: SandboxOperations, name: string, args: ParsedArguments) => Promise<SandboxInfo>,
): Command {
  const flags = [...(facts.flags ?? []), JSON_FLAG]
  const spec = { ...facts, usage: [`${facts.name} [flags] NAME`], positionals: ONE_NAME, flags }
  return {
    spec,
    family: 'plain',
    async execute(args, context) {
      const name = nameOf(spec, args)
      const sandboxes = await context.sandboxes()
      const info = await withProgress(`${words.doing} ${name}`, context, () => work(sandboxes, name, args))
      writeWarnings(info, context)
      context.stdout.write(args.has('json') ? `${printableJson(info, 2)}\n` : `${words.done} ${name}\n`)
      return 0
    },
  }
}

export const start = change(
  {
    name: 'sandbox start',
    summary: 'Start a sandbox',
    description:
      'Its files are as they were when it stopped. Starting one that runs already is a success. A sandbox stays with the ' +
      'backend it was made with; --backend only makes sure of it.',
    flags: [
      { name: 'backend', short: 'B', value: { label: 'NAME', complete: 'backend' }, summary: 'Start it only if it is of this backend' },
    ],
    examples: [
      { command: 'agentkernel sandbox start dev', note: 'Go on with a stopped sandbox' },
      { command: 'agentkernel sandbox start dev --json', note: 'The same for a script' },
    ],
  },
  { doing: 'Starting', done: 'Started' },
  async (sandboxes, name, args) => {
    const wanted = args.value('backend')
    if (wanted !== undefined) {
      const { backend } = await sandboxes.get(name)
      if (backend !== wanted) {
        const fix = 'Leave --backend out, or make another sandbox with that backend.'
        throw new AppError('invalid_argument', `sandbox ${quoted(name)} was made with ${quoted(backend)}, not ${quoted(wanted)}.`, { fix })
      }
    }
    return sandboxes.start(name, uncanceled())
  },
)

export const stop = change(
  {
    name: 'sandbox stop',
    summary: 'Stop a sandbox and keep its files',
    description: 'Ends everything that runs in it. Stopping one that does not run is a success.',
    examples: [
      { command: 'agentkernel sandbox stop dev', note: 'Free the memory, keep the files' },
      { command: 'agentkernel sandbox stop dev --json', note: 'The same for a script' },
    ],
  },
  { doing: 'Stopping', done: 'Stopped' },
  (sandboxes, name) => sandboxes.stop(name, uncanceled()),
)

export const recover = change(
  {
    name: 'sandbox recover',
    summary: 'Make an archived or failed sandbox an ordinary stopped one',
    examples: [
      { command: 'agentkernel sandbox recover dev', note: 'Then start it' },
      { command: 'agentkernel sandbox recover dev --json', note: 'The same for a script' },
    ],
  },
  { doing: 'Recovering', done: 'Recovered' },
  (sandboxes, name) => sandboxes.recover(name),
)

export const remove: Command = {
  spec: {
    name: 'sandbox remove',
    summary: 'Remove sandboxes, running or not',
    description:
      'Everything in them is gone. With several names it goes on after one that fails, and exits with 1. Whatever ' +
      'runs in them is ended.',
    usage: ['sandbox remove [flags] NAME...'],
    positionals: { kind: 'list', label: 'NAME...', summary: 'The sandboxes', max: Number.POSITIVE_INFINITY, complete: 'sandbox' },
    flags: [JSON_FLAG],
    examples: [
      { command: 'agentkernel sandbox remove dev', note: 'Remove one' },
      { command: 'agentkernel sb rm one two three', note: 'Remove several' },
    ],
  },
  family: 'plain',
  async execute(args, context) {
    if (args.positionals.length === 0) throw usageError(remove.spec, 'name at least one sandbox.')
    const names = [...new Set(args.positionals)].map((name) => checkedName(remove.spec, name))
    const json = args.has('json')
    const sandboxes = await context.sandboxes()
    const removed: string[] = []
    const failed: { readonly name: string; readonly error: { readonly code: string; readonly message: string; readonly fix: string } }[] =
      []
    for (const name of names) {
      try {
        await withProgress(`Removing ${name}`, context, () => sandboxes.remove(name, uncanceled()))
        removed.push(name)
        if (!json) context.stdout.write(`Removed ${name}\n`)
      } catch (error) {
        if (!isAppError(error)) throw error
        // A lone failure is told like that of any command.
        if (names.length === 1) throw error
        if (!json) renderError(error, { family: 'plain', json: false }, context)
        failed.push({ name, error: { code: error.code, message: printable(error.message), fix: error.fix } })
      }
    }
    if (json) context.stdout.write(`${printableJson({ removed, failed }, 2)}\n`)
    return failed.length === 0 ? 0 : 1
  },
}
