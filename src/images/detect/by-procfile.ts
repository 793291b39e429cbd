import { type CommandMatch, detectByCommand } from './by-command.ts'

/** How much of a Procfile is looked at, in UTF-16 units here and in bytes where it is read. */
export const PROCFILE_LIMIT = 64 * 1024

/** Words of one line that are looked at; a prefix of more assignments than this is not a Procfile. */
const MAX_WORDS = 32

/** Programs that only start another one; the next word that is no option and no assignment is the program. */
const WRAPPERS: ReadonlySet<string> = new Set(['exec', 'env', 'command', 'nohup', 'time'])

/** A process type whose command gives the language away. */
export interface ProcfileMatch {
  /** `web`, `worker`, ... Only letters, digits, `_` and `-`. */
  readonly processType: string
  readonly match: CommandMatch
}

/**
 * The language of a Procfile: the first line whose program belongs to one. A shell counts only when no other line
 * says more, because `release: sh migrate.sh` is a helper beside `web: node server.js`; `sh -c "..."` counts as the
 * program inside. Text after `PROCFILE_LIMIT` is ignored.
 */
export function detectByProcfile(text: string): ProcfileMatch | undefined {
  let shell: ProcfileMatch | undefined
  for (const line of text.slice(0, PROCFILE_LIMIT).split('\n')) {
    const [, processType, command] = /^\uFEFF?([A-Za-z0-9_-]{1,64})\s*:(.*)$/.exec(line.trim()) ?? []
    if (processType === undefined || command === undefined) continue
    const match = detectByLine(splitWords(command))
    if (match === undefined) continue
    const found = { processType, match }
    if (match.language.id !== 'shell') return found
    shell ??= found
  }
  return shell
}

function detectByLine(words: readonly string[]): CommandMatch | undefined {
  const at = programIndex(words)
  const match = detectByCommand(words[at] ?? '')
  if (match?.language.id !== 'shell') return match
  const script = /^-[a-z]*c$/.test(words[at + 1] ?? '') ? words[at + 2] : undefined
  if (script === undefined) return match
  const inner = splitWords(script)
  return detectByCommand(inner[programIndex(inner)] ?? '') ?? match
}

/** Index of the program: past `NAME=value`, wrappers such as `exec`, and a wrapper's options. */
function programIndex(words: readonly string[]): number {
  let wrapped = false
  for (const [index, word] of words.entries()) {
    if (/^[A-Za-z_][A-Za-z0-9_]*=/.test(word)) continue
    if (wrapped && word.startsWith('-')) continue
    if (!WRAPPERS.has(word)) return index
    wrapped = true
  }
  return words.length
}

/** The first words of a line as a shell would split them: quotes group and vanish, nothing is expanded. */
function splitWords(text: string): string[] {
  const words: string[] = []
  let word: string | undefined
  let quote = ''
  for (const char of text) {
    if (quote === '' && /\s/.test(char)) {
      if (word !== undefined) words.push(word)
      if (words.length === MAX_WORDS) return words
      word = undefined
    } else if (char === quote) {
      quote = ''
    } else if (quote === '' && (char === '"' || char === "'")) {
      quote = char
      word ??= ''
    } else {
      word = (word ?? '') + char
    }
  }
  if (word !== undefined) words.push(word)
  return words
}
