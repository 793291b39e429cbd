import type { CommandRules } from '../contract/config.ts'
import { simpleCommands } from './shell-text.ts'

export type CommandDecision =
  | { readonly allowed: true }
  | {
      readonly allowed: false
      /** The list that decided, and the entry where there is one: `security.commands.block: curl`. */
      readonly rule: string
      /** Path of the file the rule is in. */
      readonly source: string
      /** One sentence for the user. */
      readonly reason: string
    }

/**
 * Decides whether a command may start. An entry matches the whole text of a program word or its base name; a block
 * wins over every allow, and each layer of rules must agree.
 *
 * The programs looked at are the command itself and those behind well-known wrappers (`sh -c`, `env`, `timeout`,
 * `xargs`, …). This is a guard against mistakes, not a boundary: a program that is allowed may start any other one, and
 * a script file or `python -c` is not read. What a sandbox may reach is held by its isolation.
 */
export function checkCommand(argv: readonly string[], rules: readonly CommandRules[]): CommandDecision {
  if (rules.length === 0) return { allowed: true }
  const programs = programsOf(argv)
  for (const layer of rules) {
    for (const { word } of programs) {
      const entry = layer.block.find((candidate) => matches(candidate, word))
      if (entry !== undefined) return refuse(argv, word, 'is blocked by', `security.commands.block: ${entry}`, layer)
    }
  }
  for (const layer of rules) {
    if (!layer.allowlistOnly) continue
    const missing = programs.find(({ word, builtin }) => !builtin && !layer.allow.some((entry) => matches(entry, word)))
    if (missing !== undefined) return refuse(argv, missing.word, 'is not allowed by', 'security.commands.allowlist_only', layer)
  }
  return { allowed: true }
}

function refuse(argv: readonly string[], word: string, why: string, rule: string, { source }: CommandRules): CommandDecision {
  const inside = word === argv[0] ? '' : ` (inside "${baseName(argv[0] ?? '')}")`
  return { allowed: false, rule, source, reason: `Command "${word}"${inside} ${why} [security.commands] in ${source} (${rule})` }
}

function matches(entry: string, program: string): boolean {
  return entry === program || entry === baseName(program)
}

function baseName(program: string): string {
  return program.slice(program.lastIndexOf('/') + 1)
}

/** How a wrapper finds its command among its own arguments. */
interface Wrapper {
  /** Short options that take a value, as letters; the value may be the next word. */
  readonly shortWithValue?: string
  /** Long options whose value is the next word. */
  readonly longWithValue?: readonly string[]
  /** Words of its own before the command, such as the duration of `timeout`. */
  readonly operands?: number
  /** `K=V` words may come before the command. */
  readonly assignments?: true
}

const WRAPPERS: ReadonlyMap<string, Wrapper> = new Map<string, Wrapper>([
  ['env', { shortWithValue: 'uC', longWithValue: ['--unset', '--chdir'], assignments: true }],
  ['nice', { shortWithValue: 'n', longWithValue: ['--adjustment'] }],
  ['ionice', { shortWithValue: 'cn', longWithValue: ['--class', '--classdata'] }],
  ['nohup', {}],
  ['setsid', {}],
  ['stdbuf', { shortWithValue: 'ioe', longWithValue: ['--input', '--output', '--error'] }],
  ['timeout', { shortWithValue: 'sk', longWithValue: ['--signal', '--kill-after'], operands: 1 }],
  ['time', { shortWithValue: 'fo', longWithValue: ['--format', '--output'] }],
  [
    'xargs',
    { shortWithValue: 'adEIiLlnPs', longWithValue: ['--arg-file', '--delimiter', '--max-args', '--max-procs', '--max-lines', '--replace'] },
  ],
  ['exec', { shortWithValue: 'a' }],
  ['command', {}],
  ['builtin', {}],
  ['busybox', {}],
  ['sudo', { shortWithValue: 'ugpCDhrtTU', longWithValue: ['--user', '--group', '--chdir', '--host'], assignments: true }],
  ['doas', { shortWithValue: 'uC' }],
])

const SHELLS: ReadonlySet<string> = new Set(['sh', 'bash', 'dash', 'zsh', 'ash', 'ksh'])

/** Words of the shell language that a command may follow. */
const LEADING_KEYWORDS: ReadonlySet<string> = new Set(['if', 'then', 'elif', 'else', 'while', 'until', 'do', '!', '{', 'time', 'coproc'])
/** Words of the shell language whose rest names no program. */
const GRAMMAR: ReadonlySet<string> = new Set('} fi done esac for case select in function [[ (('.split(' '))
/** Commands a shell carries out itself and that start nothing; a list of allowed programs need not name them. */
const BUILTINS: ReadonlySet<string> = new Set(
  (
    ': . [ alias bg break cd continue declare echo exit export false fg getopts hash jobs kill let local mapfile popd printf pushd ' +
    'pwd read readonly return set shift shopt source test times true type typeset ulimit umask unalias unset wait'
  ).split(' '),
)

/** A word in the place of a program. */
interface Program {
  readonly word: string
  /** True when a shell carries it out itself. */
  readonly builtin: boolean
}

/** Wrappers inside wrappers are followed this deep. */
const MAX_DEPTH = 8

/** The program words a command starts, outermost first, as far as they can be read. */
function programsOf(argv: readonly string[], depth = 0): readonly Program[] {
  const [program, ...args] = argv
  if (program === undefined || depth > MAX_DEPTH) return []
  const name = baseName(program)
  const itself = { word: program, builtin: false }
  if (SHELLS.has(name)) return [itself, ...programsOfText(shellText(args), depth)]
  const wrapper = WRAPPERS.get(name)
  if (wrapper === undefined) return [itself]
  const split = name === 'env' ? splitString(args) : undefined
  const inner = split === undefined ? programsOf(commandBehind(wrapper, args), depth + 1) : programsOfText(split, depth)
  return [itself, ...inner]
}

function programsOfText(text: string | undefined, depth: number): readonly Program[] {
  if (text === undefined) return []
  return simpleCommands(text).flatMap((words) => programsOfWords(words, depth + 1))
}

/** Programs of one simple command of shell text: keywords, assignments and builtins are no programs. */
function programsOfWords(words: readonly string[], depth: number): readonly Program[] {
  const start = words.findIndex((word) => !LEADING_KEYWORDS.has(word) && !isAssignment(word))
  const [first, ...rest] = start === -1 ? [] : words.slice(start)
  if (first === undefined || depth > MAX_DEPTH) return []
  if (GRAMMAR.has(first)) return []
  const itself = { word: first, builtin: true }
  // `eval` and `trap` run their words as shell text.
  if (first === 'eval') return [itself, ...programsOfText(rest.join(' '), depth)]
  if (first === 'trap') return [itself, ...programsOfText(rest[0], depth)]
  if (BUILTINS.has(first)) return [itself]
  const isBuiltinWrapper = first === 'exec' || first === 'command' || first === 'builtin'
  if (!isBuiltinWrapper) return programsOf([first, ...rest], depth)
  return [itself, ...programsOfWords(commandBehind(WRAPPERS.get(first)!, rest), depth + 1)]
}

function isAssignment(word: string): boolean {
  return /^[A-Za-z_][A-Za-z0-9_]*\+?=/.test(word)
}

function commandBehind(wrapper: Wrapper, args: readonly string[]): readonly string[] {
  let operands = wrapper.operands ?? 0
  for (let at = 0; at < args.length; at++) {
    const word = args[at]!
    if (word === '--') return args.slice(at + 1 + operands)
    if (word.startsWith('--')) at += wrapper.longWithValue?.includes(word) === true ? 1 : 0
    else if (word.startsWith('-')) at += takesNextWord(word, wrapper.shortWithValue ?? '') ? 1 : 0
    else if (wrapper.assignments === true && word.includes('=')) continue
    else if (operands > 0) operands--
    else return args.slice(at)
  }
  return []
}

/** True when the last letter of a cluster such as `-iu` takes a value and nothing is left of the word to be it. */
function takesNextWord(cluster: string, withValue: string): boolean {
  const at = [...cluster.slice(1)].findIndex((letter) => withValue.includes(letter))
  return at !== -1 && at === cluster.length - 2
}

/** The string of `env -S 'cmd args'`, with what follows it. */
function splitString(args: readonly string[]): string | undefined {
  const at = args.findIndex((word) => /^-[iv0]*S/.test(word) || word === '--split-string' || word.startsWith('--split-string='))
  if (at === -1) return undefined
  const attached = args[at]!.replace(/^(?:-[iv0]*S|--split-string=?)/, '')
  return [attached, ...args.slice(at + 1)].join(' ')
}

/** The text a shell runs: the first operand when an option cluster holds `c`; undefined when it reads a file or stdin. */
function shellText(args: readonly string[]): string | undefined {
  let runsText = false
  for (let at = 0; at < args.length; at++) {
    const word = args[at]!
    if (word === '--' || word === '-') return runsText ? args[at + 1] : undefined
    if (word === '--rcfile' || word === '--init-file') at++
    else if (/^[-+]\w/.test(word)) {
      if (word.startsWith('-') && word.includes('c')) runsText = true
      if (/[oO]$/.test(word)) at++
    } else if (!word.startsWith('--')) return runsText ? word : undefined
  }
  return undefined
}
