import { HOST_NAME_INSIDE } from '../../contract/network.ts'
import { isAppError } from '../../contract/errors.ts'
import { parseRule } from './parse-rule.ts'
import type { Rule } from './rule.ts'

/**
 * True when the rule `public` allows all that this rule allows, so that listing it instead of `public` only narrows. Literal
 * addresses never count: a rule for one also opens private networks to names, or names an address of the host itself.
 */
export function isWithinPublic(text: string): boolean {
  const rule = readable(text)
  if (rule === undefined) return false
  if (rule.kind === 'public' || rule.kind === 'preset') return true
  if (rule.host.kind === 'range' || rule.host.name === HOST_NAME_INSIDE) return false
  // QUIC is what `public` does not allow.
  return !(rule.kind === 'host' && rule.protocol === 'udp' && Array.isArray(rule.ports) && rule.ports.some(({ first }) => first === 443))
}

function readable(text: string): Rule | undefined {
  try {
    return parseRule(text)
  } catch (error) {
    if (isAppError(error)) return undefined
    throw error
  }
}
