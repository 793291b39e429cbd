import { closeSync, constants, fstatSync, openSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { AppError } from '../../contract/errors.ts'
import type { LlmFormat } from '../../contract/llm.ts'
import { type SecretBinding, secretNameProblem } from '../../contract/secrets.ts'
import { isErrno } from '../../lib/errno.ts'
import { withFlock } from '../../lib/flock.ts'
import { ignore } from '../../lib/ignore.ts'
import { SystemCallError } from '../../lib/libc.ts'
import { makePrivateFolder, openLock, readPrivate, replacePrivate } from '../../secrets/private-file.ts'
import { defaultKeyName, domainOf, isDomain, providerOf } from './providers.ts'

const FILE = 'llm_keys.json'
const LARGEST_BYTES = 256 * 1024
const MOST_KEYS = 1000
/** Longest wait for another process that writes the file, in ms. */
const LOCK_LIMIT_MS = 5000

export type OrgKeys = Readonly<Record<string, string>>

/**
 * Domain to the name of its key in the vault, in a file that only the user can read. The file of the earlier product is read where ours does
 * not exist yet, and stays as it is.
 */
export class OrgKeyFile {
  readonly #folder: string
  readonly #path: string
  readonly #oldPath: string

  /** `folder`: that of the vault, mode 0700, made at the first writing. `oldPath`: `llm_keys.json` of the earlier product. */
  constructor(folder: string, oldPath: string) {
    this.#folder = folder
    this.#path = join(folder, FILE)
    this.#oldPath = oldPath
  }

  /** Errors: `config_invalid`, `vault_unsafe`, `vault_damaged`. */
  list(): OrgKeys {
    const own = readPrivate(this.#path, LARGEST_BYTES)
    return own === undefined ? readOld(this.#oldPath) : parsed(this.#path, own.toString())
  }

  /** `vaultKey`: without one, `PROVIDER_API_KEY`. Errors: `invalid_argument`, `busy`, those of `list`. */
  async set(provider: string, vaultKey = defaultKeyName(provider)): Promise<{ readonly domain: string; readonly vault_key_name: string }> {
    const domain = checkedDomain(provider)
    const problem = secretNameProblem(vaultKey)
    if (problem !== undefined) throw new AppError('invalid_argument', `the name of the key ${problem}`)
    await this.#change((keys) => {
      if (Object.keys(keys).length >= MOST_KEYS && !Object.hasOwn(keys, domain)) {
        throw new AppError('invalid_argument', `${MOST_KEYS} keys are set, the most there may be`)
      }
      return { ...keys, [domain]: vaultKey }
    })
    return { domain, vault_key_name: vaultKey }
  }

  /** Errors: `invalid_argument`, `not_found`, `busy`, those of `list`. */
  async remove(provider: string): Promise<{ readonly removed: string }> {
    const domain = checkedDomain(provider)
    await this.#change(({ [domain]: removed, ...rest }) => {
      if (removed !== undefined) return rest
      throw new AppError('not_found', `no key is set for "${domain}"`, { fix: '`agentkernel llm keys list` shows those that are.' })
    })
    return { removed: domain }
  }

  async #change(change: (keys: OrgKeys) => OrgKeys): Promise<void> {
    makePrivateFolder(this.#folder)
    const fd = openLock(join(this.#folder, 'llm_keys.lock'))
    try {
      await withFlock(fd, 'exclusive', LOCK_LIMIT_MS, () => {
        const sorted = Object.entries(change(this.list())).sort(([left], [right]) => (left < right ? -1 : 1))
        replacePrivate(this.#path, Buffer.from(`${JSON.stringify(Object.fromEntries(sorted), undefined, 2)}\n`))
      })
    } catch (error) {
      if (!(error instanceof SystemCallError)) throw error
      throw new AppError('busy', `the file "${this.#path}" is held by another process: ${error.message}`, { cause: error })
    } finally {
      closeSync(fd)
    }
  }
}

/** A binding of the organisation's keys for each host that the sandbox does not bind itself. `config`: `[llm_keys]`, which wins over the file. */
export function orgBindings(input: {
  readonly file: OrgKeys
  readonly config: OrgKeys
  /** What the sandbox binds itself. */
  readonly bound: readonly SecretBinding[]
  readonly hosts: Readonly<Record<string, LlmFormat>>
}): readonly SecretBinding[] {
  const keys = new Map(Object.entries(input.file))
  for (const [provider, key] of Object.entries(input.config)) keys.set(domainOf(provider), key)
  const takenHosts = input.bound.flatMap(({ hosts }) => hosts)
  const takenNames = new Set(input.bound.map(({ name }) => name))
  return [...keys]
    .filter(([domain]) => isDomain(domain) && !takenHosts.some((pattern) => matches(pattern, domain)))
    .map(([domain, vaultKey]) => {
      const header = providerOf(domain, input.hosts)?.keyHeader
      return {
        name: freeName(defaultKeyName(domain), takenNames),
        vaultKey,
        hosts: [domain],
        how: 'header' as const,
        ...(header === undefined ? {} : { header }),
      }
    })
}

/** The variable that programs of the provider read; with `_ORG` behind it where the sandbox has one of that name for something else. */
function freeName(name: string, taken: Set<string>): string {
  let free = /^[A-Z_]/.test(name) ? name : `LLM_${name}`
  while (taken.has(free)) free += '_ORG'
  taken.add(free)
  return free
}

/** `x.com`, `*.x.com`, `x.com:443`. */
function matches(pattern: string, domain: string): boolean {
  const host = pattern.toLowerCase().replace(/:\d+$/, '')
  return host.startsWith('*.') ? domain.endsWith(host.slice(1)) : host === domain
}

/** Errors: `invalid_argument`. */
export function checkedDomain(provider: string): string {
  const domain = domainOf(provider)
  if (isDomain(domain)) return domain
  throw new AppError('invalid_argument', `${JSON.stringify(provider)} is neither a provider nor a domain`, {
    fix: 'Write a name such as `openai`, or a host such as `llm.example.com`.',
  })
}

/** What is not a readable file of this user is none: it was never ours to complain about. */
function readOld(path: string): OrgKeys {
  try {
    const fd = openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK)
    try {
      const { uid, mode, size } = fstatSync(fd)
      const isOwn = uid === (process.getuid?.() ?? uid) && (mode & 0o022) === 0
      return isOwn && size <= LARGEST_BYTES ? parsed(path, readFileSync(fd, 'utf8')) : {}
    } finally {
      closeSync(fd)
    }
  } catch (error) {
    if (isErrno(error, 'ENOENT', 'EACCES', 'ELOOP', 'ENOTDIR')) return {}
    throw error
  }
}

function parsed(path: string, text: string): OrgKeys {
  let content: unknown
  try {
    content = JSON.parse(text)
  } catch (error) {
    ignore(error, 'undefined is no table')
  }
  if (typeof content !== 'object' || content === null || Array.isArray(content)) {
    throw new AppError('config_invalid', `the file "${path}" is damaged`, { fix: 'Correct it, or move it away and set the keys again.' })
  }
  const keys = Object.entries(content).flatMap(([name, key]) => {
    const domain = domainOf(name)
    return typeof key === 'string' && isDomain(domain) && secretNameProblem(key) === undefined ? [[domain, key] as const] : []
  })
  return Object.fromEntries(keys)
}
