import type { SecretAsk } from '../../contract/run.ts'
import type { CreateRequest } from '../../contract/sandboxes.ts'
import { SECRETS_FOLDER, SECRETS_VARIABLE, type SecretBinding } from '../../contract/secrets.ts'
import { Secret } from '../../lib/secret.ts'

/** What a request for a sandbox that stays wants of secrets; undefined: nothing. */
export function secretsOfRequest(
  request: Pick<CreateRequest, 'secrets' | 'secret_files' | 'secret_mappings' | 'placeholder_secrets'>,
): SecretAsk | undefined {
  const { secrets = [], secret_files: files = [], secret_mappings: mappings = {}, placeholder_secrets: placeholders = false } = request
  const mapped = Object.entries(mappings).map(([name, host]) => ({ name, host }))
  if (secrets.length + files.length + mapped.length === 0) return undefined
  const bindings = [...secrets.map((one) => (typeof one === 'string' ? new Secret(one) : one)), ...mapped]
  return { bindings, files, placeholders, isLocal: false }
}

/** The variable that says where files of secrets are, where there are some. */
export function secretFolder(bindings: readonly SecretBinding[]): Readonly<Record<string, string>> {
  return bindings.some(({ how, file }) => how === 'file' || file === true) ? { [SECRETS_VARIABLE]: SECRETS_FOLDER } : {}
}
