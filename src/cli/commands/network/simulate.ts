import type { SimulatedEvent, SimulationReport, TargetCount } from '../../../contract/network-reports.ts'
import type { Command } from '../../command.ts'
import { usageError } from '../../parse-arguments.ts'
import { printable, printableJson } from '../../printable.ts'
import { hostPath } from '../values.ts'
import { RULES_FLAGS, rulesInput } from './rules-input.ts'

/** Targets that are named before the rest is only counted. */
const MOST_SHOWN = 50

export const simulate: Command = {
  spec: {
    name: 'network simulate',
    summary: 'Decide a recorded network log again, by other rules',
    description: 'LOG is what `run --network-log LOG` wrote. The rules are those that a `run` here with the same flags would have.',
    usage: ['network simulate [flags] LOG'],
    positionals: { kind: 'list', label: 'LOG', summary: 'File of `run --network-log`', max: 1, complete: 'files' },
    flags: [
      ...RULES_FLAGS,
      { name: 'verbose', short: 'v', summary: 'Say what becomes of each event' },
      { name: 'json', summary: 'Print one object; with --verbose one for each event before it' },
    ],
    examples: [
      {
        command: 'agentkernel network simulate net.jsonl --allow preset:node --allow example.com',
        note: 'What would these rules have refused?',
      },
      { command: 'agentkernel network simulate net.jsonl --config strict.toml --json', note: 'The rules of a file, for a script' },
    ],
  },
  family: 'plain',
  async execute(args, context) {
    const { spec } = simulate
    const log = hostPath(spec, 'LOG', args.positionals[0], context.cwd)
    if (log === undefined) throw usageError(spec, 'name the log, as in `agentkernel network simulate net.jsonl --allow example.com`.')
    const json = args.has('json')
    const onEvent = ({ line, was, verdict }: SimulatedEvent): void => {
      const now = verdict.allowed ? 'allowed' : 'denied'
      const why = verdict.reason ?? verdict.rule ?? ''
      context.stdout.write(
        json
          ? `${printableJson({ line, was, now, ...verdict })}\n`
          : `${line}: ${was === now ? now : `${was} -> ${now}`} (${printable(why)})\n`,
      )
    }
    const report = await (
      await context.operations()
    ).networkSimulate({ ...rulesInput(spec, args, context), log }, args.has('verbose') ? onEvent : undefined)
    context.stdout.write(json ? `${printableJson(report)}\n` : page(report))
    return 0
  },
}

function page(report: SimulationReport): string {
  const { events, allowed, denied, skipped } = report
  const left = skipped === 0 ? '' : `, ${skipped} ${skipped === 1 ? 'line was' : 'lines were'} no event`
  return [
    `${events} events: ${allowed} allowed, ${denied} denied${left}\n`,
    section('Newly denied', report.newly_denied),
    section('Newly allowed', report.newly_allowed),
    report.newly_denied.length + report.newly_allowed.length === 0 ? 'Nothing would change.\n' : '',
    report.incomplete ? 'There were more targets than are listed.\n' : '',
  ].join('')
}

function section(title: string, targets: readonly TargetCount[]): string {
  if (targets.length === 0) return ''
  const lines = targets.slice(0, MOST_SHOWN).map(({ target, count, reason, rule, hint }) => {
    const why = reason ?? (rule === undefined ? '' : `by ${rule}`)
    return `  ${printable(target)}  ${count === 1 ? 'once' : `${count} times`}: ${printable(why)}${hint === undefined ? '' : `; ${printable(hint)}`}\n`
  })
  const more = targets.length > MOST_SHOWN ? `  and ${targets.length - MOST_SHOWN} more\n` : ''
  return `${title}:\n${lines.join('')}${more}`
}
