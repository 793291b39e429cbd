import { AppError } from '../contract/errors.ts'

/** The address of an operation, taken apart: `/sandboxes/{name}/files/{path}`. */
export interface RouteTemplate {
  readonly template: string
  /** As the router writes it; a last `{path}` or `*` takes whatever follows. */
  readonly pattern: string
  /** The parameters of an address that the router has matched. Errors: `invalid_argument` for text that is not UTF-8. */
  readonly params: (pathname: string) => Readonly<Record<string, string>>
}

export function routeTemplate(template: string): RouteTemplate {
  const parts = template.split('/')
  const takesRest = parts.at(-1) === '{path}'
  return {
    template,
    pattern: parts.map((part, at) => patternOf(part, takesRest && at === parts.length - 1)).join('/'),
    params: (pathname) => {
      const given = pathname.split('/')
      return Object.fromEntries(
        parts.flatMap((part, at) => {
          const name = /^\{(\w+)\}$/.exec(part)?.[1]
          if (name === undefined) return []
          if (takesRest && at === parts.length - 1) return [[name, absolute(given.slice(at).map(decode).join('/'))]]
          return [[name, decode(given[at] ?? '')]]
        }),
      )
    },
  }
}

function patternOf(part: string, rest: boolean): string {
  if (rest) return ':path{.*}'
  return part.replace(/^\{(\w+)\}$/, ':$1')
}

/** Clients write the path inside a sandbox with its leading slash, which then stands there twice, or without it. */
const absolute = (path: string): string => (path.startsWith('/') ? path : `/${path}`)

function decode(part: string): string {
  try {
    return decodeURIComponent(part)
  } catch (error) {
    throw new AppError('invalid_argument', 'the address holds a % that is not UTF-8', { cause: error })
  }
}
