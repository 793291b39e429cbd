/**
 * File names are bytes, not text. Inside the scan a name or path is a *byte string*: one character for each byte, so
 * that every name is kept exactly and plain ASCII names, which is nearly all of them, cost nothing.
 */
export type BytePath = string

const BEYOND_ASCII = /[^\0-\x7f]/

export function toBytePath(text: string): BytePath {
  return BEYOND_ASCII.test(text) ? Buffer.from(text, 'utf8').toString('latin1') : text
}

/** What the functions of `node:fs` take. */
export function forFs(path: BytePath): string | Buffer {
  return BEYOND_ASCII.test(path) ? Buffer.from(path, 'latin1') : path
}

/** The path as text, or undefined when it is not valid UTF-8 and so cannot be told to others. */
export function toText(path: BytePath): string | undefined {
  if (!BEYOND_ASCII.test(path)) return path
  const bytes = Buffer.from(path, 'latin1')
  const text = bytes.toString('utf8')
  return Buffer.from(text, 'utf8').equals(bytes) ? text : undefined
}
