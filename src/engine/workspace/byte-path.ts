/**
 * File names are bytes, not text. Inside the scan a name or path is a *byte string*: one character for each byte, so
 * that every name is kept exactly and plain ASCII names, which is nearly all of them, cost nothing.
 */
export type BytePath = string

/** Only ASCII takes as many bytes as characters. No pattern: compiling one costs more than a small project's scan. */
const isAscii = (text: string): boolean => Buffer.byteLength(text, 'utf8') === text.length

export function toBytePath(text: string): BytePath {
  return isAscii(text) ? text : Buffer.from(text, 'utf8').toString('latin1')
}

/** What the functions of `node:fs` take. */
export function forFs(path: BytePath): string | Buffer {
  return isAscii(path) ? path : Buffer.from(path, 'latin1')
}

/** The path as text, or undefined when it is not valid UTF-8 and so cannot be told to others. */
export function toText(path: BytePath): string | undefined {
  if (isAscii(path)) return path
  const bytes = Buffer.from(path, 'latin1')
  const text = bytes.toString('utf8')
  return Buffer.from(text, 'utf8').equals(bytes) ? text : undefined
}
