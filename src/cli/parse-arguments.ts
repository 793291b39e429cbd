import { AppError } from '../contract/errors.ts'
import { nearest } from '../lib/nearest.ts'
import { allFlags, positionalsBeforeProgram } from './command.ts'
import type { CommandSpec, FlagSpec } from './command.ts'
import { quoted } from './printable.ts'

/** The words of one command line, sorted. Values are still text; each command reads its own. */
export class ParsedArguments {
  readonly positionals: readonly string[]
  readonly #flags: ReadonlyMap<string, readonly string[]>

  constructor(flags: ReadonlyMap<string, readonly string[]>, positionals: readonly string[]) {
    this.#flags = flags
    this.positionals = positionals
  }

  has(name: string): boolean {
    return this.#flags.has(name)
  }

  /** The flag's value; undefined when it was not given. */
  value(name: string): string | undefined {
    return this.#flags.get(name)?.at(-1)
  }

  /** Every value of a repeatable flag, in order. */
  values(name: string): readonly string[] {
    return this.#flags.get(name) ?? []
  }
}

/**
 * Sorts `argv` (without the command's own name) by the command's table: `--flag value`, `--flag=value`, `-f value`,
 * `-fvalue`, `-f=value`, joined switches (`-qk`). `--` ends the flags; so does the program when the command stands for
 * another one: the first positional, or the second where a name comes first. `--help` anywhere among the flags makes the
 * rest unimportant.
 * Errors: `usage`, `not_available_yet`.
 */
export function parseArguments(spec: CommandSpec, argv: readonly string[]): ParsedArguments {
  return new Parser(spec, argv).parse()
}

/** The error every wrong command line ends in: what is wrong, and where the right form is described. */
export function usageError(spec: CommandSpec, detail: string): AppError {
  return new AppError('usage', detail, { fix: `See \`agentkernel ${spec.name} --help\`.` })
}

class Parser {
  readonly #spec: CommandSpec
  readonly #argv: readonly string[]
  readonly #flags = new Map<string, string[]>()
  readonly #positionals: string[] = []
  #next = 0

  constructor(spec: CommandSpec, argv: readonly string[]) {
    this.#spec = spec
    this.#argv = argv
  }

  parse(): ParsedArguments {
    const before = positionalsBeforeProgram(this.#spec)
    while (this.#next < this.#argv.length) {
      const word = this.#argv[this.#next]!
      if (word === '--') {
        this.#next++
        break
      }
      if (isFlag(word)) {
        this.#next++
        this.#refuseForeign(word)
        if (word.startsWith('--')) this.#long(word.slice(2))
        else this.#shorts(word.slice(1))
        continue
      }
      if (this.#positionals.length === before) break
      this.#positionals.push(word)
      this.#next++
    }
    for (; this.#next < this.#argv.length; this.#next++) this.#positionals.push(this.#argv[this.#next]!)
    if (!this.#flags.has('help')) this.#checkPositionals()
    return new ParsedArguments(this.#flags, this.#positionals)
  }

  #refuseForeign(word: string): void {
    const typed = word.split('=', 1)[0]!
    const foreign = this.#spec.foreignFlags?.find((flag) => flag.shown.includes(typed))
    if (foreign !== undefined) throw usageError(this.#spec, `${typed}: ${foreign.hint}`)
  }

  #long(text: string): void {
    const equals = text.indexOf('=')
    const name = equals < 0 ? text : text.slice(0, equals)
    const flag = findFlag(this.#spec, `--${name}`)
    if (flag === undefined) throw this.#unknown(`--${name}`)
    this.#set(flag, `--${name}`, equals < 0 ? undefined : text.slice(equals + 1))
  }

  #shorts(letters: string): void {
    for (let i = 0; i < letters.length; i++) {
      const shown = `-${letters[i]!}`
      const flag = findFlag(this.#spec, shown)
      if (flag === undefined) throw this.#unknown(i === 0 ? `-${letters}` : shown, shown)
      const rest = letters.slice(i + 1)
      if (flag.value === undefined && !rest.startsWith('=')) {
        this.#set(flag, shown, undefined)
        continue
      }
      this.#set(flag, shown, rest === '' ? undefined : rest.replace(/^=/, ''))
      return
    }
  }

  /** `inline` is the text after `=` or after the letter; undefined when the value, if any, is the next word. */
  #set(flag: FlagSpec, shown: string, inline: string | undefined): void {
    const label = flag.value?.label
    if (label === undefined) {
      if (inline !== undefined) throw usageError(this.#spec, `${shown} takes no value, but ${quoted(inline)} was given.`)
      this.#flags.set(flag.name, [''])
      return
    }
    if (inline === undefined && flag.value?.optional === true && !this.#valueFollows()) {
      this.#flags.set(flag.name, [])
      return
    }
    const value = inline ?? this.#nextValue(shown, label)
    if (value === '') throw usageError(this.#spec, `${shown} needs a value (${label}), but it is empty.`)
    if (flag.value?.choices !== undefined) checkChoice(this.#spec, shown, value, flag.value.choices)
    const before = this.#flags.get(flag.name)
    if (before === undefined) this.#flags.set(flag.name, [value])
    else if (flag.repeatable === true) before.push(value)
    else throw usageError(this.#spec, `--${flag.name} is given twice (${quoted(before[0]!)} and ${quoted(value)}); give it once.`)
  }

  #valueFollows(): boolean {
    const word = this.#argv[this.#next]
    return word !== undefined && word !== '--' && !isFlag(word)
  }

  #nextValue(shown: string, label: string): string {
    const word = this.#argv[this.#next]
    if (word === undefined || word === '--') throw usageError(this.#spec, `${shown} needs a value (${label}).`)
    // `-1` is a wrong size rather than a flag; its own check says so better.
    if (isFlag(word) && !/^-\d/.test(word)) {
      throw usageError(
        this.#spec,
        `${shown} needs a value (${label}), but ${quoted(word)} looks like a flag; write ${shown}=VALUE if it is meant.`,
      )
    }
    this.#next++
    return word
  }

  #unknown(shown: string, lookedUp = shown): AppError {
    const later = this.#spec.laterFlags?.find((flag) => `--${flag.name}` === lookedUp || `-${flag.short ?? ''}` === lookedUp)
    if (later !== undefined) {
      const name = lookedUp === `--${later.name}` ? lookedUp : `${lookedUp} (--${later.name})`
      return new AppError('not_available_yet', `${name} is not available yet.`, later.note === undefined ? {} : { fix: later.note })
    }
    const known = allFlags(this.#spec).flatMap((flag) => (flag.short === undefined ? [flag.name] : [flag.name, flag.short]))
    const guess = nearest(shown.replace(/^-+/, ''), known)
    const hint = guess === undefined ? '' : `; did you mean ${guess.length === 1 ? '-' : '--'}${guess}?`
    return usageError(this.#spec, `unknown flag ${quoted(shown)} for \`agentkernel ${this.#spec.name}\`${hint || '.'}`)
  }

  #checkPositionals(): void {
    const { positionals } = this.#spec
    if (positionals.kind === 'command') return
    const extra = this.#positionals[positionals.kind === 'none' ? 0 : positionals.max]
    if (extra !== undefined) throw usageError(this.#spec, `unexpected argument ${quoted(extra)} for \`agentkernel ${this.#spec.name}\`.`)
    if (positionals.kind === 'none' || positionals.choices === undefined) return
    for (const value of this.#positionals) checkChoice(this.#spec, positionals.label, value, positionals.choices)
  }
}

function checkChoice(spec: CommandSpec, shown: string, value: string, choices: readonly string[]): void {
  if (choices.includes(value)) return
  const guess = nearest(value, choices)
  const hint = guess === undefined ? '' : `; did you mean ${guess}?`
  throw usageError(spec, `unknown value ${quoted(value)} for ${shown} (accepted: ${choices.join(', ')})${hint || '.'}`)
}

/** The flag that `shown` (`--name` or `-n`) selects. */
export function findFlag(spec: CommandSpec, shown: string): FlagSpec | undefined {
  const long = shown.startsWith('--')
  const text = shown.slice(long ? 2 : 1)
  return allFlags(spec).find((flag) => (long ? flag.name === text : flag.short === text))
}

/** A lone `-` is a positional: many programs read it as standard input. */
function isFlag(word: string): boolean {
  return word.length > 1 && word.startsWith('-')
}

/**
 * True when the caller asked for JSON, also on a command line that does not parse: a script that asked for JSON wants
 * its error as JSON too.
 */
export function asksForJson(spec: CommandSpec, argv: readonly string[]): boolean {
  if (!spec.flags.some((flag) => flag.name === 'json')) return false
  const before = positionalsBeforeProgram(spec)
  let positionals = 0
  for (let i = 0; i < argv.length && argv[i] !== '--'; i++) {
    const word = argv[i]!
    if (word === '--json') return true
    if (!isFlag(word)) {
      if (positionals++ === before) return false
      continue
    }
    const takesNext = !word.includes('=') && (word.startsWith('--') || word.length === 2) && findFlag(spec, word)?.value !== undefined
    const follows = argv[i + 1]
    if (takesNext && follows !== undefined && !isFlag(follows)) i++
  }
  return false
}
