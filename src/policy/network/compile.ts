import type { NetworkLevel } from '../../contract/config.ts'
import { HOST_NAME_INSIDE, PUBLIC_RULE } from '../../contract/network.ts'
import type { NetworkRules } from '../../contract/network.ts'
import { contains, formatAddress, isSingle, parseAddress } from './address.ts'
import type { Address, AddressRange } from './address.ts'
import { blockedBy, hintFor, literalText, notAName, notLoopback, quic, requestBlocked, requestNotListed } from './denials.ts'
import type { Denied } from './denials.ts'
import { normalName } from './names.ts'
import { parseRule } from './parse-rule.ts'
import { normalPath, pathMatches } from './paths.ts'
import { printRule } from './rule.ts'
import type { RequestRule } from './rule.ts'
import { covers, QUIC_PORT, RuleIndex } from './rule-index.ts'
import type { Host } from './rule-index.ts'
import { shown } from './shown.ts'
import { formsOf, specialAddresses } from './special-addresses.ts'
import type { SpecialClass } from './special-addresses.ts'
import type { CompiledPolicy, PolicyFacts, Protocol, RequestFacts, Verdict } from './types.ts'

/** Makes rules ready for decisions. Errors: `invalid_argument`, when a rule cannot be read. */
export function compilePolicy(rules: NetworkRules, facts: PolicyFacts): CompiledPolicy {
  return new Policy(rules, facts)
}

class Policy implements CompiledPolicy {
  readonly level: NetworkLevel
  readonly rules: NetworkRules
  readonly #allow: RuleIndex
  readonly #block: RuleIndex
  readonly #classify: (address: Address) => SpecialClass | undefined

  constructor(rules: NetworkRules, facts: PolicyFacts) {
    const [allow, block] = [rules.allow.map(parseRule), rules.block.map(parseRule)]
    this.rules = { allow: [...new Set(allow.map(printRule))], block: [...new Set(block.map(printRule))] }
    this.#allow = new RuleIndex(allow, false)
    this.#block = new RuleIndex(block, true)
    this.level = allow.length === 0 ? 'none' : this.#allow.isPublic ? 'public' : 'listed'
    this.#classify = specialAddresses(facts.ownAddresses)
  }

  decideLookup(name: string): Verdict {
    const normal = normalName(name)
    if (normal === undefined) return notAName(name)
    const blocked = find(this.#block.names.find(normal), (entry) => entry.ports === 'all' && entry.protocols.length === 2)
    if (blocked !== undefined) return blockedBy(normal, blocked.text)
    const [rule] = [...this.#allow.names.find(normal), ...this.#allow.requestNames.find(normal)]
    if (rule !== undefined) return { allowed: true, rule: rule.text }
    return this.#allow.isPublic && normal !== HOST_NAME_INSIDE ? this.#publicRule(normal) : this.#notListed(normal, '')
  }

  decideName(name: string, port: number, protocol: Protocol): Verdict {
    const normal = normalName(name)
    if (normal === undefined) return notAName(name)
    const blocked = find(this.#block.names.find(normal), (entry) => covers(entry, port, protocol))
    if (blocked !== undefined) return blockedBy(normal, blocked.text)
    const rule = find(this.#allow.names.find(normal), (entry) => covers(entry, port, protocol))
    if (rule !== undefined) return { allowed: true, rule: rule.text }
    const [request] = protocol === 'tcp' ? this.#allow.requests({ kind: 'name', name: normal }, port) : []
    if (request !== undefined) return { allowed: true, rule: request.text }
    if (protocol === 'udp' && port === QUIC_PORT) return quic(normal)
    if (this.#allow.isPublic && normal !== HOST_NAME_INSIDE) return this.#publicRule(normal)
    return this.#notListed(normal, hintFor(normal, port, protocol))
  }

  decideAddress(literal: string, port: number, protocol: Protocol): Verdict {
    const address = parseAddress(literal)
    if (address === undefined) return { allowed: false, reason: `${shown(literal)} is no address` }
    const text = formatAddress(address)
    return (
      this.#blockedAddress(address, port, protocol) ??
      this.#special(address, `${text} is`, port, protocol) ??
      this.#ordinary(address, text, port, protocol)
    )
  }

  addressAllowed(name: string, literal: string, port: number, protocol: Protocol): Verdict {
    const verdict = this.decideName(name, port, protocol)
    if (!verdict.allowed) return verdict
    const address = parseAddress(literal)
    if (address === undefined) return { allowed: false, reason: `${shown(literal)} is no address` }
    const blocked = this.#blockedAddress(address, port, protocol)
    if (blocked !== undefined) return blocked
    if (normalName(name) === HOST_NAME_INSIDE) return isLoopback(address) ? verdict : notLoopback(address)
    const special = this.#special(address, `${normalName(name)} is at ${formatAddress(address)},`, port, protocol)
    return special === undefined || special.allowed ? verdict : special
  }

  opens(hostText: string, port: number): boolean {
    const host = hostOf(hostText)
    return host !== undefined && (isSome(this.#allow.requests(host, port)) || isSome(this.#block.requests(host, port)))
  }

  decideRequest(request: RequestFacts): Verdict {
    const { port } = request
    const host = hostOf(request.host)
    if (host === undefined) return notAName(request.host)
    const text = host.kind === 'name' ? host.name : formatAddress(host.address)
    const connection = host.kind === 'name' ? this.decideName(text, port, 'tcp') : this.decideAddress(text, port, 'tcp')
    const [allow, block] = [[...this.#allow.requests(host, port)], [...this.#block.requests(host, port)]]
    if (!connection.allowed || (allow.length === 0 && block.length === 0)) return connection
    const path = normalPath(request.path)
    if (path === undefined) return { allowed: false, reason: `the path ${shown(request.path)} can be read in two ways` }
    const blocked = block.find((entry) => requestMatches(entry.rule, request, path))
    if (blocked !== undefined) return requestBlocked(request, text, path, blocked.text)
    if (allow.length === 0) return connection
    const rule = allow.find((entry) => requestMatches(entry.rule, request, path))
    return rule === undefined ? requestNotListed(request, text, path) : { allowed: true, rule: rule.text }
  }

  #publicRule(host: string): Verdict {
    return this.#block.isPublic ? blockedBy(host, PUBLIC_RULE) : { allowed: true, rule: PUBLIC_RULE }
  }

  #notListed(host: string, hint: string): Denied {
    const reason = this.level === 'none' ? `there is no network, so ${host} cannot be reached` : `no rule allows ${host}`
    return hint === '' ? { allowed: false, reason } : { allowed: false, reason, hint }
  }

  #blockedAddress(address: Address, port: number, protocol: Protocol): Denied | undefined {
    if (this.#block.isPublic && this.#classify(address) === undefined) return blockedBy(formatAddress(address), PUBLIC_RULE)
    if (this.#block.ranges.length === 0) return undefined
    const forms = formsOf(address)
    const entry = this.#block.ranges.find((one) => covers(one, port, protocol) && forms.some((form) => contains(one.range, form)))
    return entry === undefined ? undefined : blockedBy(formatAddress(address), entry.text)
  }

  /** A verdict about a special address; undefined when it is an ordinary one. */
  #special(address: Address, subject: string, port: number, protocol: Protocol): Verdict | undefined {
    const special = this.#classify(address)
    if (special === undefined) return undefined
    const rule = this.#rangeRule(address, port, protocol, (range) => names(range, special))
    if (rule !== undefined) return { allowed: true, rule }
    const reason = `${subject} ${special.phrase}`
    return special.named === 'cloud'
      ? { allowed: false, reason }
      : { allowed: false, reason, hint: hintFor(literalText(address), port, protocol) }
  }

  #ordinary(address: Address, text: string, port: number, protocol: Protocol): Verdict {
    const rule = this.#rangeRule(address, port, protocol, () => true)
    if (rule !== undefined) return { allowed: true, rule }
    if (protocol === 'udp' && port === QUIC_PORT) return quic(text)
    return this.#allow.isPublic ? this.#publicRule(text) : this.#notListed(text, hintFor(literalText(address), port, protocol))
  }

  #rangeRule(address: Address, port: number, protocol: Protocol, accepts: (range: AddressRange) => boolean): string | undefined {
    const entry = this.#allow.ranges.find((one) => covers(one, port, protocol) && contains(one.range, address) && accepts(one.range))
    if (entry !== undefined || protocol === 'udp') return entry?.text
    const [request] = this.#allow.requests({ kind: 'address', address }, port)
    return request?.text
  }
}

/** Whether a rule for `range` names what is special about an address in it. */
function names(range: AddressRange, special: SpecialClass): boolean {
  if (isSingle(range)) return true
  return special.named === 'range' && special.range !== undefined && range.bits >= special.range.bits
}

function requestMatches(rule: RequestRule, { scheme, method }: RequestFacts, path: string): boolean {
  return rule.scheme === scheme && (rule.methods === '*' || rule.methods.includes(method)) && pathMatches(rule.path, path)
}

function hostOf(text: string): Host | undefined {
  const address = parseAddress(text.startsWith('[') && text.endsWith(']') ? text.slice(1, -1) : text)
  if (address !== undefined) return { kind: 'address', address }
  const name = normalName(text)
  return name === undefined ? undefined : { kind: 'name', name }
}

function find<T>(values: Iterable<T>, accepts: (value: T) => boolean): T | undefined {
  for (const value of values) if (accepts(value)) return value
  return undefined
}

function isSome(values: Iterable<unknown>): boolean {
  for (const _ of values) return true
  return false
}

function isLoopback({ family, words }: Address): boolean {
  return family === 4 ? words[0]! >>> 24 === 127 : words.join() === '0,0,0,1'
}
