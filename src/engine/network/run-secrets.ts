import type { ResolvedConfig } from '../../contract/config.ts'
import { isAppError } from '../../contract/errors.ts'
import type { SecretAsk } from '../../contract/run.ts'
import { SECRETS_FOLDER, SECRETS_VARIABLE, SEEN_ON_COMMAND_LINE, type Vault } from '../../contract/secrets.ts'
import type { SecretFile } from '../../drivers/driver.ts'
import { Secret } from '../../lib/secret.ts'
import type { ParsedSecret } from '../../secrets/binding.ts'
import type { BoundSecrets } from '../../secrets/bound.ts'
import type { WantedSecret } from '../../secrets/resolve.ts'

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
  const files = [...(config.secrets?.files ?? []), ...(ask?.files ?? [])]
  if (Object.keys(table).length === 0 && files.length === 0 && (ask?.texts ?? []).length === 0) return undefined
  const [{ parseSecret }, { parseSecretsTable }] = await Promise.all([
    import('../../secrets/binding.ts'),
    import('../../secrets/config.ts'),
  ])
  const placeholders = ask?.placeholders === true
  const how = placeholders ? 'token' : 'header'
  const configured = parseSecretsTable(table, 'the configuration').secrets
  const given = (ask?.texts ?? []).map((text) => parseSecret(text.reveal()))
  const inFiles = files.map((text) => parseSecret(text, { hostOptional: !placeholders }))
  const asFile = (one: ParsedSecret): WantedSecret => (placeholders ? { ...one, how: 'token', file: true } : { ...one, how: 'file' })
  const named = new Set([...given, ...inFiles].map(({ name }) => name))
  return {
    secrets: [...[...configured, ...given].map((one): WantedSecret => ({ ...one, how })), ...inFiles.map(asFile)],
    optional: new Set(configured.map(({ name }) => name).filter((name) => !named.has(name))),
    hosts: [...configured, ...given, ...(placeholders ? inFiles : [])].flatMap(({ targets }) => targets.flatMap(({ hosts }) => hosts)),
    exposed: given.some(({ exposed }) => exposed),
  }
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
  const [{ resolveSecrets }, { bindSecrets, secretFiles }, opened] = await Promise.all([
    import('../../secrets/resolve.ts'),
    import('../../secrets/bound.ts'),
    deps.openVault(),
  ])
  const { vault } = opened
  const context = {
    vault,
    env: deps.env,
    cwd,
    sandboxId: id,
    ...(stdin === undefined ? {} : { readStdin: () => Promise.resolve(new TextEncoder().encode(stdin.reveal())) }),
  }
  const missing: string[] = []
  const present = await Promise.all(
    wanted.secrets.map(async (one) => {
      if (!wanted.optional.has(one.name)) return one
      try {
        await resolveSecrets([one], context)
        return one
      } catch (error) {
        if (!isAppError(error, 'not_found')) throw error
        missing.push(one.name)
        return undefined
      }
    }),
  )
  const { bindings, values } = await resolveSecrets(
    present.filter((one) => one !== undefined),
    context,
  )
  const bound = await bindSecrets(bindings, vault, values)
  const files = filesOf(secretFiles(bound.secrets))
  return {
    bound,
    env: { ...bound.variables, ...(files.length === 0 ? {} : { [SECRETS_VARIABLE]: SECRETS_FOLDER }) },
    files,
    notices: [
      ...opened.notices,
      ...(wanted.exposed ? [SEEN_ON_COMMAND_LINE] : []),
      ...(missing.length === 0
        ? []
        : [`the configuration names secrets that you do not have: ${missing.join(', ')}; set them with \`agentkernel secret set NAME\`.`]),
    ],
  }
}

export function filesOf(contents: ReadonlyMap<string, () => Secret | string | undefined>): SecretFile[] {
  return [...contents].flatMap(([name, content]) => {
    const value = content()
    if (value === undefined) return []
    return [{ path: `${SECRETS_FOLDER}/${name}`, content: typeof value === 'string' ? new Secret(value) : value }]
  })
}
