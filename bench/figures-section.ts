export const BEGIN = '<!-- figures: written by `bun run bench --write` -->'
export const END = '<!-- figures: end -->'

/**
 * `text` with everything between the two marker lines exchanged for `figures`; the rest stays byte for byte. Throws an Error
 * that names the marker when one is missing, there twice, or in the wrong order, because then we would overwrite prose.
 */
export function replaceFigures(text: string, figures: string): string {
  const [begin, end] = [findOnce(text, BEGIN), findOnce(text, END)]
  if (end < begin) throw new Error(`the marker ${END} stands before ${BEGIN}`)
  return `${text.slice(0, begin + BEGIN.length)}\n\n${figures.trim()}\n\n${text.slice(end)}`
}

function findOnce(text: string, marker: string): number {
  const place = text.indexOf(marker)
  if (place === -1) throw new Error(`the marker ${marker} is missing`)
  if (text.includes(marker, place + 1)) throw new Error(`the marker ${marker} is there twice`)
  return place
}
