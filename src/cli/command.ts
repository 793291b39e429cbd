import type { ExitFamily } from '../contract/errors.ts'
import type { CliContext } from './context.ts'
import type { ParsedArguments } from './parse-arguments.ts'

/**
 * What a command is, as data. Parsing, help, completions and the reference page all read the same table, so a flag
 * that is written once is known everywhere.
 */
export interface CommandSpec {
  /** Words that select it, e.g. `audit verify`. */
  readonly name: string
  /** One phrase for the list of commands. */
  readonly summary: string
  /** Further sentences for its own help page. */
  readonly description?: string
  /** Command lines without the program's name. */
  readonly usage: readonly string[]
  readonly flags: readonly FlagSpec[]
  readonly positionals: PositionalSpec
  readonly examples: readonly { readonly command: string; readonly note: string }[]
  /** Flags of the earlier product that are refused by name. */
  readonly laterFlags?: readonly LaterFlag[]
  /** Flags that people know from elsewhere, refused with what to do instead. They win over `-abc` read as joined flags. */
  readonly foreignFlags?: readonly ForeignFlag[]
}

export interface FlagSpec {
  /** Without dashes. */
  readonly name: string
  /** One letter. */
  readonly short?: string
  /** Absent: a switch that takes no value. */
  readonly value?: FlagValue
  readonly repeatable?: boolean
  readonly summary: string
}

export interface FlagValue {
  /** `FILE`, as help shows it. */
  readonly label: string
  /** True when the flag also stands alone; then it takes the next word only if that is no flag. */
  readonly optional?: boolean
  /** All accepted values, when they are few and fixed. */
  readonly choices?: readonly string[]
  readonly complete?: CompletionKind
}

/** Where shell completion finds candidates. */
export type CompletionKind =
  | 'files'
  | 'backend'
  | 'profile'
  | 'agent'
  /** Names in the vault. */
  | 'secret'
  | 'variable'
  /** Presets of network rules. */
  | 'network-rule'
  | 'help-topic'
  /** Sandboxes that exist, if the daemon runs. */
  | 'sandbox'
  /** Commands that were started in the sandbox named before. */
  | 'exec'
  /** `NAME:` of a sandbox, or files. */
  | 'copy-end'

export type PositionalSpec =
  | { readonly kind: 'none' }
  /** Ends the flags: the first positional and all that follows belongs to another program. */
  | {
      readonly kind: 'command'
      readonly summary: string
      /** A word that stands before the program; flags may follow it. Then the second positional ends the flags. */
      readonly first?: { readonly label: string; readonly summary: string; readonly complete?: CompletionKind }
    }
  | {
      readonly kind: 'list'
      readonly label: string
      readonly summary: string
      readonly max: number
      readonly choices?: readonly string[]
      readonly complete?: CompletionKind
    }

export interface LaterFlag {
  readonly name: string
  readonly short?: string
  /** What to know or do meanwhile, one sentence. */
  readonly note?: string
}

export interface ForeignFlag {
  /** As typed, dashes included. */
  readonly shown: readonly string[]
  /** What to know, a clause behind `-x: `, ended by a full stop. */
  readonly hint: string
}

/** A command and what it does. */
export interface Command {
  readonly spec: CommandSpec
  readonly family: ExitFamily
  /** Resolves with the exit status. Expected failures are `AppError`. */
  readonly execute: (args: ParsedArguments, context: CliContext) => Promise<number>
  /** Commands selected by a second word. */
  readonly subcommands?: Readonly<Record<string, Command>>
  /** Other words for subcommands: `rm` for `remove`. */
  readonly aliases?: Readonly<Record<string, string>>
}

export const JSON_FLAG: FlagSpec = { name: 'json', summary: 'Print JSON and nothing else on stdout' }
export const HELP_FLAG: FlagSpec = { name: 'help', short: 'h', summary: 'Show this help' }

/** How many positionals come before the flags end by themselves; undefined when flags may stand anywhere. */
export function positionalsBeforeProgram(spec: CommandSpec): number | undefined {
  if (spec.positionals.kind !== 'command') return undefined
  return spec.positionals.first === undefined ? 0 : 1
}

/** Every flag a command accepts, `--help` included. */
export function allFlags(spec: CommandSpec): readonly FlagSpec[] {
  return [...spec.flags, HELP_FLAG]
}
