import { existsSync } from 'node:fs'
import { AppError } from '../contract/errors.ts'
import { Secret } from '../lib/secret.ts'

/**
 * The operating system's own store of passwords, through its own program: `secret-tool` (Secret Service of GNOME, KDE, KeePassXC) and
 * `security` (macOS). A library in this process could hang it on a prompt, and would be unpacked to a temporary folder at each start;
 * a program can be ended. Values go through stdin and stdout, as base64, never through arguments or the environment.
 */
export interface Keychain {
  /** For messages. */
  readonly title: string
  /** Largest value, in bytes. */
  readonly largestBytes: number
  /** Undefined: it has none. Errors: `vault_locked`, when it cannot be asked. */
  get(account: string, limitMs?: number): Promise<Secret | undefined>
  set(account: string, value: Secret, limitMs?: number): Promise<void>
  /** False: there was none. */
  delete(account: string): Promise<boolean>
}

/** A program that speaks for a keychain. */
export interface KeychainProgram {
  readonly kind: 'secret-tool' | 'security'
  readonly path: string
  /** What it needs to find the user's session, and nothing else. */
  readonly env: Readonly<Record<string, string>>
}

type Environment = Readonly<Record<string, string | undefined>>

const SERVICE = 'agentkernel'
/** A person may have to type a password. In ms. */
const LIMIT_MS = 30_000
/** More than a program says. */
const MOST_OUTPUT_BYTES = 256 * 1024
/** Folders that only an administrator writes. */
const FOLDERS = ['/usr/bin', '/bin', '/run/current-system/sw/bin'] as const

/** This machine's program; undefined when there is none. That it works is another question. */
export function findKeychain(env: Environment): KeychainProgram | undefined {
  const kind = process.platform === 'darwin' ? 'security' : 'secret-tool'
  const path = FOLDERS.map((folder) => `${folder}/${kind}`).find((file) => existsSync(file))
  return path === undefined ? undefined : { kind, path, env: sessionOf(env) }
}

/** The daemon starts with an empty environment; the places are the same for every session of a user. */
function sessionOf(env: Environment): Record<string, string> {
  const runtime = env['XDG_RUNTIME_DIR'] ?? `/run/user/${process.getuid?.() ?? 0}`
  return {
    PATH: FOLDERS.join(':'),
    XDG_RUNTIME_DIR: runtime,
    DBUS_SESSION_BUS_ADDRESS: env['DBUS_SESSION_BUS_ADDRESS'] ?? `unix:path=${runtime}/bus`,
    ...(env['HOME'] === undefined ? {} : { HOME: env['HOME'] }),
  }
}

export function openKeychain(program: KeychainProgram): Keychain {
  return program.kind === 'security' ? macKeychain(program) : secretService(program)
}

function secretService(program: KeychainProgram): Keychain {
  const title = 'the keychain (Secret Service)'
  const named = (account: string) => ['service', SERVICE, 'account', account]
  const ask = async (args: readonly string[], input: string, limitMs = LIMIT_MS): Promise<Answer> => {
    const answer = await call(program, args, input, limitMs)
    // It ends with 1 both for "there is none", saying nothing, and for every failure, saying why.
    if (answer.code !== 0 && (answer.code !== 1 || answer.said !== '')) throw unavailable(title, answer)
    return answer
  }
  return {
    title,
    // `secret-tool` reads 8191 bytes.
    largestBytes: 6_000,
    get: async (account, limitMs) => decoded(await ask(['lookup', ...named(account)], '', limitMs)),
    set: async (account, value, limitMs) => {
      const args = ['store', `--label=${SERVICE}: ${account}`, ...named(account)]
      const answer = await ask(args, encoded(value), limitMs)
      if (answer.code !== 0) throw unavailable(title, answer)
    },
    delete: async (account) => {
      const { code } = await ask(['lookup', ...named(account)], '')
      if (code !== 0) return false
      await ask(['clear', ...named(account)], '')
      return true
    },
  }
}

/** `security` takes passwords as arguments, except in the commands that it reads from stdin. */
function macKeychain(program: KeychainProgram): Keychain {
  const title = 'the keychain of macOS'
  const NOT_FOUND = 44
  const ask = async (args: readonly string[], input: string, limitMs = LIMIT_MS): Promise<Answer> => {
    const answer = await call(program, args, input, limitMs)
    if (answer.code !== 0 && answer.code !== NOT_FOUND) throw unavailable(title, answer)
    return answer
  }
  const named = (account: string) => ['-s', SERVICE, '-a', account]
  return {
    title,
    // A line of commands may have 4096 bytes.
    largestBytes: 2_800,
    get: async (account, limitMs) => decoded(await ask(['find-generic-password', ...named(account), '-w'], '', limitMs)),
    set: async (account, value, limitMs) => {
      // Names have no character that needs quotes.
      const line = ['add-generic-password', '-U', ...named(account), '-w', encoded(value)].join(' ')
      const answer = await ask(['-i'], `${line}\n`, limitMs)
      if (answer.code !== 0) throw unavailable(title, answer)
    },
    delete: async (account) => (await ask(['delete-generic-password', ...named(account)], '')).code === 0,
  }
}

const encoded = (value: Secret): string => Buffer.from(value.reveal()).toString('base64')
const decoded = ({ code, out }: Answer): Secret | undefined =>
  code === 0 ? new Secret(Buffer.from(out.trim(), 'base64').toString('utf8')) : undefined

interface Answer {
  /** `timed out` when it was ended. */
  readonly code: number | 'timed out'
  readonly out: string
  readonly said: string
}

async function call({ path, env }: KeychainProgram, args: readonly string[], input: string, limitMs: number): Promise<Answer> {
  let child
  try {
    child = Bun.spawn([path, ...args], { env, cwd: '/', stdin: new Blob([input]), stdout: 'pipe', stderr: 'pipe' })
  } catch (error) {
    return { code: -1, out: '', said: error instanceof Error ? error.message : 'it cannot be started' }
  }
  // What the program started may hold its output open after it is killed: nothing waits for that.
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<Answer>((resolve) => {
    timer = setTimeout(() => {
      child.kill('SIGKILL')
      resolve({ code: 'timed out', out: '', said: '' })
    }, limitMs)
  })
  const { stdout, stderr, exited } = child
  const done = Promise.all([bounded(stdout), bounded(stderr), exited]).then(([out, said, code]) => ({ code, out, said: said.trim() }))
  try {
    return await Promise.race([done, late])
  } finally {
    clearTimeout(timer)
  }
}

async function bounded(stream: ReadableStream<Uint8Array>): Promise<string> {
  const pieces: Uint8Array[] = []
  let size = 0
  for await (const piece of stream) {
    size += piece.length
    if (size <= MOST_OUTPUT_BYTES) pieces.push(piece)
  }
  return Buffer.concat(pieces).toString('utf8')
}

/** What the program said is about itself, never a value: values come on stdout only. */
function unavailable(title: string, { code, said }: Answer): AppError {
  const why = code === 'timed out' ? 'it did not answer in time' : (said.split('\n')[0]?.slice(0, 200) ?? '')
  return new AppError('vault_locked', `${title} cannot be used${why === '' ? '' : `: ${why}`}`)
}
