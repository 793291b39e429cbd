import { variable } from './context.ts'
import type { CliContext, OutputStream } from './context.ts'

/** How to mark words on one stream: colours where they are wanted, and marks its locale can show. */
export interface Style {
  readonly bold: (text: string) => string
  readonly dim: (text: string) => string
  readonly red: (text: string) => string
  readonly green: (text: string) => string
  readonly yellow: (text: string) => string
  readonly marks: { readonly ok: string; readonly warning: string; readonly error: string; readonly info: string; readonly arrow: string }
}

export function styleFor(stream: OutputStream, env: CliContext['env']): Style {
  const colours = wantsColour(stream, env)
  const paint = (start: number, end: number) => (text: string) => (colours ? `\x1b[${start}m${text}\x1b[${end}m` : text)
  return {
    bold: paint(1, 22),
    dim: paint(2, 22),
    red: paint(31, 39),
    green: paint(32, 39),
    yellow: paint(33, 39),
    marks: isUtf8(env)
      ? { ok: '✓', warning: '!', error: '✗', info: '·', arrow: '→' }
      : { ok: 'ok', warning: '!', error: 'x', info: '-', arrow: '->' },
  }
}

/** FORCE_COLOR decides first (`0` and `false` mean no), then NO_COLOR, then whether the stream is a terminal. */
function wantsColour(stream: OutputStream, env: CliContext['env']): boolean {
  const forced = variable(env, 'FORCE_COLOR')
  if (forced !== undefined && forced !== '') return forced !== '0' && forced !== 'false'
  if ((variable(env, 'NO_COLOR') ?? '') !== '') return false
  return stream.isTTY && variable(env, 'TERM') !== 'dumb'
}

/** The order of POSIX: LC_ALL wins over LC_CTYPE, which wins over LANG; empty counts as unset. */
function isUtf8(env: CliContext['env']): boolean {
  for (const name of ['LC_ALL', 'LC_CTYPE', 'LANG']) {
    const value = variable(env, name) ?? ''
    if (value !== '') return /utf-?8/i.test(value)
  }
  return false
}

/** Pads on the right to `width` cells of a terminal; longer text keeps one space after it. Colours have no width. */
export function column(text: string, width: number): string {
  return text + ' '.repeat(Math.max(1, width - Bun.stringWidth(text)))
}

/** Breaks `text` at spaces so that no line is longer than `width`, save for longer words. */
export function wrap(text: string, width: number): readonly string[] {
  const lines: string[] = []
  let line = ''
  for (const word of text.split(' ')) {
    if (line !== '' && line.length + 1 + word.length > width) {
      lines.push(line)
      line = word
    } else line = line === '' ? word : `${line} ${word}`
  }
  return [...lines, line]
}
