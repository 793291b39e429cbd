export const BEGIN = '<!-- figures: written by `bun run bench --write` -->'
export const END = '<!-- figures: end -->'

/**
 * `text` with everything between the two marker lines exchanged for `figures`; the rest stays byte for byte. Throws an Error
 * that names the marker when one is missing, there twice, or in the wrong order, because then we would overwrite prose.
 */
export function replaceFigures(text: string, figures: string, markers = { begin: BEGIN, end: END }): string {
  const [begin, end] = [findOnce(text, markers.begin), findOnce(text, markers.end)]
  if (end < begin) throw new Error(`the marker ${markers.end} stands before ${markers.begin}`)
  return `${text.slice(0, begin + markers.begin.length)}\n\n${figures.trim()}\n\n${text.slice(end)}`
}

function findOnce(text: string, marker: string): number {
  const place = text.indexOf(marker)
  if (place === -1) throw new Error(`the marker ${marker} is missing`)
  if (text.includes(marker, place + 1)) throw new Error(`the marker ${marker} is there twice`)
  return place
}
