import { allFlags, positionalsBeforeProgram } from './command.ts'
import type { Command, CommandSpec, CompletionKind, FlagSpec } from './command.ts'
import { COMMANDS, findCommand, visibleCommands } from './command-index.ts'
import type { CliContext } from './context.ts'
import { findFlag } from './parse-arguments.ts'
import { printable } from './printable.ts'

/**
 * What a completion script reads: lines of `candidate<TAB>description`, and at most one line that hands the job, or the
 * rest of it, to the shell (`:files`, `:command`). `words` follow the program's name; the last one is being typed.
 */
export async function candidates(words: readonly string[], context: CliContext): Promise<string> {
  const joined = joinEquals(words)
  const typed = joined.at(-1) ?? ''
  const found = await find(joined, typed, context)
  if (typeof found === 'string') return `:${found}\n`
  return found
    .filter((candidate) => candidate === FILES || candidate[0].startsWith(typed))
    .map(([word, description]) => `${printable(word)}${description === '' ? '' : `\t${printable(description)}`}\n`)
    .join('')
}

/** Beside candidates: the shell's own file names. */
const FILES = [':files', ''] as const

type Candidates = readonly (readonly [word: string, description: string])[]
type Handoff = 'files' | 'command'

async function find(words: readonly string[], typed: string, context: CliContext): Promise<Candidates | Handoff> {
  if (words.length <= 1) return typed.startsWith('-') ? GLOBAL_FLAGS : commandNames()
  const found = await findCommand(words.slice(0, -1))
  if (found === undefined) return []
  const { command, rest } = found
  const state = walk(command.spec, rest)
  if (state.kind === 'value') {
    const values = await valuesOf(...completionOf(state.flag), context)
    if (state.flag.value?.optional !== true || !typed.startsWith('-')) return values
    return flagNames(command.spec, rest)
  }
  const inline = /^(--[^=]+)=/.exec(typed)
  if (inline !== null && state.kind === 'open') {
    const values = await valuesOf(...completionOf(findFlag(command.spec, inline[1]!)), context)
    return typeof values === 'string' ? values : values.map(([word, description]) => [`${inline[1]!}=${word}`, description])
  }
  if (typed.startsWith('-') && state.kind === 'open') return flagNames(command.spec, rest)
  return positionals(command, state, rest, context)
}

function completionOf(flag: FlagSpec | undefined): [readonly string[] | undefined, CompletionKind | undefined] {
  return [flag?.value?.choices, flag?.value?.complete]
}

type State =
  /** Flags may follow; `positionals` words have been given. */
  | { readonly kind: 'open'; readonly positionals: number }
  /** The word being typed is this flag's value. */
  | { readonly kind: 'value'; readonly flag: FlagSpec }
  /** After `--`, or inside another program's words. */
  | { readonly kind: 'closed'; readonly positionals: number }

/** Where the words before the unfinished one leave us. */
function walk(spec: CommandSpec, words: readonly string[]): State {
  const before = positionalsBeforeProgram(spec)
  let given = 0
  for (let i = 0; i < words.length; i++) {
    const word = words[i]!
    if (word === '--') return { kind: 'closed', positionals: given + words.length - i - 1 }
    if (word.length < 2 || !word.startsWith('-')) {
      if (given === before) return { kind: 'closed', positionals: given + words.length - i }
      given++
      continue
    }
    const flag = word.startsWith('--') || word.length === 2 ? findFlag(spec, word) : undefined
    if (flag?.value === undefined) continue
    if (i + 1 === words.length) return { kind: 'value', flag }
    i++
  }
  return { kind: 'open', positionals: given }
}

async function positionals(
  command: Command,
  state: State & { positionals: number },
  words: readonly string[],
  context: CliContext,
): Promise<Candidates | Handoff> {
  const { positionals: wanted } = command.spec
  const subcommands = Object.entries(command.subcommands ?? {}).map(([name, sub]) => [name, sub.spec.summary] as const)
  if (state.positionals === 0 && subcommands.length > 0) return subcommands
  if (wanted.kind === 'command') {
    const before = wanted.first === undefined ? 0 : 1
    if (state.positionals < before) return valuesOf(undefined, wanted.first?.complete, context)
    return state.positionals === before ? 'command' : 'files'
  }
  if (wanted.kind === 'none' || state.positionals >= wanted.max) return []
  if (wanted.complete === 'exec') return state.positionals === 0 ? sandboxCandidates(context) : execCandidates(words, context)
  return valuesOf(wanted.choices, wanted.complete, context)
}

async function sandboxCandidates(context: CliContext): Promise<Candidates> {
  const { sandboxNames } = await import('./completion-names.ts')
  return sandboxNames(context)
}

async function execCandidates(words: readonly string[], context: CliContext): Promise<Candidates> {
  const name = words.find((word) => !word.startsWith('-'))
  const { execNames } = await import('./completion-names.ts')
  return name === undefined ? [] : execNames(name, context)
}

async function valuesOf(
  choices: readonly string[] | undefined,
  kind: CompletionKind | undefined,
  context: CliContext,
): Promise<Candidates | Handoff> {
  if (choices !== undefined) return plain(choices)
  switch (kind) {
    case undefined:
      return []
    case 'files':
      return kind
    case 'help-topic':
      return commandNames()
    case 'variable':
      return plain(Object.keys(context.env))
    case 'network-rule':
      return [
        ['public', 'every public host'],
        ...plain((await (await context.operations()).names('preset')).map((name) => `preset:${name}`)),
      ]
    case 'sandbox':
    case 'exec':
      return sandboxCandidates(context)
    case 'copy-end':
      return [...(await sandboxCandidates(context)).map(([name, status]) => [`${name}:`, status] as const), FILES]
    case 'backend':
    case 'profile':
    case 'agent':
    case 'secret':
      return plain(await (await context.operations()).names(kind))
  }
}

function plain(words: readonly string[]): Candidates {
  return words.map((word) => [word, ''])
}

const GLOBAL_FLAGS: Candidates = [
  ['--help', 'Show help'],
  ['--version', 'Print the version'],
]

async function commandNames(): Promise<Candidates> {
  return Promise.all(visibleCommands().map(async (name) => [name, (await COMMANDS[name]!()).spec.summary] as const))
}

/** Flags not given yet, and those that may be repeated. */
function flagNames(spec: CommandSpec, given: readonly string[]): Candidates {
  return allFlags(spec)
    .filter((flag) => flag.repeatable === true || !given.some((word) => word === `--${flag.name}` || word.startsWith(`--${flag.name}=`)))
    .map((flag) => [`--${flag.name}`, flag.summary])
}

/** bash breaks words at `=`; `--profile = mod` becomes `--profile=mod` again. */
function joinEquals(words: readonly string[]): readonly string[] {
  const joined: string[] = []
  for (const [index, word] of words.entries()) {
    const open = joined.at(-1)
    if (word === '=' && open?.startsWith('--') === true) joined[joined.length - 1] = `${open}=`
    else if (words[index - 1] === '=' && open?.startsWith('--') === true && open.endsWith('=')) joined[joined.length - 1] = open + word
    else joined.push(word)
  }
  return joined
}
