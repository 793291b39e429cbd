/** One table of the report: a title, what to know about it, column names, and rows as long as the column names. */
export interface Table {
  readonly title: string
  readonly columns: readonly string[]
  readonly rows: readonly (readonly string[])[]
  /** Sentences below the table. */
  readonly notes?: readonly string[]
}

const NUMBER = /^(?:[≤≥] )?-?[\d.,]+(?: \S+)?$/

/** Numbers with or without a unit, and dashes for those that are missing. */
function isNumeric(cells: readonly string[]): boolean {
  const filled = cells.filter((cell) => cell !== '' && cell !== '–')
  return filled.length > 0 && filled.every((cell) => NUMBER.test(cell))
}

/**
 * The table as Markdown that is also readable in a terminal: every column is padded, and a column of numbers stands to the
 * right. A `|` in a cell is escaped. Throws a RangeError when a row has another length than the column names.
 */
export function formatTable({ title, columns, rows, notes = [] }: Table): string {
  const odd = rows.find((row) => row.length !== columns.length)
  if (odd !== undefined) throw new RangeError(`"${title}": a row of ${odd.length} cells under ${columns.length} columns: ${odd.join(', ')}`)
  const cells = [columns, ...rows].map((row) => row.map((cell) => cell.replaceAll('|', '\\|').replaceAll('\n', ' ')))
  const widths = columns.map((_, column) => Math.max(3, ...cells.map((row) => row[column]!.length)))
  const isRight = columns.map((_, column) => column > 0 && isNumeric(rows.map((row) => row[column]!)))
  const line = (row: readonly string[]): string =>
    `| ${row.map((cell, column) => (isRight[column] === true ? cell.padStart(widths[column]!) : cell.padEnd(widths[column]!))).join(' | ')} |`
  const rule = widths.map((width, column) => (isRight[column] === true ? `${'-'.repeat(width - 1)}:` : '-'.repeat(width)))
  const table = [line(cells[0]!), `| ${rule.join(' | ')} |`, ...cells.slice(1).map(line)].join('\n')
  return [`### ${title}`, table, ...notes].join('\n\n')
}

/** 12.345 → `12.3`; below ten two decimals, from a hundred on none. */
export function formatNumber(value: number): string {
  const size = Math.abs(value)
  if (size >= 100) return value.toFixed(0)
  return value.toFixed(size >= 10 ? 1 : 2)
}
