/** Longest text that a record keeps, in UTF-16 units: enough to read a command, not to store the script that it was given. */
const LONGEST_TEXT = 4_096
/** Longest list of texts together; a command line may have thousands of arguments. */
const LONGEST_LIST = 32_768

/** The same fields with long texts and lists cut. What was cut is said in place, so that a record never looks complete when it is not. */
export function boundStrings(fields: Readonly<Record<string, unknown>>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(fields).map(([key, value]) => [key, bound(value)]))
}

function bound(value: unknown): unknown {
  if (typeof value === 'string') return boundText(value)
  if (Array.isArray(value) && value.every((item) => typeof item === 'string')) return boundList(value)
  return value
}

function boundText(text: string): string {
  if (text.length <= LONGEST_TEXT) return text
  return `${text.slice(0, LONGEST_TEXT)}… (${text.length - LONGEST_TEXT} more characters)`
}

function boundList(texts: readonly string[]): string[] {
  const kept: string[] = []
  let length = 0
  for (const text of texts) {
    const item = boundText(text)
    // The quotes and the comma count, so that a million empty arguments are cut as well.
    length += item.length + 3
    if (length > LONGEST_LIST) return [...kept, `… (${texts.length - kept.length} more arguments)`]
    kept.push(item)
  }
  return kept
}
