import { copyFileSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { findCgroupRoots } from '../../src/drivers/namespace/cgroup.ts'
import { ignore } from '../../src/lib/ignore.ts'

/** Where the sandboxes of a suite are, and what is left of them. */
export interface SandboxPlace {
  readonly dataDir: string
  readonly runtimeDir: string
  /** A copy of the helper, so that its processes can be told from everybody else's. The other one, for a network, lies beside it. */
  readonly helperPath: string
  readonly leftovers: () => Promise<readonly string[]>
  readonly remove: () => void
}

const BUILT = join(import.meta.dir, '../../build/agentkernel-guest')
/** How long what was killed may take to be gone, in ms. */
const PATIENCE_MS = 5_000

export function makeSandboxPlace(): SandboxPlace {
  const base = mkdtempSync(join(tmpdir(), 'stays-'))
  const [dataDir, runtimeDir, helperPath] = [join(base, 'data'), join(base, 'run'), join(base, 'agentkernel-guest')]
  for (const folder of [dataDir, runtimeDir]) mkdirSync(folder, { mode: 0o700 })
  const programs = ['', '-net'].map((which) => ({ built: BUILT + which, copy: helperPath + which }))
  for (const { built, copy } of programs) if (existsSync(built)) copyFileSync(built, copy)
  const mounts = new Set(lines('/proc/self/mountinfo'))
  const roots = findCgroupRoots(read('/proc/self/cgroup'), read('/proc/self/mountinfo'))
  const prefix = `keep.${new Bun.CryptoHasher('sha256').update(dataDir).digest('hex').slice(0, 8)}.`
  const look = (): string[] => [
    ...names(join(dataDir, 'sandboxes')).map((name) => `folder ${name}`),
    ...names(runtimeDir).map((name) => `runtime folder ${name}`),
    ...[roots?.memory, roots?.pids, roots?.cpu, roots?.cpuacct].flatMap((folder) =>
      folder === undefined ? [] : names(folder).flatMap((name) => (name.startsWith(prefix) ? [`group ${folder}/${name}`] : [])),
    ),
    ...lines('/proc/self/mountinfo').flatMap((line) => (mounts.has(line) ? [] : [`mount ${line}`])),
    ...programs.flatMap(({ copy }) => processesOf(copy)).map((pid) => `process ${pid}`),
  ]
  return {
    dataDir,
    runtimeDir,
    helperPath,
    leftovers: async () => {
      for (let left = PATIENCE_MS; left > 0 && look().length > 0; left -= 5) await Bun.sleep(5)
      return look()
    },
    remove: () => rmSync(base, { recursive: true, force: true }),
  }
}

function processesOf(program: string): string[] {
  const wanted = inode(program)
  return names('/proc').filter((name) => /^\d+$/.test(name) && wanted !== undefined && inode(`/proc/${name}/exe`) === wanted)
}

function inode(path: string): string | undefined {
  try {
    const { dev, ino } = statSync(path)
    return `${dev}:${ino}`
  } catch (error) {
    ignore(error, 'it has ended, or is not ours to look at')
    return undefined
  }
}

function read(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch (error) {
    ignore(error, 'not on this system')
    return ''
  }
}

const lines = (path: string): string[] => read(path).split('\n')

function names(folder: string): string[] {
  try {
    return readdirSync(folder)
  } catch (error) {
    ignore(error, 'there is none')
    return []
  }
}
