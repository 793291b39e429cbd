import { type BoundSecret, MANAGED_PLACEHOLDER, PLACEHOLDER_PREFIX } from '../../contract/secrets.ts'
import type { Injector, ResponseHead, Target } from '../types.ts'
import { createBodyRules } from './body-rules.ts'
import { encodedBody, encodingsOf } from './encoded-body.ts'
import { hasToken, TOKEN_LENGTH } from './placeholder-text.ts'
import { isFor, prepare, type Prepared } from './prepared.ts'
import { redactionOf } from './redaction.ts'
import { decideRequest } from './request.ts'
import { replaceInText, type RuleSet, streamReplacer } from './stream-replacer.ts'

/** An injector, and what it can do beyond a single chunk. */
export interface SecretInjector extends Injector {
  /** For one connection that leaves unopened: true as soon as a placeholder is in it, also across chunks. */
  watch(): (bytes: Uint8Array) => boolean
}

/**
 * Puts the secrets of one sandbox into its requests and takes them out of the answers. Values are asked for at each use and not kept,
 * but for the rules of the present values. `secrets` of a decision that passes grows while the body passes.
 */
export function createInjector(secrets: readonly BoundSecret[]): SecretInjector {
  const prepared = prepare(secrets)
  const bodies = createBodyRules()
  const redactions = createRedactions()
  const here = ({ host, port }: Pick<Target, 'host' | 'port'>) => prepared.filter((one) => isFor(one, host, port))
  const leaks = (bytes: Uint8Array): boolean => prepared.length > 0 && hasPlaceholder(bytes)
  return {
    opens: (host, port) => prepared.some((one) => isFor(one, host, port)),
    request: (target, head) => decideRequest(prepared, bodies, target, head),
    response: (target, head) => {
      const rules = redactions(here(target))
      return rules === undefined ? undefined : redacted(rules, head)
    },
    leaks,
    watch: () => {
      let tail = Buffer.alloc(0)
      return (bytes) => {
        if (prepared.length === 0) return false
        const both = tail.length === 0 ? bytes : Buffer.concat([tail, bytes])
        tail = Buffer.from(both.subarray(Math.max(0, both.length - TOKEN_LENGTH + 1)))
        return hasPlaceholder(both)
      }
    },
  }
}

function redacted(rules: RuleSet, head: ResponseHead): { readonly head: ResponseHead; readonly body: ReturnType<typeof streamReplacer> } {
  const headers = head.headers.map(([name, value]) => [replaceInText(rules, name), replaceInText(rules, value)] as const)
  const encodings = encodingsOf(head.headers)
  const body = streamReplacer(rules)
  if (encodings.length === 0) return { head: { ...head, headers }, body }
  const plain = headers.filter(([name]) => name.toLowerCase() !== 'content-encoding')
  return { head: { ...head, headers: plain }, body: encodedBody(encodings, body) }
}

/** Rules for the secrets of a host, made again when a value is another. */
function createRedactions(): (here: readonly Prepared[]) => RuleSet | undefined {
  const kept = new Map<string, { readonly values: readonly string[]; readonly rules: RuleSet | undefined }>()
  return (here) => {
    if (here.length === 0) return undefined
    const known = here.flatMap(({ secret }) => {
      const value = secret.value()?.reveal()
      return value === undefined ? [] : [{ value, placeholder: secret.placeholder }]
    })
    const key = here.map(({ name, secret }) => `${name} ${secret.placeholder}`).join('\n')
    const before = kept.get(key)
    if (before !== undefined && before.values.length === known.length && known.every(({ value }, at) => before.values[at] === value)) {
      return before.rules
    }
    const rules = redactionOf(known)
    kept.set(key, { values: known.map(({ value }) => value), rules })
    return rules
  }
}

function hasPlaceholder(bytes: Uint8Array): boolean {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length)
  if (buffer.includes(MANAGED_PLACEHOLDER)) return true
  for (let at = buffer.indexOf(PLACEHOLDER_PREFIX); at >= 0; at = buffer.indexOf(PLACEHOLDER_PREFIX, at + 1)) {
    if (hasToken(buffer.toString('latin1', at, at + TOKEN_LENGTH))) return true
  }
  return false
}
