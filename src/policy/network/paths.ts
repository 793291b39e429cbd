/**
 * Paths of requests. A server may read `/v1/%2e%2e/admin`, `/v1\..\admin` or `//admin` as something else than we do, so a path that
 * can be read in two ways matches no rule, neither one that allows nor one that blocks: it is refused where rules about paths exist.
 */

const UNRESERVED = /[A-Za-z0-9._~-]/
/**
 * Dot segments, also with parameters (`..;x`), encoded slashes and backslashes, the same encoded twice, empty segments, and what is
 * no character of a path.
 */
const AMBIGUOUS = /(?:^|\/)\.{1,2}(?:;[^/]*)?(?:\/|$)|%(?:25)*(?:2F|5C|00)|%25(?:25)*2[eE]|[^\x21-\x7e]|[\\#]|\/\//i

/**
 * The path with escapes in one form: `%41` becomes `A`, `%e4` becomes `%E4`. Undefined when it is not origin form or can be read in
 * two ways. A query is left out.
 */
export function normalPath(target: string): string | undefined {
  const query = target.indexOf('?')
  const path = query < 0 ? target : target.slice(0, query)
  if (!path.startsWith('/') || /%(?![0-9a-fA-F]{2})/.test(path)) return undefined
  const normal = path.replace(/%[0-9a-fA-F]{2}/g, (escape) => {
    const character = String.fromCharCode(Number.parseInt(escape.slice(1), 16))
    return UNRESERVED.test(character) ? character : escape.toUpperCase()
  })
  return AMBIGUOUS.test(normal) ? undefined : normal
}

/** True when `path` is what `pattern` says; `*` stands for any characters, also none. Takes time in proportion to both lengths. */
export function pathMatches(pattern: string, path: string): boolean {
  const pieces = pattern.split('*')
  const [first, last] = [pieces[0]!, pieces.at(-1)!]
  if (pieces.length === 1) return path === pattern
  if (!path.startsWith(first) || path.length < first.length + last.length || !path.endsWith(last)) return false
  let at = first.length
  const end = path.length - last.length
  for (const piece of pieces.slice(1, -1)) {
    const found = path.indexOf(piece, at)
    if (found < 0 || found + piece.length > end) return false
    at = found + piece.length
  }
  return true
}
