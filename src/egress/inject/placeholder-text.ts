import { MANAGED_PLACEHOLDER, PLACEHOLDER_PREFIX } from '../../contract/secrets.ts'

/** Placeholders as they stand in texts: header values, addresses, and inside Basic authorization. */

export const TOKEN_LENGTH = PLACEHOLDER_PREFIX.length + 32
const TOKEN = new RegExp(`${PLACEHOLDER_PREFIX}[0-9a-f]{32}`, 'g')
/** As the whole value of a parameter: the bare word may be what somebody searches for. */
const MANAGED_PARAMETER = new RegExp(`([?&;][^=&;]*=)${MANAGED_PLACEHOLDER}(?=[&;]|$)`, 'g')
const BASIC = /^(Basic +)([A-Za-z0-9+/_-]+={0,2}) *$/i

/** Every token replaced by what `swap` answers for it. */
export function swapTokens(text: string, swap: (token: string) => string): string {
  return text.includes(PLACEHOLDER_PREFIX) ? text.replace(TOKEN, swap) : text
}

export function hasToken(text: string): boolean {
  return text.includes(PLACEHOLDER_PREFIX) && text.search(TOKEN) >= 0
}

/** The same in any case: names of headers are sent in any. */
export const isTokenIn = (name: string): boolean => hasToken(name.toUpperCase().replace(/[0-9A-F]{32}/g, (hex) => hex.toLowerCase()))

/** The word replaced in a text; the text itself when it is not in it. */
export function swapManaged(text: string, swap: () => string): string {
  return text.includes(MANAGED_PLACEHOLDER) ? text.replaceAll(MANAGED_PLACEHOLDER, swap) : text
}

export function swapManagedParameters(query: string, swap: () => string): string {
  if (!query.includes(MANAGED_PLACEHOLDER)) return query
  return query.replace(MANAGED_PARAMETER, (_all, before: string) => `${before}${swap()}`)
}

/** A header's value, changed as it stands or, for Basic authorization, inside its base64. */
export function insideBasic(value: string, change: (text: string) => string): string {
  const basic = BASIC.exec(value)
  if (basic === null) return change(value)
  const login = Buffer.from(basic[2]!, 'base64').toString('latin1')
  const changed = change(login)
  return changed === login ? value : `${basic[1]}${Buffer.from(changed, 'latin1').toString('base64')}`
}

/** The text with its escapes undone, as often as not what a server reads; the text itself when they cannot be. */
export function unescaped(text: string): string {
  return text.includes('%')
    ? text.replace(/%([0-9a-fA-F]{2})/g, (_all, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)))
    : text
}
