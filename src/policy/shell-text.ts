/**
 * Finds the simple commands in a piece of shell text: `a x; b | c && $(d)` holds a, b, c and d. It reads text the way a
 * person skims it, not as a shell runs it: variables, aliases and functions are not followed. Never throws.
 */
export function simpleCommands(text: string): readonly (readonly string[])[] {
  return scan(text, 0)
}

/** Text nested deeper than this is not looked at; nobody writes such text by mistake. */
const MAX_DEPTH = 8

/** Where the scanner stands: finished commands, the command being read and the word being read. */
interface Scan {
  readonly text: string
  readonly depth: number
  readonly commands: (readonly string[])[]
  at: number
  words: string[]
  /** Undefined between words; an empty string is a word too (`''`). */
  word: string | undefined
  /** Set after `<` or `>`: the next word names a file and is no part of the command. */
  skipWord: boolean
  /** Open `(`, so that the `)` of a `case` pattern can be told apart. */
  parens: number
  /** Ends of here-documents whose text starts after the next newline. */
  readonly hereEnds: string[]
  /** The next word is the end of a here-document. */
  hereWord: boolean
}

function scan(text: string, depth: number): (readonly string[])[] {
  const state: Scan = {
    text,
    depth,
    commands: [],
    at: 0,
    words: [],
    word: undefined,
    skipWord: false,
    parens: 0,
    hereEnds: [],
    hereWord: false,
  }
  if (depth > MAX_DEPTH) return []
  while (state.at < text.length) step(state)
  endCommand(state)
  return state.commands
}

/** Reads one character, or one quoted or nested stretch. */
function step(state: Scan): void {
  const char = state.text[state.at]!
  if (char === "'") return void quoted(state, state.text.indexOf("'", state.at + 1))
  if (char === '"') return doubleQuoted(state)
  if (char === '\\') return escaped(state)
  if (char === '`' || ('$<>'.includes(char) && state.text[state.at + 1] === '(')) return nested(state)
  if (char === '#' && state.word === undefined) return skipComment(state)
  if (char === '<' || char === '>') return redirection(state)
  state.at++
  if (char === ' ' || char === '\t' || char === '\r') return endWord(state)
  if (char === '\n') return newline(state)
  // `2>&1`: the `&` belongs to the redirection, which has already been read.
  if (char === ';' || char === '&' || char === '|') return endCommand(state)
  if (char === '(' || char === ')') return parenthesis(state, char)
  append(state, char)
}

function append(state: Scan, text: string): void {
  state.word = (state.word ?? '') + text
}

function quoted(state: Scan, end: number): void {
  const stop = end === -1 ? state.text.length : end
  append(state, state.text.slice(state.at + 1, stop))
  state.at = stop + 1
}

function doubleQuoted(state: Scan): void {
  append(state, '')
  state.at++
  while (state.at < state.text.length) {
    const char = state.text[state.at]!
    if (char === '"') return void state.at++
    if (char === '\\') escaped(state)
    else if (char === '`' || (char === '$' && state.text[state.at + 1] === '(')) nested(state)
    else {
      append(state, char)
      state.at++
    }
  }
}

function escaped(state: Scan): void {
  const next = state.text[state.at + 1]
  // A backslash before the end of a line joins the two lines.
  if (next !== undefined && next !== '\n') append(state, next)
  state.at += 2
}

/** `$(…)`, `<(…)`, `>(…)` or backquotes: commands of their own. What they print is not known, so the word gets a `$` in their place. */
function nested(state: Scan): void {
  const backquote = state.text[state.at] === '`'
  const start = state.at + (backquote ? 1 : 2)
  const end = backquote ? state.text.indexOf('`', start) : closingParen(state.text, start)
  const stop = end === -1 ? state.text.length : end
  state.commands.push(...scan(state.text.slice(start, stop), state.depth + 1))
  append(state, '$')
  state.at = stop + 1
}

function closingParen(text: string, start: number): number {
  let open = 1
  let inDouble = false
  for (let at = start; at < text.length; at++) {
    const char = text[at]
    if (char === '\\') at++
    else if (char === '"') inDouble = !inDouble
    else if (inDouble) continue
    else if (char === "'") {
      const end = text.indexOf("'", at + 1)
      if (end === -1) return -1
      at = end
    } else if (char === '(') open++
    else if (char === ')' && --open === 0) return at
  }
  return -1
}

function skipComment(state: Scan): void {
  const end = state.text.indexOf('\n', state.at)
  state.at = end === -1 ? state.text.length : end
}

function redirection(state: Scan): void {
  // `2>` : the digits are a descriptor, not a word.
  if (state.word !== undefined && /^\d+$/.test(state.word)) state.word = undefined
  endWord(state)
  const operator = /^(?:<<<|<<-|<<|<>|<&|>>|>&|>\||<|>)/.exec(state.text.slice(state.at, state.at + 3))![0]
  state.at += operator.length
  state.skipWord = true
  state.hereWord = operator === '<<' || operator === '<<-'
}

function newline(state: Scan): void {
  endCommand(state)
  for (const end of state.hereEnds.splice(0)) {
    while (state.at < state.text.length) {
      const stop = state.text.indexOf('\n', state.at)
      const line = state.text.slice(state.at, stop === -1 ? undefined : stop)
      state.at = stop === -1 ? state.text.length : stop + 1
      if (line.replace(/^\t+/, '') === end) break
    }
  }
}

function parenthesis(state: Scan, char: '(' | ')'): void {
  // Words before `(` name a function; words before a `)` that nothing opened are a `case` pattern.
  const dropped = char === '(' || state.parens === 0
  if (dropped) [state.words, state.word, state.skipWord] = [[], undefined, false]
  state.parens = Math.max(0, state.parens + (char === '(' ? 1 : -1))
  endCommand(state)
}

function endWord(state: Scan): void {
  if (state.word === undefined) return
  if (!state.skipWord) state.words.push(state.word)
  else if (state.hereWord) state.hereEnds.push(state.word)
  ;[state.word, state.skipWord, state.hereWord] = [undefined, false, false]
}

function endCommand(state: Scan): void {
  endWord(state)
  state.skipWord = false
  if (state.words.length > 0) state.commands.push(state.words)
  state.words = []
}
