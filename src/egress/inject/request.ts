import { MANAGED_PLACEHOLDER, type SwapPlace } from '../../contract/secrets.ts'
import type { Injector, RequestHead, Target } from '../types.ts'
import { type BodyRules, bodyKindOf } from './body-rules.ts'
import { hasToken, insideBasic, isTokenIn, swapManaged, swapManagedParameters, swapTokens, unescaped } from './placeholder-text.ts'
import { isFor, limitOf, type Prepared } from './prepared.ts'
import { streamReplacer } from './stream-replacer.ts'

type Asked = Target & { readonly scheme: 'http' | 'https' }
type Decision = ReturnType<Injector['request']>
type Headers = RequestHead['headers']

/** A request that must not leave. It does not leave this file. */
class Blocked extends Error {}

/** One request on its way, with the secrets that have to do with its host. */
interface Way {
  readonly target: Asked
  readonly all: readonly Prepared[]
  /** Bound to this host and this request, exact names first. */
  readonly usable: readonly Prepared[]
  /** Bound to this host, but not to this request: why. */
  readonly limited: ReadonlyMap<Prepared, string>
  /** Names of what was put in; grows while the body passes. */
  readonly used: string[]
}

/** Puts secrets into a request where they belong, or blocks it. Never throws. */
export function decideRequest(all: readonly Prepared[], bodies: BodyRules, target: Asked, head: RequestHead): Decision {
  const here = all.filter((one) => isFor(one, target.host, target.port))
  const limits = here.map((one) => [one, limitOf(one, target, head)] as const)
  const way: Way = {
    target,
    all,
    usable: limits.filter(([, why]) => why === undefined).map(([one]) => one),
    limited: new Map(limits.flatMap(([one, why]) => (why === undefined ? [] : [[one, why] as const]))),
    used: [],
  }
  try {
    const address = addressOf(way, head.target)
    const headers = headersOf(way, head.headers)
    const body = bodyOf(way, bodies, head)
    // What comes back is searched for echoes, and must be readable for that.
    const readable = here.length === 0 ? headers : withHeader(headers, 'accept-encoding', 'identity')
    return {
      kind: 'pass',
      head: { ...head, target: address, headers: readable },
      ...(body === undefined ? {} : { body }),
      secrets: way.used,
    }
  } catch (error) {
    if (!(error instanceof Blocked)) throw error
    return { kind: 'blocked', reason: error.message, secrets: namesIn(way, head) }
  }
}

function headersOf(way: Way, before: Headers): Headers {
  let headers: Headers = before.map(([name, value]) => {
    if (isTokenIn(name)) throw new Blocked('a placeholder stands in the name of a header')
    return [name, insideBasic(value, (text) => swapTokens(text, (token) => forHeader(way, ...byToken(way, token))))]
  })
  const claimed = new Set<string>()
  for (const one of way.usable) {
    const { how, header = 'authorization' } = one.secret.binding
    if (how !== 'header' || claimed.has(header)) continue
    claimed.add(header)
    headers = withHeader(headers, header, credential(way, one, headers))
  }
  return headers.map(([name, value]) => [
    name,
    claimed.has(name.toLowerCase()) ? value : insideBasic(value, (text) => swapManaged(text, () => forHeader(way, managed(way)))),
  ])
}

/** What the header of a secret is set to. A program's own Basic authorization around the placeholder keeps its user name. */
function credential(way: Way, one: Prepared, headers: Headers): string {
  const { header, basicUser } = one.secret.binding
  const value = forHeader(way, one)
  if (header !== undefined) return value
  const own = headers.filter(([name]) => name.toLowerCase() === 'authorization')
  if (own.length === 1) {
    const swapped = insideBasic(own[0]![1], (text) => swapManaged(text, () => value))
    if (/^basic /i.test(swapped) && swapped !== own[0]![1]) return swapped
  }
  return basicUser === undefined ? `Bearer ${value}` : `Basic ${Buffer.from(`${basicUser}:${value}`, 'latin1').toString('base64')}`
}

/** In the place of the first of that name; further ones go. */
function withHeader(headers: Headers, name: string, value: string): Headers {
  const at = headers.findIndex(([one]) => one.toLowerCase() === name)
  if (at < 0) return [...headers, [name, value]]
  return headers.flatMap((one, index) => {
    if (one[0].toLowerCase() !== name) return [one]
    return index === at ? [[one[0], value] as const] : []
  })
}

function addressOf(way: Way, target: string): string {
  const cut = target.indexOf('?')
  const path = cut < 0 ? target : target.slice(0, cut)
  if (hasToken(path) || hasToken(unescaped(path)))
    throw new Blocked('a placeholder stands in the path of the address, where none is swapped')
  if (cut < 0) return target
  const inQuery = (one: Prepared): string => encodeURIComponent(valueOf(way, at(one, 'query', way)).toWellFormed())
  const swapped = swapTokens(target.slice(cut), (token) => inQuery(byToken(way, token)[0]))
  const query = swapManagedParameters(swapped, () => inQuery(managed(way)))
  if (hasToken(unescaped(query))) throw new Blocked('a placeholder stands in the query in an escaped form, which is not swapped')
  return `${path}${query}`
}

function bodyOf(way: Way, bodies: BodyRules, head: RequestHead) {
  const header = (wanted: string): string | undefined => head.headers.find(([name]) => name.toLowerCase() === wanted)?.[1]
  const none = header('content-length') === '0' || (header('content-length') === undefined && header('transfer-encoding') === undefined)
  if (none && (header('content-length') === '0' || ['GET', 'HEAD', 'OPTIONS', 'DELETE'].includes(head.method))) return undefined
  const swappable = way.usable.filter(({ secret }) => secret.binding.swap?.includes('body') === true)
  const words = new Set(way.usable.filter(({ secret }) => secret.binding.how === 'header').map(({ name }) => name))
  const rules = bodies.rulesFor(
    bodyKindOf(header('content-type')),
    way.all.map((one) => {
      const { how } = one.secret.binding
      const swap = swappable.includes(one) && (how === 'token' || words.size === 1)
      if (swap) return { one, value: valueOf(way, one, false) }
      // The fixed word is in every conversation about variables; it tells nothing, so bodies may hold it.
      if (how === 'header') return { one }
      return way.usable.includes(one) || way.limited.has(one) ? { one } : { one, block: notBound(one, way.target) }
    }),
  )
  if (rules === undefined) return undefined
  return streamReplacer(rules, ({ pattern, found }) => {
    if (!('bytes' in found)) return
    const text = Buffer.from(pattern).toString('latin1')
    note(way, swappable.find(({ secret }) => secret.placeholder === text)?.name)
  })
}

/** The secret of a token, if it may go with this request. */
function byToken(way: Way, token: string): [Prepared] {
  const named = way.all.filter(({ secret }) => secret.binding.how === 'token' && secret.placeholder === token)
  if (named.length === 0) throw new Blocked('it holds a placeholder of no secret of this sandbox')
  return [usableOf(way, named)]
}

/** The one secret that `ak-proxy-managed` can stand for in this request. */
function managed(way: Way): Prepared {
  const usable = way.usable.filter(({ secret }) => secret.binding.how === 'header')
  const names = new Set(usable.map(({ name }) => name))
  if (names.size === 1) return usable[0]!
  if (names.size > 1) {
    throw new Blocked(`"${MANAGED_PLACEHOLDER}" may stand for ${[...names].join(' or ')} here; give one its header with KEY:HOST:HEADER`)
  }
  const limited = [...way.limited].find(([{ secret }]) => secret.binding.how === 'header')
  throw new Blocked(limited?.[1] ?? `it holds the placeholder "${MANAGED_PLACEHOLDER}", and no secret is bound to ${way.target.host}`)
}

function usableOf(way: Way, named: readonly Prepared[]): Prepared {
  const usable = named.find((one) => way.usable.includes(one))
  if (usable !== undefined) return usable
  const limited = named.map((one) => way.limited.get(one)).find((why) => why !== undefined)
  throw new Blocked(limited ?? notBound(named[0]!, way.target))
}

function notBound({ name, secret }: Prepared, { host }: Target): string {
  return `it holds the placeholder of ${name}, which is bound to ${secret.binding.hosts.join(', ') || 'no host'} and not to ${host}`
}

function at(one: Prepared, place: SwapPlace, { target }: Way): Prepared {
  if (one.secret.binding.swap?.includes(place) === true) return one
  throw new Blocked(`it holds the placeholder of ${one.name} in the ${place}, where ${one.name} is not swapped for ${target.host}`)
}

function forHeader(way: Way, one: Prepared): string {
  const value = valueOf(way, one)
  // oxlint-disable-next-line no-control-regex -- control characters are what must not be there
  if (/[\x00-\x08\x0a-\x1f\x7f]/.test(value))
    throw new Blocked(`the value of ${one.name} holds a line break or another character that no header can hold`)
  return Buffer.from(value).toString('latin1')
}

function valueOf(way: Way, one: Prepared, isUse = true): string {
  const value = one.secret.value()
  if (value === undefined) throw new Blocked(`the vault has no ${one.name} now`)
  if (isUse) note(way, one.name)
  return value.reveal()
}

function note(way: Way, name: string | undefined): void {
  if (name !== undefined && !way.used.includes(name)) way.used.push(name)
}

/** Secrets whose placeholders the request holds, for who reads of it. */
function namesIn({ all, usable, limited }: Way, { target, headers }: RequestHead): readonly string[] {
  const texts = [unescaped(target), ...headers.map(([, value]) => value)]
  const text = [...texts, ...texts.map((value) => insideText(value))].join('\n')
  const concerned = all.filter((one) => {
    const { binding, placeholder } = one.secret
    return binding.how === 'token' ? text.includes(placeholder) : usable.includes(one) || limited.has(one)
  })
  return [...new Set(concerned.map(({ name }) => name))]
}

function insideText(value: string): string {
  let inside = ''
  insideBasic(value, (text) => {
    inside = text
    return text
  })
  return inside
}
