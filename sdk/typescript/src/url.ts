import { ValidationError } from './errors.ts'

export type Query = Readonly<Record<string, string | number | boolean | readonly string[] | undefined>>

/**
 * Joins the parts of a path: `route('sandboxes', name, 'start')`. Each part is one segment whatever it holds. Errors:
 * `invalid_argument` for an empty part, which would name another route, and for `.` and `..`, which every URL parser resolves
 * even when they are percent-encoded.
 */
export function route(...parts: readonly string[]): string {
  return `/${parts.map(segment).join('/')}`
}

/**
 * Path of a file in a sandbox as the end of a route, with or without a slash at its beginning. Errors: `path_forbidden` for `..`,
 * which would lead to another route; `invalid_argument` for what no URL can carry.
 */
export function filePath(path: string): string {
  if (typeof path !== 'string' || path === '') throw new ValidationError('a path must not be empty')
  const parts = path.split('/').filter((part) => part !== '' && part !== '.')
  if (parts.includes('..')) {
    throw new ValidationError(`the path ${JSON.stringify(path)} holds \`..\``, {
      code: 'path_forbidden',
      fix: 'Use an absolute path without `..`.',
    })
  }
  return `/${parts.map(encode).join('/')}`
}

/** `?a=1&b=2`, or nothing. A list repeats its name; what is undefined is left out. */
export function queryString(query: Query): string {
  const pairs = Object.entries(query).flatMap(([name, value]) => {
    if (value === undefined) return []
    const values = Array.isArray(value) ? (value as readonly string[]) : [String(value)]
    return values.map((one) => `${encode(name)}=${encode(one)}`)
  })
  return pairs.length === 0 ? '' : `?${pairs.join('&')}`
}

function segment(part: string): string {
  if (typeof part !== 'string' || part === '' || part === '.' || part === '..') {
    throw new ValidationError(`${part === '' ? 'an empty text' : JSON.stringify(part)} is no name`)
  }
  return encode(part)
}

function encode(text: string): string {
  try {
    return encodeURIComponent(text)
  } catch (cause) {
    throw new ValidationError('half of a surrogate pair cannot be sent', { cause })
  }
}
