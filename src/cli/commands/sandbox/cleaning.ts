import { AppError, isAppError } from '../../../contract/errors.ts'
import type { SandboxInfo } from '../../../contract/sandboxes.ts'
import { uncanceled } from '../../caller.ts'
import type { Command } from '../../command.ts'
import { JSON_FLAG } from '../../command.ts'
import { printable, printableJson } from '../../printable.ts'
import { withProgress } from '../../progress.ts'
import { renderError } from '../../render-error.ts'
import { table } from '../../table.ts'
import { LABEL_FLAG, labelsOf } from './named.ts'

export const gc: Command = {
  spec: {
    name: 'sandbox gc',
    summary: 'Remove sandboxes whose time to live is over',
    description: 'With --label, removes every sandbox that has all of the labels instead, expired or not, running or not.',
    usage: ['sandbox gc [flags]'],
    positionals: { kind: 'none' },
    flags: [
      { name: 'dry-run', summary: 'Say what would be removed, and remove nothing' },
      { ...LABEL_FLAG, summary: 'Remove those with this label instead; KEY:VALUE means the same (repeatable)' },
      JSON_FLAG,
    ],
    examples: [
      { command: 'agentkernel sandbox gc', note: 'Remove what has expired' },
      { command: 'agentkernel sandbox gc -l ci=42 --dry-run', note: 'See what a label would remove' },
    ],
  },
  family: 'plain',
  async execute(args, context) {
    const labels = labelsOf(gc.spec, args)
    const dryRun = args.has('dry-run')
    const sandboxes = await context.sandboxes()
    const input = { dry_run: dryRun, ...(labels === undefined ? {} : { labels }) }
    const reply = await withProgress('Removing', context, () => sandboxes.gc(input, uncanceled()))
    if (args.has('json')) {
      context.stdout.write(`${printableJson({ ...reply, dry_run: dryRun }, 2)}\n`)
      return 0
    }
    for (const name of reply.removed) context.stdout.write(`${dryRun ? 'Would remove' : 'Removed'} ${printable(name)}\n`)
    if (reply.count === 0) context.stderr.write('There is nothing to remove.\n')
    return 0
  },
}

export const clean: Command = {
  spec: {
    name: 'sandbox clean',
    summary: 'Remove every sandbox that does not run',
    description: 'Asks first on a terminal. Elsewhere it needs --yes.',
    usage: ['sandbox clean [flags]'],
    positionals: { kind: 'none' },
    flags: [{ name: 'force', short: 'f', summary: 'Also those that run' }, { name: 'yes', short: 'y', summary: 'Do not ask' }, JSON_FLAG],
    examples: [
      { command: 'agentkernel sandbox clean', note: 'Remove what is stopped' },
      { command: 'agentkernel sandbox clean --force --yes', note: 'Remove all of them, without a question' },
    ],
    laterFlags: [{ name: 'all', note: 'Leave it out; there are no images and no build cache yet.' }],
  },
  family: 'plain',
  async execute(args, context) {
    const json = args.has('json')
    const sandboxes = await context.sandboxes()
    const doomed = (await sandboxes.list({})).filter((info) => args.has('force') || isIdle(info)).map(({ name }) => name)
    if (doomed.length > 0 && !args.has('yes')) {
      const { confirm } = await import('../../confirm.ts')
      const what = doomed.length === 1 ? `sandbox ${doomed[0]!}` : `${doomed.length} sandboxes: ${doomed.join(', ')}`
      if (!(await confirm(`This removes ${printable(what)}.`, context))) {
        throw new AppError('canceled', 'nothing was removed.', { fix: 'Answer y, or use --yes.' })
      }
    }
    const removed: string[] = []
    let failures = 0
    for (const name of doomed) {
      try {
        await withProgress(`Removing ${printable(name)}`, context, () => sandboxes.remove(name, uncanceled()))
        removed.push(name)
        if (!json) context.stdout.write(`Removed ${printable(name)}\n`)
      } catch (error) {
        if (!isAppError(error)) throw error
        // Somebody else was faster.
        if (error.code === 'sandbox_not_found') continue
        failures++
        renderError(error, { family: 'plain', json: false }, context)
      }
    }
    if (json) context.stdout.write(`${printableJson({ removed, count: removed.length, failed: failures }, 2)}\n`)
    else if (doomed.length === 0) context.stderr.write('There is nothing to remove.\n')
    return failures === 0 ? 0 : 1
  },
}

/** Sandboxes that somebody is making or removing are left to them. */
function isIdle({ status }: SandboxInfo): boolean {
  return status === 'stopped' || status === 'archived' || status === 'failed'
}

export const reconcile: Command = {
  spec: {
    name: 'sandbox reconcile',
    summary: 'Stop, archive and delete now what its lifecycle says',
    description:
      'The daemon does the same by itself every so often; see --auto-stop, --auto-archive and --auto-delete of `sandbox create`.',
    usage: ['sandbox reconcile [flags]'],
    positionals: { kind: 'none' },
    flags: [{ name: 'dry-run', summary: 'Say what would be done, and do nothing' }, JSON_FLAG],
    examples: [
      { command: 'agentkernel sandbox reconcile --dry-run', note: 'See what is due' },
      { command: 'agentkernel sandbox reconcile --json', note: 'Do it, and tell a script' },
    ],
  },
  family: 'plain',
  async execute(args, context) {
    const sandboxes = await context.sandboxes()
    const report = await withProgress('Looking at sandboxes', context, () =>
      sandboxes.reconcile({ dry_run: args.has('dry-run') }, uncanceled()),
    )
    if (args.has('json')) context.stdout.write(`${printableJson(report, 2)}\n`)
    else if (report.actions.length === 0) context.stderr.write('Nothing is due.\n')
    else {
      const rows = report.actions.map(({ sandbox, action, reason }) => [printable(sandbox), printable(action), printable(reason)])
      context.stdout.write(table(ACTIONS, rows))
    }
    return 0
  },
}

const ACTIONS = [
  { title: 'NAME', width: 30 },
  { title: 'ACTION', width: 10 },
  { title: 'REASON', width: 0 },
]
