import { nameProblem } from '../../../lib/name-rule.ts'
import type { CommandSpec, FlagSpec, PositionalSpec } from '../../command.ts'
import { usageError } from '../../parse-arguments.ts'
import type { ParsedArguments } from '../../parse-arguments.ts'
import { quoted } from '../../printable.ts'
import { parseLabel } from '../../../lib/labels.ts'

/** For commands about one sandbox. */
export const ONE_NAME: PositionalSpec = { kind: 'list', label: 'NAME', summary: 'The sandbox', max: 1, complete: 'sandbox' }

export const LABEL_FLAG: FlagSpec = {
  name: 'label',
  short: 'l',
  value: { label: 'KEY=VALUE' },
  repeatable: true,
  summary: 'Only sandboxes with this label; KEY:VALUE means the same (repeatable)',
}

/** The sandbox that the first word names. Errors: `usage`. */
export function nameOf(spec: CommandSpec, args: ParsedArguments): string {
  const [name] = args.positionals
  if (name === undefined) throw usageError(spec, `name a sandbox, as in \`agentkernel ${spec.name} dev\`.`)
  return checkedName(spec, name)
}

/** Errors: `usage`. */
export function checkedName(spec: CommandSpec, name: string): string {
  const problem = nameProblem(name)
  if (problem !== undefined) throw usageError(spec, `${quoted(name)} cannot name a sandbox: ${problem}.`)
  return name
}

/** The labels of `--label`; undefined without any. Errors: `usage`. */
export function labelsOf(spec: CommandSpec, args: ParsedArguments): Readonly<Record<string, string>> | undefined {
  if (!args.has('label')) return undefined
  const labels = new Map<string, string>()
  for (const text of args.values('label')) {
    const label = parseLabel(text)
    if ('problem' in label) throw usageError(spec, `--label ${quoted(text)}: ${label.problem}.`)
    const before = labels.get(label.key)
    if (before !== undefined && before !== label.value)
      throw usageError(spec, `--label gives ${quoted(label.key)} two values, ${quoted(before)} and ${quoted(label.value)}.`)
    labels.set(label.key, label.value)
  }
  return Object.fromEntries(labels)
}
