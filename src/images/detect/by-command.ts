import { LANGUAGES, type Language } from './languages.ts'

/** No command of the table is near this long; longer names are not looked at. */
const MAX_NAME_LENGTH = 64

/** A command that belongs to a language. */
export interface CommandMatch {
  readonly language: Language
  /** The name as it stands in the table, e.g. `python` for `/usr/bin/python3.12`. */
  readonly command: string
  /** The base name as typed, e.g. `python3.12`. Only letters, digits, dots, `+` and `-`, so it is safe to print. */
  readonly typed: string
}

/**
 * The language that `argv0` belongs to, by its base name. A version suffix is allowed (`python3.12`, `gcc-12`,
 * `node22`); the exact name is tried first. Case counts. Undefined when no language claims it.
 */
export function detectByCommand(argv0: string): CommandMatch | undefined {
  const typed = argv0.slice(argv0.lastIndexOf('/') + 1)
  if (typed === '' || typed.length > MAX_NAME_LENGTH) return undefined
  return matchName(typed, typed) ?? matchName(typed.replace(/-?\d+(?:\.\d+)*$/, ''), typed)
}

function matchName(command: string, typed: string): CommandMatch | undefined {
  for (const language of LANGUAGES) {
    if (language.commands.includes(command) || language.tools.includes(command)) return { language, command, typed }
  }
  return undefined
}
