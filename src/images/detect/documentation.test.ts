import { describe, expect, test } from 'bun:test'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { detectByFiles } from './by-files.ts'
import { LANGUAGES } from './languages.ts'
import { RUNTIME_IMAGES } from './runtime-images.ts'

const page = await readFile(join(import.meta.dir, '../../../docs/auto-detection.md'), 'utf8')

/** Body rows of the table whose first header cell is `header`. */
function rowsUnder(header: string): string[][] {
  const lines = page.split('\n')
  const from = lines.findIndex((line) => line.startsWith(`| ${header} |`)) + 2
  const length = lines.slice(from).findIndex((line) => !line.startsWith('|'))
  return lines
    .slice(from, length < 0 ? undefined : from + length)
    .map((line) => line.split(' | ').map((cell) => cell.replace(/^\| | \|$/g, '')))
}
const code = (words: readonly string[] = []): string => (words.length === 0 ? '–' : words.map((word) => `\`${word}\``).join(' '))

describe('docs/auto-detection.md', () => {
  test('lists every language as the table has it', () => {
    const table = LANGUAGES.map(({ title, files, commands, tools, image }, index) => {
      return [`${index + 1}`, title, code(files.strong), code(files.likely), code(files.weak), code(commands), code(tools), code([image])]
    })
    expect(rowsUnder('#')).toEqual(table)
  })

  test('lists every runtime with its image', () => {
    expect(rowsUnder('Runtime')).toEqual(Object.entries(RUNTIME_IMAGES).map(([name, image]) => [code([name]), code([image])]))
  })

  test('shows examples that come out as it says', () => {
    const rows = rowsUnder('Project')
    expect(rows.length).toBeGreaterThan(0)
    for (const [project = '', title = ''] of rows) {
      const entries = project.split(' ').map((name) => ({ name: name.replaceAll('`', ''), isDirectory: false }))
      expect([project, detectByFiles(entries)?.language.title]).toEqual([project, title])
    }
  })
})
