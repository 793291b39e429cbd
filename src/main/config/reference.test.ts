import { expect, test } from 'bun:test'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { CONFIG_SHAPE } from '../../contract/schemas/config-keys.ts'
import type { Effect, Key, Shape, TableKeys } from '../../contract/schemas/config-shape.ts'
import { WIDENING_RULES } from '../../policy/narrow.ts'
import { parseConfig } from './parse.ts'

const page = readFileSync(join(import.meta.dir, '../../../docs/configuration.md'), 'utf8')

interface Row {
  readonly key: string
  readonly type: string
  readonly default: string
  readonly inert: string
  readonly acts: string
}

const ACTS: Readonly<Record<Effect, string>> = { now: 'now', later: 'later', label: 'describes' }

test('docs/configuration.md lists every key with its type, default, widening and effect', () => {
  const documented = tableOf(page).map(
    ([key, type, byDefault, inert, acts]): Row => ({ key, type, default: byDefault, inert, acts }) as Row,
  )
  expect(documented).toEqual(keysOf(CONFIG_SHAPE.keys, ''))
})

test('every key of docs/configuration.md has a description', () => {
  for (const cells of tableOf(page)) expect(cells[5]?.length ?? 0).toBeGreaterThan(2)
})

test('the example of docs/configuration.md is valid and has no unknown key', () => {
  const example = /```toml\n([^]*?)```/.exec(page)?.[1] ?? ''
  expect(parseConfig(example, 'example').file.resources?.memory_mb).toBe(2048)
  expect(parseConfig(example, 'example').warnings).toEqual([])
})

test('every widening rule names keys that exist', () => {
  const known = keysOf(CONFIG_SHAPE.keys, '').map(({ key }) => key)
  for (const { key } of WIDENING_RULES) {
    const matches = known.filter((one) => one === key || (key.endsWith('.*') && one.startsWith(key.slice(0, -1))))
    expect([key, matches.length > 0]).toEqual([key, true])
  }
})

/** Rows of the page's last table, as text without back quotes around a whole cell. */
function tableOf(text: string): string[][] {
  const rows = text
    .slice(text.indexOf('## All keys'))
    .split('\n')
    .filter((line) => line.startsWith('| `'))
  return rows.map((row) =>
    row
      .slice(2, -2)
      .split(' | ')
      .map((cell) => cell.replace(/^`([^`]*)`$/, '$1')),
  )
}

function keysOf(keys: TableKeys, prefix: string): Row[] {
  return Object.entries(keys).flatMap(([name, key]) => rowsOf(prefix + name, key))
}

function rowsOf(name: string, key: Key): Row[] {
  const { shape } = key
  const own: Row = { key: name, type: typeOf(shape), default: key.default ?? '–', inert: reasonOf(name), acts: ACTS[key.effect] }
  if (shape.kind === 'list' && shape.of.kind === 'table') return [own, ...keysOf(shape.of.keys, `${name}[].`)]
  // A section is no key of its own; a table inside a list's element is.
  if (shape.kind === 'table') return [...(name.includes('[]') ? [own] : []), ...keysOf(shape.keys, `${name}.`)]
  return [own]
}

function reasonOf(name: string): string {
  const rule = WIDENING_RULES.find(({ key }) => key === name || (key.endsWith('.*') && name.startsWith(key.slice(0, -1))))
  return rule?.why ?? '–'
}

function typeOf(shape: Shape): string {
  switch (shape.kind) {
    case 'flag':
      return 'true or false'
    case 'whole':
      return 'whole number'
    case 'choice':
      return shape.values.map((value) => `\`${value}\``).join(', ')
    case 'list':
      return `list of ${pluralOf(shape.of)}`
    case 'map':
      return `table of ${pluralOf(shape.of)}`
    case 'either':
      return shape.shapes.map(typeOf).join(' or ')
    case 'open':
      return 'table'
    case 'any':
      return 'any value'
    default:
      return shape.kind
  }
}

function pluralOf(shape: Shape): string {
  if (shape.kind === 'either') return shape.shapes.map(pluralOf).join(' or ')
  return `${shape.kind === 'whole' ? 'whole number' : shape.kind}s`
}
