import { BadMessage, type Headers, MOST_HEADERS } from '../head.ts'

/** What headers of HTTP/2 may be (RFC 9113, 8.2 and 8.3): the same that HTTP/1 may carry, and nothing about the connection. */
const NAME = /^[!#$%&'*+.^_`|~0-9a-z-]{1,256}$/
const VALUE = /^(?:[\x21-\x7e\x80-\xff](?:[\t\x20-\x7e\x80-\xff]*[\x21-\x7e\x80-\xff])?)?$/
const CONNECTION_HEADERS = new Set(['connection', 'keep-alive', 'proxy-connection', 'transfer-encoding', 'upgrade'])

export interface Fields {
  /** `:method` and so on, each once. */
  readonly pseudo: ReadonlyMap<string, string>
  readonly headers: Headers
}

/** Throws BadMessage with `status`. `allowed`: names of pseudo headers that may be there. */
export function readFields(all: Headers, allowed: readonly string[], status: number): Fields {
  const pseudo = new Map<string, string>()
  const headers: (readonly [string, string])[] = []
  const crumbs: string[] = []
  for (const [name, value] of all) {
    if (!VALUE.test(value)) throw new BadMessage(status, 'a header cannot be read')
    if (name.startsWith(':')) {
      if (headers.length > 0 || pseudo.has(name) || !allowed.includes(name))
        throw new BadMessage(status, 'a pseudo header where none may be')
      pseudo.set(name, value)
      continue
    }
    if (!NAME.test(name) || CONNECTION_HEADERS.has(name)) throw new BadMessage(status, 'a header that HTTP/2 does not have')
    if (name === 'cookie') crumbs.push(value)
    else headers.push([name, value])
  }
  // They may come in pieces, for the sake of compression; a server of HTTP/1 wants one.
  if (crumbs.length > 0) headers.push(['cookie', crumbs.join('; ')])
  if (headers.length > MOST_HEADERS) throw new BadMessage(status === 400 ? 431 : status, `more than ${MOST_HEADERS} headers`)
  return { pseudo, headers }
}

/** As HTTP/2 wants them: names in lower case, without what is about a connection. */
export function fieldsOf(headers: Headers): Headers {
  return headers.map(([name, value]) => [name.toLowerCase(), value] as const).filter(([name]) => !CONNECTION_HEADERS.has(name))
}

/** The one length that is named; undefined: none. Throws BadMessage. */
export function lengthOf(headers: Headers, status: number): number | undefined {
  const values = headers.filter(([name]) => name === 'content-length').map(([, value]) => value)
  if (values.length === 0) return undefined
  if (values.length > 1 || !/^\d{1,15}$/.test(values[0] ?? '')) throw new BadMessage(status, 'Content-Length must be one number, once')
  return Number(values[0])
}
