import type { ResolvedConfig } from '../../contract/config.ts'
import { isAppError } from '../../contract/errors.ts'
import type { CreateRequest } from '../../contract/sandboxes.ts'
import { SECRETS_FOLDER, SECRETS_VARIABLE, type SecretBinding, type SecretRequest, type Vault } from '../../contract/secrets.ts'
import type { ParsedSecret } from '../../secrets/binding.ts'
import type { ResolvedSecrets, WantedSecret } from '../../secrets/resolve.ts'

/** What a sandbox that stays is to have of secrets, before anybody looks for values. */
export interface WantedBySandbox {
  readonly secrets: readonly WantedSecret[]
  /** Those that the configuration names: whoever has none goes without. */
  readonly optional: ReadonlySet<string>
  readonly hosts: readonly string[]
}

export function asksForSecrets(request: CreateRequest): boolean {
  return (request.secrets ?? []).length > 0 || (request.secret_files ?? []).length > 0
}

/** Undefined: none. Files and stdin of this machine are not for a request that comes from elsewhere. Errors: `invalid_argument`, `config_invalid`. */
export async function wantedBySandbox(request: CreateRequest, config: ResolvedConfig): Promise<WantedBySandbox | undefined> {
  const table = config.secrets?.table ?? {}
  const named = [...(config.secrets?.files ?? []), ...(request.secret_files ?? [])]
  if (!asksForSecrets(request) && Object.keys(table).length === 0 && named.length === 0) return undefined
  const [{ parseSecret, parseSecretRequest }, { parseSecretsTable }] = await Promise.all([
    import('../../secrets/binding.ts'),
    import('../../secrets/config.ts'),
  ])
  const placeholders = request.placeholder_secrets === true
  const parse = (one: string | SecretRequest, hostOptional: boolean): ParsedSecret =>
    typeof one === 'string' ? parseSecret(one, { local: false, hostOptional }) : parseSecretRequest(one, { local: false, hostOptional })
  const configured = parseSecretsTable(table, 'the configuration').secrets
  const given = (request.secrets ?? []).map((one) => parse(one, false))
  const files = named.map((one) => parse(one, !placeholders))
  const how = placeholders ? 'token' : 'header'
  const asFile = (one: ParsedSecret): WantedSecret => (placeholders ? { ...one, how: 'token', file: true } : { ...one, how: 'file' })
  const asked = new Set([...given, ...files].map(({ name }) => name))
  return {
    secrets: [...[...configured, ...given].map((one): WantedSecret => ({ ...one, how })), ...files.map(asFile)],
    optional: new Set(configured.map(({ name }) => name).filter((name) => !asked.has(name))),
    hosts: [...configured, ...given, ...(placeholders ? files : [])].flatMap(({ targets }) => targets.flatMap(({ hosts }) => hosts)),
  }
}

/** Bindings of a sandbox, and values that are not in the vault yet. Errors: `not_found`, those of the vault. */
export async function resolveForSandbox(
  vault: Vault,
  { secrets, optional }: WantedBySandbox,
  id: string,
): Promise<ResolvedSecrets & { readonly notices: readonly string[] }> {
  const { resolveSecrets } = await import('../../secrets/resolve.ts')
  // The daemon has no environment of its own: whoever asks sends along what is only in theirs.
  const context = { vault, env: {}, cwd: undefined, sandboxId: id }
  const missing: string[] = []
  const present: WantedSecret[] = []
  for (const one of secrets) {
    try {
      if (optional.has(one.name)) await resolveSecrets([one], context)
      present.push(one)
    } catch (error) {
      if (!isAppError(error, 'not_found')) throw error
      missing.push(one.name)
    }
  }
  const notice = `the configuration names secrets that are not in the vault: ${missing.join(', ')}; set them with \`agentkernel secret set NAME\`.`
  return { ...(await resolveSecrets(present, context)), notices: missing.length === 0 ? [] : [notice] }
}

/** The variable that says where files of secrets are, where there are some. */
export function secretFolder(bindings: readonly SecretBinding[]): Readonly<Record<string, string>> {
  return bindings.some(({ how, file }) => how === 'file' || file === true) ? { [SECRETS_VARIABLE]: SECRETS_FOLDER } : {}
}
