import { AppError } from '../contract/errors.ts'
import { LATER_FIELDS } from '../contract/later.ts'
import type { Caller } from '../contract/sandbox-operations.ts'

/** Members by which a request names something of the host; network rules may name its ports and its network. */
const HOST_MEMBERS = ['dir', 'config_path', 'cwd', 'caller_path', 'allow'] as const
/** Members by which a request hands over secrets, or has the host call somebody. */
const SECRET_MEMBERS = ['secrets', 'secret_files', 'secret_mappings', 'hooks'] as const

type Members = Readonly<Record<string, unknown>>

/**
 * What only somebody with a key may ask for: whoever can reach the port without one must not read the host's files through it, or widen
 * a sandbox beyond the default profile. Errors: `api_key_required`.
 */
export function requireKeyFor(members: Members, caller: Caller): void {
  if (caller.authenticated) return
  const named = [...HOST_MEMBERS, ...SECRET_MEMBERS].find((name) => asksFor(members[name]))
  if (named !== undefined) throw new AppError('api_key_required', `\`${named}\` needs an API key`)
  if (members['profile'] === 'permissive') throw new AppError('api_key_required', 'the profile `permissive` needs an API key')
}

/** Refuses by name what comes with a later release: accepted and ignored, it would be a promise broken. Errors: `not_available_yet`. */
export function refuseLaterFields(members: Members): void {
  for (const [name, feature] of Object.entries(LATER_FIELDS)) {
    if (Object.hasOwn(members, name) && asksFor(members[name])) {
      throw new AppError('not_available_yet', `\`${name}\` is not available yet: ${feature}`)
    }
  }
}

/** Clients send empty lists, empty texts and null for what they do not want. */
function asksFor(value: unknown): boolean {
  if (value === undefined || value === null || value === false || value === '') return false
  if (Array.isArray(value)) return value.length > 0
  return typeof value !== 'object' || Object.keys(value).length > 0
}

/** Errors: `policy_denied` for `sudo` over TCP unless the user's configuration allows it. */
export function requireSudoAllowed(members: Members, caller: Caller, allowed: boolean): void {
  if (members['sudo'] !== true || caller.door === 'socket' || allowed) return
  throw new AppError('policy_denied', '`sudo` is not allowed over HTTP', {
    fix: 'Set `allow_sudo_exec = true` under [api] in your user config, or leave `sudo` out.',
  })
}
