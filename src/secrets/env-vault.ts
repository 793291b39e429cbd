import { AppError } from '../contract/errors.ts'
import type { SecretEntry, Vault } from '../contract/secrets.ts'
import { Secret } from '../lib/secret.ts'

type Environment = Readonly<Record<string, string | undefined>>

const PREFIX = 'AGENTKERNEL_SECRET_'

/** The caller's environment as a vault: `AGENTKERNEL_SECRET_NAME`, then `NAME`. It can only be read; lists show the first kind. */
export function createEnvVault(env: Environment): Vault {
  const get = (name: string): Secret | undefined => {
    const value = own(env, `${PREFIX}${name}`) ?? own(env, name)
    return value === undefined || value === '' ? undefined : new Secret(value)
  }
  const readOnly = async (): Promise<never> => {
    throw new AppError('vault_read_only', 'the vault is the environment, which cannot be written')
  }
  return {
    get: async (name) => get(name),
    set: readOnly,
    delete: readOnly,
    list: async () =>
      Object.keys(env)
        .filter((key) => key.startsWith(PREFIX) && key.length > PREFIX.length && own(env, key) !== '')
        .map((key): SecretEntry => ({ name: key.slice(PREFIX.length), backend: 'env' }))
        .toSorted((a, b) => (a.name < b.name ? -1 : 1)),
    forget: async () => undefined,
    live: async () => ({ value: get, close: () => undefined }),
  }
}

const own = (env: Environment, name: string): string | undefined => (Object.hasOwn(env, name) ? env[name] : undefined)
