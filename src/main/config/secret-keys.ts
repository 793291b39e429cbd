import type { ConfigSource } from '../../contract/config.ts'
import type { ConfigFile } from '../../contract/schemas/config-keys.ts'
import { NO_SECRET_SETTINGS, type SecretSettings } from '../../contract/secrets.ts'
import { parseSecretsTable } from '../../secrets/config.ts'

/** `[secrets]` and `secret_files` of one file. Where the vault is only the user's own file says. Errors: `config_invalid`. */
export function secretsOf(file: ConfigFile, source: ConfigSource): SecretSettings {
  const { secrets, secret_files } = file
  if (secrets === undefined && secret_files === undefined) return NO_SECRET_SETTINGS
  const { backend: _, ...table } = secrets ?? {}
  const { backend } = parseSecretsTable(secrets ?? {}, source.path)
  return {
    ...(backend === undefined || source.kind !== 'user' ? {} : { backend }),
    table,
    files: Array.isArray(secret_files) ? secret_files : Object.keys(secret_files ?? {}),
  }
}

/** Files given from the lowest to the highest: of two entries with one name the higher holds. */
export function mergeSecrets(settings: readonly SecretSettings[]): SecretSettings {
  const backend = settings.findLast((one) => one.backend !== undefined)?.backend
  return {
    ...(backend === undefined ? {} : { backend }),
    table: Object.assign({}, ...settings.map(({ table }) => table)) as SecretSettings['table'],
    files: [...new Set(settings.flatMap(({ files }) => files))],
  }
}
