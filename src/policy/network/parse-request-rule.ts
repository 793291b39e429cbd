import { isSingle } from './address.ts'
import { hostOf } from './parse-host.ts'
import type { Fail } from './parse-host.ts'
import { normalPath } from './paths.ts'
import { DEFAULT_PORT } from './rule.ts'
import type { RequestRule } from './rule.ts'
import { shown } from './shown.ts'

/** `GET,HEAD https://api.example.com:8443/v1/*`. Errors: what `fail` makes. */
export function parseRequestRule(text: string, fail: Fail): RequestRule {
  const [methods = '', url = '', ...rest] = text.split(/ +/)
  const form = "Write methods, a space and an address, as in 'GET,HEAD https://api.example.com/v1/*'."
  if (rest.length > 0 || /[^\x20-\x7e]/.test(text)) throw fail('it is neither a host nor a rule for requests', form)
  if (url === '') {
    const host = text.replace(/^[a-z+.-]*:\/\//i, '').replace(/[/?#].*$/, '')
    throw fail(
      'it has no methods',
      `Write ${host === '' ? 'example.com' : host.slice(0, 60)} for the whole host, or '* ${text.slice(0, 60)}' for these requests.`,
    )
  }
  const match = /^(https?):\/\/(\[[^\]]*\]|[^/:?#]*)(?::([^/?#]*))?(.*)$/.exec(url)
  if (match === null) throw fail('the address is neither http:// nor https://', form)
  const [, scheme, host, port, path] = match as unknown as [string, 'http' | 'https', string, string | undefined, string]
  if (host.includes('@')) throw fail('the address holds a user', form)
  const pattern = hostOf(host, fail)
  if (pattern.kind === 'range' && !isSingle(pattern.range)) throw fail('a rule for requests is for one host, not for a range', form)
  return {
    kind: 'request',
    methods: methodsOf(methods, fail),
    scheme,
    host: pattern,
    port: portOf(port, scheme, fail),
    path: pathOf(path, fail),
  }
}

function methodsOf(text: string, fail: Fail): '*' | readonly string[] {
  if (text === '*') return '*'
  const methods = [...new Set(text.split(','))]
  for (const method of methods) {
    if (!/^[A-Z][A-Z-]{0,31}$/.test(method))
      throw fail(`${shown(method)} is no method`, 'Write methods in capitals with commas, as in GET,HEAD, or * for all.')
    if (method === 'TRACE' || method === 'CONNECT') throw fail(`${method} never passes`, 'Leave it out.')
  }
  return methods
}

function portOf(text: string | undefined, scheme: 'http' | 'https', fail: Fail): number {
  if (text === undefined) return DEFAULT_PORT[scheme]
  if (/^[1-9]\d{0,4}$/.test(text) && Number(text) <= 65_535) return Number(text)
  throw fail(`${shown(text)} is no port`, 'Write one port from 1 to 65535.')
}

function pathOf(text: string, fail: Fail): string {
  if (text === '') throw fail('it has no path', 'End it with /* for every path of the host.')
  if (/[?#]/.test(text)) throw fail('a rule is about the path; it cannot hold a query', 'End the path before the ?.')
  const path = normalPath(text)
  if (path !== undefined) return path
  throw fail('the path can be read in two ways', 'Write it without //, dot segments, backslashes and encoded slashes.')
}
