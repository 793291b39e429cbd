import { AppError } from '../../contract/errors.ts'
import { PUBLIC_RULE } from '../../contract/network.ts'
import { nearest } from '../../lib/nearest.ts'
import { ECOSYSTEM_NAMES } from '../ecosystems.ts'
import type { EcosystemName } from '../ecosystems.ts'
import { formatRange, parseRange } from './address.ts'
import { hostOf } from './parse-host.ts'
import type { Fail } from './parse-host.ts'
import { parseRequestRule } from './parse-request-rule.ts'
import { printRule } from './rule.ts'
import type { PortRange, Ports, Rule } from './rule.ts'
import { shown } from './shown.ts'

const LONGEST_RULE = 1024
const MOST_PORTS = 64

/**
 * Reads one rule of `contract/network.ts`. Only its form is checked here; what must not be allowed is told by `refuseOverBroad`.
 * Errors: `invalid_argument`, with the rule, the cause and what to write instead.
 */
export function parseRule(text: string): Rule {
  const fail: Fail = (cause, fix) => new AppError('invalid_argument', `network rule ${shown(text)}: ${cause}`, { fix })
  const rule = text.trim()
  if (rule === '') throw fail('it is empty', 'Write a name such as example.com, an address such as 10.0.0.0/8, or public.')
  if (rule.length > LONGEST_RULE) throw fail(`it has ${rule.length} characters; the most is ${LONGEST_RULE}`, 'Write a shorter rule.')
  if (rule === PUBLIC_RULE) return { kind: 'public' }
  if (rule.startsWith('preset:')) return { kind: 'preset', name: presetOf(rule.slice('preset:'.length), fail) }
  if (rule.includes('://') || /\s/.test(rule)) return parseRequestRule(rule, fail)
  const udp = rule.startsWith('udp:')
  const { host, ports } = splitPorts(udp ? rule.slice('udp:'.length) : rule, fail)
  if (udp && ports === undefined) throw fail('a rule for UDP needs its ports', `Write the port, as in ${rule.slice(0, 60)}:53.`)
  return {
    kind: 'host',
    protocol: udp ? 'udp' : 'tcp',
    host: hostOf(host, fail),
    ports: ports === undefined ? 'default' : portsOf(ports, fail),
  }
}

/** Canonical texts of many rules, each once. Errors: as `parseRule`. */
export function canonicalRules(texts: readonly string[]): readonly string[] {
  return [...new Set(texts.map((text) => printRule(parseRule(text))))]
}

function presetOf(name: string, fail: Fail): EcosystemName {
  const found = ECOSYSTEM_NAMES.find((known) => known === name)
  if (found !== undefined) return found
  const guess = nearest(name, ECOSYSTEM_NAMES)
  throw fail(
    `there is no preset ${shown(name)}${guess === undefined ? '' : `; did you mean ${guess}?`}`,
    `Use one of: ${ECOSYSTEM_NAMES.join(', ')}.`,
  )
}

/** Takes the ports off: everything behind the colon, or behind the brackets of an IPv6 address and its prefix. */
function splitPorts(text: string, fail: Fail): { readonly host: string; readonly ports: string | undefined } {
  if (text.startsWith('[')) {
    const match = /^(\[[^\]]*\](?:\/[^:]*)?)(?::(.*))?$/.exec(text)
    if (match !== null) return { host: match[1]!, ports: match[2] }
    throw fail('the bracket is not closed, or something stands behind it', 'Write [fd00::1]:5432 or [fd00::]/8:5432.')
  }
  const colon = text.indexOf(':')
  if (colon < 0) return { host: text, ports: undefined }
  if (text.indexOf(':', colon + 1) >= 0) {
    const range = parseRange(text)
    throw range === undefined
      ? fail('it has more than one colon', 'Write NAME:PORT, or an IPv6 address in brackets, as in [fd00::1]:5432.')
      : fail('an IPv6 address stands in brackets, to tell it from its port', `Write ${formatRange(range)}.`)
  }
  return { host: text.slice(0, colon), ports: text.slice(colon + 1) }
}

function portsOf(text: string, fail: Fail): Ports {
  if (text === '*') return 'all'
  const entries = text.split(',')
  if (entries.length > MOST_PORTS)
    throw fail(`it lists ${entries.length} ports; the most is ${MOST_PORTS}`, 'Write ranges, as in 8000-8100.')
  const ranges = new Map(entries.map((entry) => [entry, portRange(entry, fail)]))
  return [...ranges.values()].toSorted((a, b) => a.first - b.first || a.last - b.last)
}

function portRange(entry: string, fail: Fail): PortRange {
  const match = /^([1-9]\d{0,4})(?:-([1-9]\d{0,4}))?$/.exec(entry)
  const [first, last] = [Number(match?.[1]), Number(match?.[2] ?? match?.[1])]
  if (match !== null && last <= 65_535 && first <= last) return { first, last }
  throw fail(`${shown(entry)} is no port`, 'Write ports from 1 to 65535, as in :443, :8000-8100, :80,443 or :* for all.')
}
