import { CONFIG_SHAPE } from '../../contract/schemas/config-keys.ts'
import { LONGEST_VARIABLE_BYTES } from '../../contract/schemas/config-shape.ts'
import type { TableKeys } from '../../contract/schemas/config-shape.ts'
import { nearest } from '../../lib/nearest.ts'
import type { Issue } from './check.ts'
import type { KeyLocator, KeyPath } from './locate-key.ts'

/** A file may have a hundred thousand mistakes; nobody reads more than a screen of them. */
const MOST_TOLD = 10

/** One sentence per issue, each with file, line and key; beyond ten only their number. */
export function explainIssues(issues: readonly Issue[], shownAs: string, locate: KeyLocator): string[] {
  const told = issues.slice(0, MOST_TOLD).map((issue) => `${shownAs}:${locate(issue.path)}: ${sentence(issue)}`)
  if (issues.length > MOST_TOLD) told.push(`${shownAs}: and ${issues.length - MOST_TOLD} more of this kind`)
  return told
}

function sentence(issue: Issue): string {
  const key = dotted(issue.path)
  switch (issue.kind) {
    case 'wrong':
      return `${key}: expected ${issue.expected}, found ${describeValue(issue.found)}`
    case 'missing':
      return `${key}: missing; expected ${issue.expected}`
    case 'long':
      return `${key}: is ${issue.bytes} bytes long with its name; the kernel gives a program at most ${LONGEST_VARIABLE_BYTES} (128 KiB)`
    case 'unknown': {
      const suggestion = suggest(issue.path, issue.known)
      // A key with a quoted part is already safe and readable as it is.
      return `unknown key ${key.includes('"') ? key : quote(key)}${suggestion === undefined ? '' : `; did you mean ${quote(suggestion)}?`}`
    }
  }
}

/** The known key a person most likely meant: a neighbour with a similar name, else the same name in another section. */
function suggest(path: KeyPath, known: TableKeys): string | undefined {
  const name = String(path.at(-1))
  const neighbour = nearest(name, Object.keys(known))
  if (neighbour !== undefined) return dotted([...path.slice(0, -1), neighbour])
  return elsewhere(name, CONFIG_SHAPE.keys, [])
}

function elsewhere(name: string, keys: TableKeys, path: KeyPath): string | undefined {
  for (const [section, { shape }] of Object.entries(keys)) {
    if (section === name) return dotted([...path, section])
    const inside = shape.kind === 'table' ? elsewhere(name, shape.keys, [...path, section]) : undefined
    if (inside !== undefined) return inside
  }
  return undefined
}

/** `files[0].source`; names that are not bare keys are quoted. */
export function dotted(path: KeyPath): string {
  let text = ''
  for (const part of path) {
    if (typeof part === 'number') text += `[${part}]`
    else text += `${text === '' ? '' : '.'}${/^[A-Za-z0-9_-]{1,60}$/.test(part) ? part : quote(part)}`
  }
  return text.length > 200 ? `${text.slice(0, 200)}…` : text
}

function describeValue(value: unknown): string {
  if (typeof value === 'string') return quote(value)
  if (Array.isArray(value)) return 'a list'
  if (value instanceof Date) return 'a date'
  if (typeof value === 'object') return 'a table'
  return typeof value === 'number' || typeof value === 'boolean' || typeof value === 'bigint' ? `${value}` : 'nothing'
}

/**
 * Text of the file inside a sentence: quoted, short, and unable to steer a terminal. JSON escapes C0 controls; the
 * rest of what a terminal or a reader could be fooled with is taken out here.
 */
function quote(text: string): string {
  const characters = [...text]
  const short = characters.length > 60 ? `${characters.slice(0, 59).join('')}…` : text
  return JSON.stringify(short).replace(
    /[\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  )
}
