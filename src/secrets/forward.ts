import type { SecretRequest, Vault } from '../contract/secrets.ts'
import type { ParsedSecret } from './binding.ts'
import { type ResolveContext, resolveSecrets } from './resolve.ts'

/**
 * Bindings as a request to the daemon, which has neither the caller's environment nor files nor stdin: values that are not in the vault go
 * with it. For the user's own socket and HTTPS only; never for an argument or a file. Errors: those of `resolveSecrets`.
 */
export async function forwardSecrets(
  wanted: readonly ParsedSecret[],
  context: Omit<ResolveContext, 'sandboxId'>,
): Promise<readonly SecretRequest[]> {
  const requests: SecretRequest[] = []
  for (const one of new Map(wanted.map((secret) => [secret.name, secret])).values()) {
    const { values } = await resolveSecrets([{ ...one, how: 'header' }], { ...context, sandboxId: 'caller' })
    const [value] = values.values()
    requests.push({ name: one.name, ...(value === undefined ? {} : { value: value.reveal() }), ...placeOf(one) })
  }
  return requests
}

/** Several targets are the forms that known hosts want, which the other side finds by the hosts alone. */
function placeOf({ targets }: ParsedSecret): Omit<SecretRequest, 'name' | 'value'> {
  const [first] = targets
  if (first === undefined) return {}
  const { hosts, header, swap, methods, paths } = first
  return {
    host: targets.length === 1 ? hosts : targets.flatMap((target) => target.hosts),
    ...(targets.length === 1 && header !== undefined ? { header } : {}),
    ...(swap === undefined ? {} : { in: swap }),
    ...(methods === undefined ? {} : { methods }),
    ...(paths === undefined ? {} : { paths }),
  }
}

/** Puts the values of a sandbox that stays into the vault. Errors: those of the vault. */
export async function storeValues(values: ReadonlyMap<string, Parameters<Vault['set']>[1]>, vault: Pick<Vault, 'set'>): Promise<void> {
  for (const [name, value] of values) await vault.set(name, value)
}
