import { AppError } from '../contract/errors.ts'
import { VAULT_BACKENDS, type SecretRequest, type SecretsTable, type VaultBackend } from '../contract/secrets.ts'
import { type ParsedSecret, parseSecret, parseSecretRequest } from './binding.ts'

export interface SecretsConfig {
  /** Counts in the user's own file only. */
  readonly backend?: VaultBackend
  readonly secrets: readonly ParsedSecret[]
}

/** `shownAs`: the file, for messages. Errors: `config_invalid`. */
export function parseSecretsTable(table: SecretsTable, shownAs = 'the config'): SecretsConfig {
  const { backend, ...rest } = table
  const secrets = Object.entries(rest).map(([name, entry]) => inConfig(`${shownAs}: [secrets] ${name}`, () => parseEntry(name, entry)))
  if (backend === undefined) return { secrets }
  const known = VAULT_BACKENDS.find((one) => one === backend)
  if (known === undefined) {
    throw new AppError(
      'config_invalid',
      `${shownAs}: [secrets] backend is ${JSON.stringify(backend).slice(0, 60)}; it is one of ${VAULT_BACKENDS.join(', ')}`,
    )
  }
  return { backend: known, secrets }
}

function parseEntry(name: string, entry: string | Omit<SecretRequest, 'name' | 'value'>): ParsedSecret {
  if (typeof entry !== 'string') return parseSecretRequest({ ...entry, name }, { local: false })
  // `KEY = "host:header"` is allowed; a value never stands in a file.
  const parsed = parseSecret(entry === '' ? name : `${name}:${entry}`, { local: false })
  if (parsed.name !== name) throw new AppError('invalid_argument', `"${name}" is not the name of a variable`)
  return parsed
}

function inConfig<T>(where: string, work: () => T): T {
  try {
    return work()
  } catch (error) {
    if (!(error instanceof AppError)) throw error
    throw new AppError('config_invalid', `${where}: ${error.message}`, { cause: error, fix: error.fix })
  }
}
