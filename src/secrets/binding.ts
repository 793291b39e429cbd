import { AppError } from '../contract/errors.ts'
import { type SecretBinding, type SecretRequest, SWAP_PLACES } from '../contract/secrets.ts'
import { Secret } from '../lib/secret.ts'
import { formatHostPattern, looksLikeHosts, parseHostPattern } from './host-pattern.ts'
import { type SecretTarget, targetsFor, wellKnownHosts } from './well-known.ts'

/**
 * The grammar of bindings. Pure: nothing is read here, and no message holds a value.
 *
 *     KEY                       the value of KEY in the vault, else in the environment; the hosts are known from the name
 *     KEY:HOST                  `Authorization: Bearer VALUE`, or the form that this host is known to want
 *     KEY:HOST:HEADER           `HEADER: VALUE`
 *     KEY=VALUE:HOST[:HEADER]   the value itself, which every user of the machine can see in the list of processes
 *     KEY=@FILE[:HOST[:HEADER]] the content of a file, without one final line break
 *     KEY=-[:HOST[:HEADER]]     what comes on stdin, likewise
 *
 * HOST is one or more patterns, comma-separated, each with a port if it is not 443. Behind `=` it must have a dot, because a value may
 * hold colons; there the text is read from its end.
 */
export interface ParsedSecret {
  readonly name: string
  readonly source: ValueSource
  /** Where it goes, one element for each form. Empty: no host is known (a file needs none). */
  readonly targets: readonly SecretTarget[]
  /** True when the value stood in the text, so that others may have seen it. */
  readonly exposed: boolean
}

/** Where a value comes from. `named`: the vault, else the environment. */
export type ValueSource =
  | { readonly kind: 'named' }
  | { readonly kind: 'given'; readonly value: Secret }
  | { readonly kind: 'file'; readonly path: string }
  | { readonly kind: 'stdin' }

export interface ParseOptions {
  /** False: files and stdin are refused, for a request that comes from elsewhere. @default true */
  readonly local?: boolean
  /** True: no host is no error. @default false */
  readonly hostOptional?: boolean
}

const VARIABLE = /^[A-Za-z_][A-Za-z0-9_-]{0,127}$/
const TOKEN = /^[A-Za-z0-9!#$%&'*+.^_`|~-]{1,128}$/
/** Headers that say how a message ends or where it goes; a secret there would break what follows it. */
const FORBIDDEN_HEADERS =
  /^(?:host|content-length|transfer-encoding|content-encoding|connection|keep-alive|te|trailer|upgrade|expect|proxy-.*|sec-.*)$/
const METHOD = /^[A-Z]{1,20}$/
const MOST_HOSTS = 50

/** One binding from text. Errors: `invalid_argument`. */
export function parseSecret(text: string, options: ParseOptions = {}): ParsedSecret {
  const name = /^[^:=]*/.exec(text)![0]
  checkVariable(name)
  const rest = text.slice(name.length)
  if (!rest.startsWith('=')) {
    const where = rest === '' ? {} : splitPosition(name, rest.slice(1))
    return { name, source: { kind: 'named' }, targets: targetsOf(name, where, options), exposed: false }
  }
  const { head, ...where } = splitFromEnd(rest.slice(1))
  const source = sourceOf(name, head, options.local ?? true)
  return { name, source, targets: targetsOf(name, where, options), exposed: source.kind === 'given' }
}

/** One binding from its table form. Errors: `invalid_argument`. */
export function parseSecretRequest(request: SecretRequest, options: ParseOptions = {}): ParsedSecret {
  const { name, value, host, header } = request
  checkVariable(name)
  if (value === '') throw refused(name, 'its value is empty')
  const hosts = host === undefined ? undefined : typeof host === 'string' ? host.split(',') : host
  const limits = limitsOf(name, request)
  const where = { ...(hosts === undefined ? {} : { hosts }), ...(header === undefined ? {} : { header }) }
  const targets = targetsOf(name, where, options).map((target) => ({ ...target, ...limits }))
  const source: ValueSource = value === undefined ? { kind: 'named' } : { kind: 'given', value: new Secret(value) }
  return { name, source, targets, exposed: false }
}

interface Where {
  readonly hosts?: readonly string[]
  readonly header?: string
}

/** `HOST[:PORT][,HOST[:PORT]…][:HEADER]`. */
function splitPosition(name: string, text: string): Where {
  const [, hosts, header] = /^([^:,]+(?::\d{1,5})?(?:,[^:,]+(?::\d{1,5})?)*)(?::([^:]+))?$/.exec(text) ?? []
  if (hosts === undefined) throw refused(name, 'what follows the name is not HOST, HOST:HEADER or HOST:PORT:HEADER')
  return { hosts: hosts.split(','), ...(header === undefined ? {} : { header }) }
}

/** `HEAD[:HOST[:PORT][,HOST[:PORT]…][:HEADER]]`, read from the end. */
function splitFromEnd(text: string): Where & { readonly head: string } {
  const tail = /:(?<hosts>[^:,\s]+(?::\d{1,5})?(?:,[^:,\s]+(?::\d{1,5})?)*)$/u
  const whole = tail.exec(text)
  if (whole !== null && areHosts(whole.groups!['hosts']!)) {
    return { head: text.slice(0, whole.index), hosts: whole.groups!['hosts']!.split(',') }
  }
  const cut = text.lastIndexOf(':')
  const header = text.slice(cut + 1)
  const before = cut < 0 ? null : tail.exec(text.slice(0, cut))
  if (before !== null && TOKEN.test(header) && areHosts(before.groups!['hosts']!)) {
    return { head: text.slice(0, before.index), hosts: before.groups!['hosts']!.split(','), header }
  }
  return { head: text }
}

const areHosts = (text: string): boolean => text.split(',').every((host) => looksLikeHosts(host.replace(/:\d{1,5}$/, '')))

function sourceOf(name: string, head: string, local: boolean): ValueSource {
  if (head === '') throw refused(name, 'its value is empty')
  if (head !== '-' && !head.startsWith('@')) return { kind: 'given', value: new Secret(head) }
  if (!local) throw refused(name, 'a file or stdin can be read for the command line only')
  if (head === '-') return { kind: 'stdin' }
  if (head === '@' || head.includes('\0')) throw refused(name, 'no file is named behind "=@"')
  return { kind: 'file', path: head.slice(1) }
}

function targetsOf(name: string, { hosts, header }: Where, { hostOptional = false }: ParseOptions): readonly SecretTarget[] {
  const wanted = hosts ?? wellKnownHosts(name)
  if (wanted === undefined) {
    if (hostOptional) return []
    throw new AppError('invalid_argument', `nothing says which host may get the secret ${name}`, {
      fix: `Name it: ${name}:api.example.com, or ${name}:api.example.com:X-Header for another header than Authorization.`,
    })
  }
  if (wanted.length > MOST_HOSTS) throw refused(name, `it names ${wanted.length} hosts; the most is ${MOST_HOSTS}`)
  const canonical = [...new Set(wanted.map((host) => canonicalHost(name, host)))]
  if (header === undefined) return targetsFor(name, canonical)
  checkHeader(name, header)
  return [{ hosts: canonical, header: header.toLowerCase() }]
}

function canonicalHost(name: string, text: string): string {
  const pattern = parseHostPattern(text.trim())
  if ('problem' in pattern) throw refused(name, `the host ${JSON.stringify(text.slice(0, 100))} is refused: ${pattern.problem}`)
  return formatHostPattern(pattern)
}

function checkHeader(name: string, header: string): void {
  if (!TOKEN.test(header)) throw refused(name, `${JSON.stringify(header.slice(0, 60))} is not the name of a header`)
  if (FORBIDDEN_HEADERS.test(header.toLowerCase())) throw refused(name, `the header ${header} cannot hold a secret`)
}

function limitsOf(name: string, { in: swap, methods, paths }: SecretRequest): Pick<SecretTarget, 'swap' | 'methods' | 'paths'> {
  const place = swap?.find((one) => !SWAP_PLACES.includes(one))
  if (place !== undefined) throw refused(name, '`in` holds something else than "query" and "body"')
  const upper = methods?.map((method) => method.toUpperCase())
  if (upper?.some((method) => !METHOD.test(method) || method === 'TRACE' || method === 'CONNECT')) {
    throw refused(name, '`methods` holds what is no method, or TRACE or CONNECT')
  }
  if (paths?.some((path) => !/^[/*][\x21-\x7e]*$/.test(path) || /[?#\\]/.test(path))) {
    throw refused(name, '`paths` holds what is no path; each begins with "/" and has neither "?" nor "#"')
  }
  return {
    ...(swap === undefined || swap.length === 0 ? {} : { swap: [...new Set(swap)] }),
    ...(upper === undefined ? {} : { methods: [...new Set(upper)] }),
    ...(paths === undefined ? {} : { paths: [...new Set(paths)] }),
  }
}

/** The name of a variable. Its message shows nothing else: what was given may be a value. */
function checkVariable(name: string): void {
  if (VARIABLE.test(name)) return
  throw new AppError('invalid_argument', 'a secret begins with the name of its variable: letters, digits, "_" and "-", no digit first', {
    fix: 'Write KEY, KEY:HOST, KEY:HOST:HEADER, KEY=@FILE:HOST or KEY=-:HOST.',
  })
}

function refused(name: string, why: string): AppError {
  return new AppError('invalid_argument', `the secret ${name}: ${why}`)
}

/** Two that would set the same header of the same requests. Errors: `invalid_argument`. */
export function checkConflicts(bindings: readonly SecretBinding[]): void {
  const seen = new Map<string, string>()
  for (const { name, how, hosts, header = 'authorization', methods, paths } of bindings) {
    if (how !== 'header') continue
    for (const host of hosts) {
      const key = JSON.stringify([host, header, methods, paths])
      const other = seen.get(key)
      if (other !== undefined && other !== name) {
        throw new AppError('invalid_argument', `the secrets ${other} and ${name} are both for the header ${header} of ${host}`, {
          fix: 'Give one another header (KEY:HOST:HEADER), or bind each to paths of its own.',
        })
      }
      seen.set(key, name)
    }
  }
}
