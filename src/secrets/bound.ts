import { type BoundSecret, MANAGED_PLACEHOLDER, type SecretBinding, type Vault } from '../contract/secrets.ts'
import type { Secret } from '../lib/secret.ts'

/** The bindings of one sandbox with their values, for as long as its gateway runs. */
export interface BoundSecrets {
  readonly secrets: readonly BoundSecret[]
  /** Variables that the sandbox gets: names and placeholders, never values. */
  readonly variables: Readonly<Record<string, string>>
  /** Forgets the values. Safe to repeat. */
  close(): void
}

/**
 * Binds names to values. `values` are those of a sandbox that does not stay; every other is the vault's, read at each use.
 * Errors: those of the vault.
 */
export async function bindSecrets(
  bindings: readonly SecretBinding[],
  vault: Pick<Vault, 'live'>,
  values: ReadonlyMap<string, Secret> = new Map(),
): Promise<BoundSecrets> {
  const own = new Map(values)
  const names = [...new Set(bindings.map(({ vaultKey }) => vaultKey).filter((key) => !own.has(key)))]
  const live = names.length === 0 ? undefined : await vault.live(names)
  return {
    secrets: bindings.map((binding) => ({
      binding,
      value: () => own.get(binding.vaultKey) ?? live?.value(binding.vaultKey),
      placeholder: placeholderOf(binding),
    })),
    variables: secretVariables(bindings),
    close: () => {
      own.clear()
      live?.close()
    },
  }
}

/** What a sandbox has in its environment for these secrets. Files have no variable of their own. */
export function secretVariables(bindings: readonly SecretBinding[]): Readonly<Record<string, string>> {
  const shown = bindings.filter((binding) => binding.how !== 'file' && binding.file !== true)
  return Object.fromEntries(shown.map((binding) => [binding.name, placeholderOf(binding)]))
}

/** Content of the files in `SECRETS_FOLDER`, by name: the value, or the token that stands for it. */
export function secretFiles(secrets: readonly BoundSecret[]): ReadonlyMap<string, () => Secret | string | undefined> {
  const files = secrets.filter(({ binding }) => binding.how === 'file' || binding.file === true)
  return new Map(files.map(({ binding, value, placeholder }) => [binding.name, binding.how === 'file' ? value : () => placeholder]))
}

function placeholderOf({ how, placeholder }: SecretBinding): string {
  return how === 'token' ? (placeholder ?? '') : MANAGED_PLACEHOLDER
}
