import { join } from 'node:path'
import { AppError } from '../contract/errors.ts'
import type { Vault, VaultBackend } from '../contract/secrets.ts'
import { createEnvVault } from './env-vault.ts'
import { createFileVault } from './file-vault.ts'
import { findKeychain, type KeychainProgram, openKeychain } from './keychain.ts'
import { createKeychainVault } from './keychain-vault.ts'
import { isInternal } from './names.ts'

type Environment = Readonly<Record<string, string | undefined>>

export interface VaultOptions {
  /** Where users' own secrets are. @default 'file' */
  readonly backend?: VaultBackend
  /** Our data folder; the vault is in `secrets` below it. */
  readonly dataDir: string
  /** `secrets.json` of the earlier product. */
  readonly legacyPath?: string
  /** Of the caller: values of the backend `env`, and the way to the user's session for keychains. */
  readonly env: Environment
  readonly now: () => Date
  /** Told one sentence for the user. */
  readonly notice?: (text: string) => void
  /** The keychain's program; null: there is none. @default what this machine has */
  readonly keychain?: KeychainProgram | null
}

/**
 * The vault. Users' own secrets are in the backend; what belongs to a sandbox (`sandbox/ID/…`) is always in the file, which
 * can be written without a person and asked without a program.
 */
export function createVault(options: VaultOptions): Vault {
  const { backend = 'file', dataDir, now, env } = options
  const folder = join(dataDir, 'secrets')
  const program = options.keychain === undefined ? findKeychain(env) : (options.keychain ?? undefined)
  const keychain = program === undefined ? undefined : openKeychain(program)
  const file = createFileVault({ folder, legacyPath: options.legacyPath, keychain, now, notice: options.notice ?? (() => undefined) })
  if (backend === 'file') return file
  if (backend === 'env') return joined(createEnvVault(env), file)
  if (keychain === undefined) {
    throw new AppError('vault_locked', 'the vault is to be the keychain, and no program that reads it is installed', {
      fix: 'Install the package that has `secret-tool` (libsecret-tools), or choose `backend = "file"` under [secrets] of your user config.',
    })
  }
  return joined(createKeychainVault(keychain, folder, now), file)
}

function joined(own: Vault, internal: Vault): Vault {
  const of = (name: string): Vault => (isInternal(name) ? internal : own)
  return {
    get: (name) => of(name).get(name),
    set: (name, value) => of(name).set(name, value),
    delete: (name) => of(name).delete(name),
    list: () => own.list(),
    forget: (sandboxId) => internal.forget(sandboxId),
    live: async (names) => {
      const inside = names.filter(isInternal)
      const outside = await own.live(names.filter((name) => !isInternal(name)))
      const below = inside.length === 0 ? undefined : await internal.live(inside)
      return {
        value: (name) => (isInternal(name) ? below?.value(name) : outside.value(name)),
        close: () => {
          outside.close()
          below?.close()
        },
      }
    },
  }
}
