/** The most labels of one sandbox. */
export const MAX_LABELS = 64
/** The most characters of a label's value. */
const MAX_VALUE_LENGTH = 255
const KEY = /^[A-Za-z0-9._/-]{1,63}$/
/** Controls, invisible and unassigned characters, line and paragraph separators, halves of surrogate pairs. */
const NOT_PRINTABLE = /[\p{Cc}\p{Cf}\p{Cs}\p{Cn}\p{Co}\p{Zl}\p{Zp}]/u

/**
 * Parses `key=value` or `key:value`; the first `=` or `:` separates, and the value may be empty. A text that is no label gives the
 * reason, one sentence that is safe to print.
 */
export function parseLabel(text: string): { readonly key: string; readonly value: string } | { readonly problem: string } {
  const at = text.search(/[=:]/)
  if (at === -1) return { problem: 'a label is written key=value or key:value' }
  const [key, value] = [text.slice(0, at), text.slice(at + 1)]
  const problem = labelProblem(key, value)
  return problem === undefined ? { key, value } : { problem }
}

/** Why this pair is no label, one sentence that is safe to print; undefined when it is one. */
export function labelProblem(key: string, value: string): string | undefined {
  if (key === '') return 'the key of a label is empty'
  if (!KEY.test(key)) {
    return /^[A-Za-z0-9._/-]+$/.test(key)
      ? `the key of a label has ${key.length} characters; the most is 63`
      : 'the key of a label may hold only ASCII letters, digits, ".", "_", "/" and "-"'
  }
  if (value.length > MAX_VALUE_LENGTH) return `the value of label "${key}" has ${value.length} characters; the most is ${MAX_VALUE_LENGTH}`
  if (NOT_PRINTABLE.test(value)) return `the value of label "${key}" holds a character that cannot be printed`
  return undefined
}

/** Why these cannot be the labels of one sandbox; undefined when they can. */
export function labelsProblem(labels: Readonly<Record<string, string>>): string | undefined {
  const entries = Object.entries(labels)
  if (entries.length > MAX_LABELS) return `there are ${entries.length} labels; the most is ${MAX_LABELS}`
  for (const [key, value] of entries) {
    const problem = labelProblem(key, value)
    if (problem !== undefined) return problem
  }
  return undefined
}

/** True when `labels` has every one of `wanted`, with the same values. */
export function hasLabels(labels: Readonly<Record<string, string>>, wanted: Readonly<Record<string, string>>): boolean {
  return Object.entries(wanted).every(([key, value]) => Object.hasOwn(labels, key) && labels[key] === value)
}
