import { secretNameProblem } from '../../../contract/secrets.ts'
import type { CommandSpec, PositionalSpec } from '../../command.ts'
import type { CliContext } from '../../context.ts'
import { usageError } from '../../parse-arguments.ts'
import type { ParsedArguments } from '../../parse-arguments.ts'
import { printable } from '../../printable.ts'

/** For commands about one secret. */
export const ONE_KEY: PositionalSpec = { kind: 'list', label: 'KEY', summary: 'Name of the secret', max: 1, complete: 'secret' }

/** The secret that the first word names. Its message quotes nothing: `KEY=VALUE` is what people write by mistake. Errors: `usage`. */
export function keyOf(spec: CommandSpec, args: ParsedArguments): string {
  const [name] = args.positionals
  if (name === undefined) throw usageError(spec, `name a secret, as in \`agentkernel ${spec.name} OPENAI_API_KEY\`.`)
  const problem = secretNameProblem(name)
  if (problem === undefined) return name
  const hint = name.includes('=') ? '; name and value are two words' : ''
  throw usageError(spec, `the name of the secret ${problem}${hint}.`)
}

export function tellNotices(notices: readonly string[], context: CliContext): void {
  for (const notice of notices) context.stderr.write(`agentkernel: ${printable(notice)}\n`)
}
