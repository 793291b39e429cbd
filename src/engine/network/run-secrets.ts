import type { ResolvedConfig } from '../../contract/config.ts'
import { isAppError } from '../../contract/errors.ts'
import type { SecretAsk } from '../../contract/run.ts'
import { SECRETS_FOLDER, SECRETS_VARIABLE, SEEN_ON_COMMAND_LINE, type SecretRequest, type Vault } from '../../contract/secrets.ts'
import type { SecretFile } from '../../drivers/driver.ts'
import { Secret } from '../../lib/secret.ts'
import type { ParsedSecret } from '../../secrets/binding.ts'
import type { BoundSecrets } from '../../secrets/bound.ts'
import type { ResolveContext, ResolvedSecrets, WantedSecret } from '../../secrets/resolve.ts'

/** What the secrets of a sandbox need from outside. */
export interface SecretDeps {
  /** Errors: `config_invalid`, `vault_locked`. */
  readonly openVault: () => Promise<{ readonly vault: Vault; readonly notices: readonly string[] }>
  /** The caller's environment. */
  readonly env: Readonly<Record<string, string | undefined>>
}

/** Secrets that are wanted, read and checked, before anybody looks for their values. */
export interface Wanted {
  readonly secrets: readonly WantedSecret[]
  /** Whose value may be missing: the configuration lists what a project could use, not what every user has. */
  readonly optional: ReadonlySet<string>
  readonly hosts: readonly string[]
  /** True when a value stood on a command line. */
  readonly exposed: boolean
}

/** Undefined: none. Errors: `invalid_argument`, `config_invalid`. */
export async function wantedSecrets(ask: SecretAsk | undefined, config: ResolvedConfig): Promise<Wanted | undefined> {
  const table = config.secrets?.table ?? {}
  const named = [...(config.secrets?.files ?? []), ...(ask?.files ?? [])]
  if (Object.keys(table).length === 0 && named.length === 0 && (ask?.bindings ?? []).length === 0) return undefined
  const [{ parseSecret, parseSecretRequest }, { parseSecretsTable }] = await Promise.all([
    import('../../secrets/binding.ts'),
    import('../../secrets/config.ts'),
  ])
  const local = ask?.isLocal ?? true
  const placeholders = ask?.placeholders === true
  const parse = (one: string | Secret | SecretRequest, hostOptional: boolean): ParsedSecret => {
    if (one instanceof Secret) return parseSecret(one.reveal(), { local, hostOptional })
    return typeof one === 'string' ? parseSecret(one, { local, hostOptional }) : parseSecretRequest(one, { local, hostOptional })
  }
  const configured = parseSecretsTable(table, 'the configuration').secrets
  const given = (ask?.bindings ?? []).map((one) => parse(one, false))
  const files = named.map((one) => parse(one, !placeholders))
  const how = placeholders ? 'token' : 'header'
  const asFile = (one: ParsedSecret): WantedSecret => (placeholders ? { ...one, how: 'token', file: true } : { ...one, how: 'file' })
  const asked = new Set([...given, ...files].map(({ name }) => name))
  return {
    secrets: [...[...configured, ...given].map((one): WantedSecret => ({ ...one, how })), ...files.map(asFile)],
    optional: new Set(configured.map(({ name }) => name).filter((name) => !asked.has(name))),
    hosts: [...configured, ...given, ...(placeholders ? files : [])].flatMap(({ targets }) => targets.flatMap(({ hosts }) => hosts)),
    exposed: local && given.some(({ exposed }) => exposed),
  }
}

/** Bindings with values found for them. */
export interface FoundSecrets extends ResolvedSecrets {
  readonly notices: readonly string[]
}

/** Finds the values of what is wanted; who has none of the optional ones is told. Errors: `not_found`, `invalid_argument`, those of the vault. */
export async function findSecrets(wanted: Wanted, context: ResolveContext): Promise<FoundSecrets> {
  const { resolveSecrets } = await import('../../secrets/resolve.ts')
  const missing: string[] = []
  const present: WantedSecret[] = []
  for (const one of wanted.secrets) {
    try {
      if (wanted.optional.has(one.name)) await resolveSecrets([one], context)
      present.push(one)
    } catch (error) {
      if (!isAppError(error, 'not_found')) throw error
      missing.push(one.name)
    }
  }
  const notice = `the configuration names secrets that you do not have: ${missing.join(', ')}; set them with \`agentkernel secret set NAME\`.`
  return { ...(await resolveSecrets(present, context)), notices: missing.length === 0 ? [] : [notice] }
}

/** The secrets of one run, with their values, for as long as it lasts. */
export interface RunSecrets {
  readonly bound: BoundSecrets
  /** Variables of the command. */
  readonly env: Readonly<Record<string, string>>
  readonly files: readonly SecretFile[]
  readonly notices: readonly string[]
}

/** Finds the values. Errors: `not_found`, `invalid_argument`, those of the vault. */
export async function bindRunSecrets(
  deps: SecretDeps,
  wanted: Wanted,
  { id, cwd, stdin }: { readonly id: string; readonly cwd: string | undefined; readonly stdin?: Secret | undefined },
): Promise<RunSecrets> {
  const [{ bindSecrets, secretFiles }, opened] = await Promise.all([import('../../secrets/bound.ts'), deps.openVault()])
  const { vault } = opened
  const readStdin = stdin === undefined ? {} : { readStdin: () => Promise.resolve(new TextEncoder().encode(stdin.reveal())) }
  const { bindings, values, notices } = await findSecrets(wanted, { vault, env: deps.env, cwd, sandboxId: id, ...readStdin })
  const bound = await bindSecrets(bindings, vault, values)
  const files = filesOf(secretFiles(bound.secrets))
  return {
    bound,
    env: { ...bound.variables, ...(files.length === 0 ? {} : { [SECRETS_VARIABLE]: SECRETS_FOLDER }) },
    files,
    notices: [...opened.notices, ...(wanted.exposed ? [SEEN_ON_COMMAND_LINE] : []), ...notices],
  }
}

export function filesOf(contents: ReadonlyMap<string, () => Secret | string | undefined>): SecretFile[] {
  return [...contents].flatMap(([name, content]) => {
    const value = content()
    if (value === undefined) return []
    return [{ path: `${SECRETS_FOLDER}/${name}`, content: typeof value === 'string' ? new Secret(value) : value }]
  })
}
