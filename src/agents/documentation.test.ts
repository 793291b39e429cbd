import { expect, test } from 'bun:test'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { AGENTS } from './registry.ts'

test('docs/agents.md lists every agent as the registry has it', async () => {
  const page = await readFile(join(import.meta.dir, '../../docs/agents.md'), 'utf8')
  const lines = page.split('\n').filter((line) => line.startsWith('|'))
  const code = (words: readonly string[]): string => words.map((word) => `\`${word}\``).join(' ')
  const rows = AGENTS.map(({ title, name, aliases, binary, keyVariables, installHint }) => {
    const hint = installHint.startsWith('npm ') ? code([installHint]) : installHint
    return `| ${[title, code([name, ...aliases]), code([binary]), code(keyVariables), hint].join(' | ')} |`
  })
  expect(lines.slice(2)).toEqual(rows)
})
