import { closeSync, constants, fstatSync, openSync, readSync } from 'node:fs'
import { resolve } from 'node:path'
import { AppError } from '../contract/errors.ts'
import { LARGEST_SECRET_BYTES, PLACEHOLDER_PREFIX, type SecretBinding, type Vault } from '../contract/secrets.ts'
import { isErrno } from '../lib/errno.ts'
import { Secret } from '../lib/secret.ts'
import { checkConflicts, type ParsedSecret } from './binding.ts'
import { checkValue, sandboxSecretName } from './names.ts'

/** What resolving may ask. */
export interface ResolveContext {
  readonly vault: Pick<Vault, 'get'>
  /** The caller's. */
  readonly env: Readonly<Record<string, string | undefined>>
  /** For relative names of files. Undefined: there is none. */
  readonly cwd: string | undefined
  /** All of stdin, at most `limit` bytes and one. Undefined: stdin is not to be had. */
  readonly readStdin?: (limit: number) => Promise<Uint8Array>
  readonly sandboxId: string
}

export interface ResolvedSecrets {
  /** To be saved with the sandbox. */
  readonly bindings: readonly SecretBinding[]
  /** Values that are not in the vault yet, by their name there: to be stored for a sandbox that stays, else kept in memory. */
  readonly values: ReadonlyMap<string, Secret>
}

export type WantedSecret = ParsedSecret & {
  readonly how: SecretBinding['how']
  /** The placeholder is a file as well. */
  readonly file?: true
}

/**
 * Finds every value and makes the bindings of one sandbox. Of two with the same variable and `how` the later holds, so that arguments
 * win over configuration. Errors: `not_found` (no value), `invalid_argument`, those of the vault.
 */
export async function resolveSecrets(wanted: readonly WantedSecret[], context: ResolveContext): Promise<ResolvedSecrets> {
  const last = new Map(wanted.map((one) => [`${one.name} ${one.how === 'file' || one.file === true}`, one]))
  if ([...last.values()].filter(({ source }) => source.kind === 'stdin').length > 1) {
    throw new AppError('invalid_argument', 'stdin can be the value of one secret only')
  }
  const values = new Map<string, Secret>()
  const bindings: SecretBinding[] = []
  for (const one of last.values()) {
    const vaultKey = await place(one, context, values)
    bindings.push(...bindingsOf(one, vaultKey))
  }
  checkConflicts(bindings)
  return { bindings, values }
}

/** Where the value is: its own name for what the vault has, else a name of the sandbox, and then it is added to `values`. */
async function place(one: WantedSecret, context: ResolveContext, values: Map<string, Secret>): Promise<string> {
  const { name, source } = one
  if (source.kind === 'named') {
    if ((await context.vault.get(name)) !== undefined) return name
    const found = Object.hasOwn(context.env, name) ? context.env[name] : undefined
    if (found === undefined || found === '') {
      throw new AppError('not_found', `there is no secret ${name}, neither in the vault nor in your environment`, {
        fix: `Set it: \`agentkernel secret set ${name}\`.`,
      })
    }
    return kept(name, new Secret(found), context, values)
  }
  const value = source.kind === 'given' ? source.value : new Secret(await textOf(name, source, context))
  return kept(name, value, context, values)
}

function kept(name: string, value: Secret, { sandboxId }: ResolveContext, values: Map<string, Secret>): string {
  checkValue(name, value)
  const vaultKey = sandboxSecretName(sandboxId, name)
  values.set(vaultKey, value)
  return vaultKey
}

function bindingsOf({ name, targets, how, file }: WantedSecret, vaultKey: string): SecretBinding[] {
  if (how === 'file') return [{ name, vaultKey, hosts: [], how }]
  const placeholder = how === 'token' ? { placeholder: newPlaceholder() } : {}
  return targets.map((target) => ({ name, vaultKey, how, ...target, ...placeholder, ...(file === true ? { file } : {}) }))
}

/** A token that stands for one secret in one sandbox and tells nothing of it. */
export function newPlaceholder(): string {
  return `${PLACEHOLDER_PREFIX}${Buffer.from(crypto.getRandomValues(new Uint8Array(16))).toString('hex')}`
}

async function textOf(name: string, source: { kind: 'file'; path: string } | { kind: 'stdin' }, context: ResolveContext): Promise<string> {
  const bytes = source.kind === 'file' ? readValueFile(name, source.path, context.cwd) : await fromStdin(name, context)
  return valueText(name, bytes)
}

/** A value as files and pipes give it: text, without the line break that editors and `echo` put at its end. Errors: `invalid_argument`. */
function valueText(name: string, bytes: Uint8Array): string {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes).replace(/\r?\n$/, '')
  } catch (error) {
    throw new AppError('invalid_argument', `the value of ${name} is not UTF-8 text`, { cause: error })
  }
}

async function fromStdin(name: string, { readStdin }: ResolveContext): Promise<Uint8Array> {
  if (readStdin === undefined) throw new AppError('invalid_argument', `the secret ${name}: stdin cannot be read here`)
  return readStdin(LARGEST_SECRET_BYTES + 2)
}

function readValueFile(name: string, written: string, cwd: string | undefined): Uint8Array {
  const path = cwd === undefined ? written : resolve(cwd, written)
  let fd: number
  try {
    fd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOCTTY)
  } catch (error) {
    const why = isErrno(error, 'ENOENT', 'ENOTDIR') ? 'there is no such file' : 'it cannot be read'
    throw new AppError(isErrno(error, 'ENOENT', 'ENOTDIR') ? 'not_found' : 'invalid_argument', `the secret ${name}: "${path}": ${why}`, {
      cause: error,
      fix: 'Check the path behind "=@".',
    })
  }
  try {
    if (!fstatSync(fd).isFile()) throw new AppError('invalid_argument', `the secret ${name}: "${path}" is not a file`)
    const buffer = Buffer.alloc(LARGEST_SECRET_BYTES + 3)
    let length = 0
    for (let got = -1; got !== 0 && length < buffer.length; length += got) got = readSync(fd, buffer, length, buffer.length - length, null)
    return buffer.subarray(0, length)
  } finally {
    closeSync(fd)
  }
}
