import { column } from './style.ts'

/** Wider columns than this push only their own row to the right. */
const WIDEST_COLUMN = 40

export interface Column {
  readonly title: string
  /** Least width, in cells of a terminal. */
  readonly width: number
}

/** Rows under their titles, lined up, each ended by a line break. Cells must be safe to print; they may be coloured. */
export function table(columns: readonly Column[], rows: readonly (readonly string[])[]): string {
  const widths = columns.map(({ width }, at) => {
    const widest = Math.max(0, ...rows.map((row) => Bun.stringWidth(row[at] ?? '') + 1))
    return Math.max(width, Math.min(widest, WIDEST_COLUMN))
  })
  return [columns.map(({ title }) => title), ...rows]
    .map(
      (row) =>
        `${columns
          .map((_, at) => column(row[at] ?? '', widths[at]!))
          .join('')
          .trimEnd()}\n`,
    )
    .join('')
}

/** `Name:        dev`, one fact a line; facts without a value are left out. */
export function facts(rows: readonly (readonly [label: string, value: string | undefined])[]): string {
  const given = rows.flatMap(([label, value]) => (value === undefined ? [] : [[`${label}:`, value] as const]))
  const width = Math.max(0, ...given.map(([label]) => label.length)) + 2
  return given.map(([label, value]) => `${column(label, width)}${value}\n`).join('')
}
