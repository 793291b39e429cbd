import { join } from 'node:path'
import type { Vault, VaultBackend } from '../contract/secrets.ts'
import type { Paths } from './paths.ts'

type Environment = Readonly<Record<string, string | undefined>>

export interface OpenedVault {
  readonly vault: Vault
  /** What the user should be told, once each; grows while the vault is used. */
  readonly notices: readonly string[]
}

/** The user's vault. Loaded when it is needed: most runs have no secrets. Errors: `config_invalid`, `vault_locked`. */
export async function openVault(paths: Paths, env: Environment): Promise<OpenedVault> {
  const [{ createVault }, backend] = await Promise.all([import('../secrets/vault.ts'), vaultBackend(paths)])
  const notices: string[] = []
  const vault = createVault({
    ...(backend === undefined ? {} : { backend }),
    dataDir: paths.dataDir,
    legacyPath: join(paths.stateDir, 'secrets.json'),
    env,
    now: () => new Date(),
    notice: (text) => notices.push(text),
  })
  return { vault, notices }
}

/** `backend` under `[secrets]` of the user's own config: no project decides where secrets are. */
async function vaultBackend(paths: Paths): Promise<VaultBackend | undefined> {
  const path = join(paths.configDir, 'config.toml')
  const { readConfigFile } = await import('./config/read-file.ts')
  const content = readConfigFile(path, { shownAs: path })
  if (content === undefined) return undefined
  const [{ parseConfig }, { parseSecretsTable }] = await Promise.all([import('./config/parse.ts'), import('../secrets/config.ts')])
  const table = parseConfig(content.text, path).file.secrets
  return table === undefined ? undefined : parseSecretsTable(table, path).backend
}
