import { allFlags } from './command.ts'
import type { Command, CommandSpec, FlagSpec } from './command.ts'
import { COMMAND_ALIASES, COMMANDS, visibleCommands } from './command-index.ts'
import type { CliContext } from './context.ts'
import { LATER_COMMANDS } from './later-commands.ts'
import { styleFor, wrap } from './style.ts'
import type { Style } from './style.ts'

/** Longer lines are hard to read; narrower terminals get narrower help. */
const WIDEST = 100
const NARROWEST = 60

/** The page of `agentkernel --help`. */
export async function rootHelp(context: CliContext): Promise<string> {
  const page = new Page(context)
  page.text(`agentkernel ${context.version}: run any command in an isolated sandbox`)
  page.heading('Usage')
  page.text('agentkernel COMMAND [flags]', 2)
  page.heading('Commands')
  const commands = await Promise.all(visibleCommands().map((name) => COMMANDS[name]!()))
  page.rows(commands.map(({ spec }) => [withAliases(spec.name, COMMAND_ALIASES), spec.summary]))
  page.heading('Flags')
  page.rows([
    ['-h, --help', 'Show this help, or that of a command'],
    ['-V, --version', 'Print the version'],
  ])
  page.heading('Examples')
  page.examples([
    { command: `agentkernel run python3 -c "print('Hello from sandbox!')"`, note: 'Run a line of Python' },
    { command: 'agentkernel run -p restrictive python3 -V', note: 'Run something you do not trust' },
    { command: 'agentkernel sandbox create dev --dir .', note: 'Make a sandbox that stays, with a copy of this project' },
    { command: 'agentkernel exec dev npm test', note: 'Run something in it' },
    { command: 'agentkernel doctor', note: 'See what works on this machine' },
  ])
  page.heading('Arriving later')
  page.text(LATER_COMMANDS.join(', '), 2)
  return page.end()
}

/** The page of `agentkernel COMMAND --help`. */
export function commandHelp(command: Command, context: CliContext): string {
  const { spec } = command
  const page = new Page(context)
  page.text(spec.summary)
  if (spec.description !== undefined) {
    page.gap()
    page.text(spec.description)
  }
  page.heading('Usage')
  for (const line of spec.usage) page.text(`agentkernel ${line}`, 2)
  argumentSection(page, spec)
  const subcommands = Object.entries(command.subcommands ?? {})
  if (subcommands.length > 0) {
    page.heading('Commands')
    page.rows(subcommands.map(([name, sub]) => [`${spec.name} ${withAliases(name, command.aliases ?? {})}`, sub.spec.summary]))
  }
  page.heading('Flags')
  page.rows(allFlags(spec).map((flag) => [flagColumn(flag), flag.summary]))
  page.heading('Examples')
  page.examples(spec.examples)
  if (spec.laterFlags !== undefined) {
    page.heading('Arriving later')
    page.text(spec.laterFlags.map((flag) => `--${flag.name}`).join(', '), 2)
  }
  return page.end()
}

function argumentSection(page: Page, { positionals }: CommandSpec): void {
  if (positionals.kind === 'none') return
  page.heading('Arguments')
  if (positionals.kind === 'list') return page.rows([[positionals.label, positionals.summary]])
  const { first } = positionals
  page.rows([...(first === undefined ? [] : [[first.label, first.summary] as const]), ['COMMAND [ARG...]', positionals.summary]])
}

/** `list, ls`. */
function withAliases(name: string, aliases: Readonly<Record<string, string>>): string {
  const others = Object.entries(aliases).flatMap(([alias, target]) => (target === name ? [alias] : []))
  return [name, ...others].join(', ')
}

/** `-c, --config FILE`; flags without a letter line up under the others. */
function flagColumn(flag: FlagSpec): string {
  const short = flag.short === undefined ? '    ' : `-${flag.short}, `
  return `${short}--${flag.name}${valueLabel(flag)}`
}

/** ` FILE`, ` [NAME]` where it may be left out, or nothing. */
export function valueLabel({ value }: FlagSpec): string {
  if (value === undefined) return ''
  return value.optional === true ? ` [${value.label}]` : ` ${value.label}`
}

/** Text being laid out, line by line. */
class Page {
  readonly #lines: string[] = []
  readonly #width: number
  readonly #style: Style

  constructor(context: CliContext) {
    this.#width = Math.max(NARROWEST, Math.min(context.stdout.columns ?? WIDEST, WIDEST))
    this.#style = styleFor(context.stdout, context.env)
  }

  gap(): void {
    this.#lines.push('')
  }

  heading(text: string): void {
    this.#lines.push('', this.#style.bold(`${text}:`))
  }

  text(text: string, indent = 0): void {
    for (const line of wrap(text, this.#width - indent)) this.#lines.push(' '.repeat(indent) + line)
  }

  /** Two columns; the right one is wrapped. */
  rows(rows: readonly (readonly [string, string])[]): void {
    const left = Math.max(...rows.map(([name]) => name.length)) + 4
    for (const [name, summary] of rows) {
      const [first, ...rest] = wrap(summary, this.#width - left)
      this.#lines.push(`  ${name.padEnd(left - 2)}${first ?? ''}`)
      for (const line of rest) this.#lines.push(' '.repeat(left) + line)
    }
  }

  examples(examples: CommandSpec['examples']): void {
    for (const { command, note } of examples) this.#lines.push(`  ${this.#style.dim(`# ${note}`)}`, `  ${command}`)
  }

  end(): string {
    return `${this.#lines.join('\n')}\n`
  }
}
