import { copyFileSync, chmodSync, chownSync, existsSync, linkSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { KeptOrders } from '../fixtures/kept-sandbox.ts'

/** The programs under attack, as users have them. */
const BUILD = join(import.meta.dir, '../../build')
/** The one that prepares a sandbox and is process 1 in it, and the one that is process 1 where there is a network. */
const HELPERS = ['agentkernel-guest', 'agentkernel-guest-net'] as const

/** An identity that no system gives to a user and no file here belongs to. */
const STRANGER = 54_321

/** Who starts the sandbox. Every attack runs once for each. */
export interface Caller {
  readonly name: 'root' | 'an unprivileged user'
  readonly uid: number
  /** Words put before a command, so that it runs as this caller. */
  readonly prefix: readonly string[]
  /** Why this half cannot run here. */
  readonly skip?: string
}

const ownUid = process.getuid?.() ?? 0

/** Programs without which nothing here can be tested; the reason to skip, or undefined. */
function missing(): string | undefined {
  if (!['agentkernel', ...HELPERS].every((name) => existsSync(join(BUILD, name)))) return 'agentkernel has not been built'
  if (!existsSync('/usr/bin/python3')) return 'the attacks are written in Python, which this machine does not have'
  if (ownUid === 0 && Bun.which('setpriv') === null) return 'setpriv is missing'
  return undefined
}

/** Both callers; as an ordinary user nobody can become root, so that half is left out. */
export function callers(): readonly Caller[] {
  const skip = missing()
  const reason = skip === undefined ? {} : { skip }
  const user: Caller = { name: 'an unprivileged user', uid: ownUid, prefix: [], ...reason }
  if (ownUid !== 0) return [{ name: 'root', uid: 0, prefix: [], skip: 'the tests do not run as root' }, user]
  const become = [`--reuid=${STRANGER}`, `--regid=${STRANGER}`, '--clear-groups', '--inh-caps=-all']
  return [
    { name: 'root', uid: 0, prefix: [], ...reason },
    { ...user, uid: STRANGER, prefix: ['setpriv', ...become] },
  ]
}

/** The folders of one caller below a directory that everybody may pass through. */
export interface Place {
  readonly caller: Caller
  readonly dir: string
  readonly home: string
  readonly project: string
  readonly binary: string
  readonly helper: string
  /** It, and the one for sandboxes with a network. */
  readonly helpers: readonly string[]
  readonly remove: () => void
}

/** Makes an empty home, an empty project and copies of the programs for a caller. */
export function makePlace(caller: Caller): Place {
  const dir = mkdtempSync(join(tmpdir(), 'agentkernel-security-'))
  chmodSync(dir, 0o755)
  const [home, project, bin] = [join(dir, 'home'), join(dir, 'home/project'), join(dir, 'bin')]
  for (const folder of [bin, home, project]) mkdirSync(folder, { mode: 0o755 })
  for (const folder of [home, project]) chownSync(folder, caller.uid, caller.uid)
  const binary = join(bin, 'agentkernel')
  // A hundred megabytes: shared where the file system can.
  try {
    linkSync(join(BUILD, 'agentkernel'), binary)
  } catch {
    copyFileSync(join(BUILD, 'agentkernel'), binary)
  }
  // Copies of its own, so that their processes can be told from everybody else's.
  const helpers = HELPERS.map((name) => {
    copyFileSync(join(BUILD, name), join(bin, name))
    chmodSync(join(bin, name), 0o755)
    return join(bin, name)
  })
  const remove = (): void => rmSync(dir, { recursive: true, force: true })
  return { caller, dir, home, project, binary, helper: join(bin, HELPERS[0]), helpers, remove }
}

export interface RunOptions {
  /** Flags of `run`. */
  readonly flags?: readonly string[]
  readonly cwd?: string
  readonly env?: Readonly<Record<string, string>>
  readonly stdin?: Uint8Array
  /** Text of a shell script on the host that gets the product's argv as "$@". */
  readonly wrapper?: string
  /** In a sandbox that stays, made for this command, instead of a single run. `flags` do not apply. */
  readonly stays?: KeptOrders['profile']
}
export interface RunOutput {
  readonly code: number
  readonly pid: number
  readonly stdout: string
  readonly stderr: string
}

/** The environment of every caller: nothing of this process, and one secret that no sandbox may see. */
export function environmentOf(place: Place, secret: string): Record<string, string> {
  return { HOME: place.home, PATH: '/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin', HOST_SECRET_TOKEN: secret, LD_LIBRARY_PATH: '' }
}

/** What to execute for `agentkernel run`, with the caller's identity. */
export function runCommand(place: Place, command: readonly string[], options: RunOptions = {}): string[] {
  const product =
    options.stays === undefined
      ? [place.binary, 'run', ...(options.flags ?? []), ...command]
      : keptCommand(place, 'run', command, options.stays)
  const wrapped = options.wrapper === undefined ? product : ['/bin/sh', '-c', options.wrapper, 'sh', ...product]
  return [...place.caller.prefix, ...wrapped]
}

const KEPT_SANDBOX = join(import.meta.dir, '../fixtures/kept-sandbox.ts')

/** What to execute for a sandbox that stays. */
export function keptCommand(
  { home, project, helper }: Place,
  what: KeptOrders['what'],
  command: readonly string[] = [],
  profile: KeptOrders['profile'] = 'moderate',
): string[] {
  return [process.execPath, KEPT_SANDBOX, JSON.stringify({ home, project, helper, what, command, profile } satisfies KeptOrders)]
}

/** Runs a command in a sandbox, to its end. */
export async function run(place: Place, command: readonly string[], options: RunOptions = {}): Promise<RunOutput> {
  const child = Bun.spawn(runCommand(place, command, options), {
    cwd: options.cwd ?? place.project,
    env: { ...environmentOf(place, 'CANARY-of-the-environment'), ...options.env },
    stdin: options.stdin ?? 'ignore',
    stdout: 'pipe',
    stderr: 'pipe',
  })
  const [stdout, stderr, code] = await Promise.all([child.stdout.text(), child.stderr.text(), child.exited])
  return { code, pid: child.pid, stdout, stderr }
}
