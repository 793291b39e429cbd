import { AppError } from '../../contract/errors.ts'
import { HOST_NAME_INSIDE } from '../../contract/network.ts'
import { isSpecialRange } from './special-addresses.ts'
import { parseRule } from './parse-rule.ts'
import type { NamePattern, RangePattern, Rule } from './rule.ts'
import { shown } from './shown.ts'

/** A literal range wider than this is no list any more, in bits of its prefix. */
const WIDEST = { 4: 8, 6: 16 } as const

/**
 * Refuses rules of people that allow more than their writer can know: wildcards over a suffix below which strangers register names
 * (`*.com`, `*.co.uk`, `*.github.io`), ranges over much of the Internet, and names that mean something else inside. Presets and the
 * hosts of compatibility modes are our own and not asked about; a rule that blocks is never too broad.
 *
 * The list of suffixes is loaded only when there is a wildcard with at least two parts. Errors: `invalid_argument`.
 */
export async function refuseOverBroad(rules: readonly string[]): Promise<void> {
  for (const text of rules) {
    const rule = parseRule(text)
    if (rule.kind !== 'host' && rule.kind !== 'request') continue
    const fail = (cause: string, fix: string): AppError =>
      new AppError('invalid_argument', `network rule ${shown(text)}: ${cause}`, { fix })
    if (rule.host.kind === 'range') refuseRange(rule.host, fail)
    else await refuseName(rule, rule.host, fail)
  }
}

type Failing = (cause: string, fix: string) => AppError

function refuseRange({ range }: RangePattern, fail: Failing): void {
  if (range.bits >= WIDEST[range.family] || isSpecialRange(range)) return
  throw fail(`the range is wider than /${WIDEST[range.family]}`, 'Write public for every public host, or narrower ranges.')
}

async function refuseName(rule: Rule, { name, below }: NamePattern, fail: Failing): Promise<void> {
  if (name === 'localhost' || name.endsWith('.localhost')) {
    throw fail('localhost is the sandbox itself, which needs no rule', `For a port of this machine write ${HOST_NAME_INSIDE}:8080.`)
  }
  if (name === HOST_NAME_INSIDE && !below && rule.kind === 'host' && !Array.isArray(rule.ports)) {
    throw fail('it needs the ports that this machine shall share', `Write the port, as in ${HOST_NAME_INSIDE}:8080.`)
  }
  if (below && (await isSharedSuffix(name))) {
    throw fail('strangers register names below this one', 'Write the names that are needed, or public for every public host.')
  }
}

/** True for `com`, `co.uk`, `github.io` and every single word. */
async function isSharedSuffix(name: string): Promise<boolean> {
  if (!name.includes('.')) return true
  const { getPublicSuffix } = await import('tldts')
  return getPublicSuffix(name, { allowPrivateDomains: true }) === name
}
