import { existsSync, mkdirSync, mkdtempSync, realpathSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { writeLargeProject } from './fixtures/large-project.ts'

export const ROOT = join(import.meta.dir, '..')
export const LAUNCHER = join(ROOT, 'agentkernel')
export const BINARY = join(ROOT, 'build/agentkernel')
export const GUEST = join(ROOT, 'build/agentkernel-guest')

/** A reason not to measure, or a run that failed; its message is for the person who asked. */
export class BenchError extends Error {}

/** Runs the main function of a bench; what it returns becomes the exit code. A BenchError is one line and exit code 2. */
export async function runBench(main: () => Promise<number>): Promise<void> {
  try {
    process.exitCode = await main()
  } catch (error) {
    if (!(error instanceof BenchError)) throw error
    console.error(`bench: ${error.message}`)
    process.exitCode = 2
  }
}

/** A home that belongs to the bench, and the environment that everything measured gets. */
export interface World {
  readonly home: string
  /** An empty project. */
  readonly empty: string
  readonly dataDir: string
  readonly env: Readonly<Record<string, string>>
}

/** Where a container engine listens is the one thing of the caller's environment that is passed on. */
const PASSED = ['DOCKER_HOST', 'CONTAINER_HOST'] as const

/** Runs `work` in a world of its own, which is removed on every way out. Throws a BenchError when there is no fresh build. */
export async function withWorld<T>(work: (world: World) => Promise<T>): Promise<T> {
  checkBuild()
  const home = realpathSync(mkdtempSync(join(tmpdir(), 'agentkernel-bench-')))
  const remove = (): void => rmSync(home, { recursive: true, force: true })
  const interrupted = (): never => {
    remove()
    process.exit(130)
  }
  process.once('SIGINT', interrupted).once('SIGTERM', interrupted)
  try {
    const empty = join(home, 'empty')
    mkdirSync(empty)
    const passed = PASSED.flatMap((name) => (process.env[name] === undefined ? [] : [[name, process.env[name]] as const]))
    const env = { HOME: home, PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin', LANG: 'C.UTF-8' }
    return await work({ home, empty, dataDir: join(home, '.local/share/agentkernel'), env: { ...env, ...Object.fromEntries(passed) } })
  } finally {
    process.off('SIGINT', interrupted).off('SIGTERM', interrupted)
    remove()
  }
}

/** The launcher would build by itself; a bench must not measure that, nor an old program. */
export function checkBuild(root = ROOT): void {
  const missing = ['build/agentkernel', 'build/agentkernel-guest', 'build/agentkernel-guest-net', 'build/fresh.sh'].filter(
    (path) => !existsSync(join(root, path)),
  )
  if (missing.length > 0) throw new BenchError(`nothing to measure: ${missing.join(', ')} missing. Run \`./agentkernel --version\` first.`)
  if (!isFresh(root)) throw new BenchError('the build is older than its sources. Run `./agentkernel --version` first.')
}

/** What the launcher asks at every start. */
export function isFresh(root = ROOT): boolean {
  const script = 'root=$1 fresh=; . "$root/build/fresh.sh"; [ -n "$fresh" ]'
  return Bun.spawnSync(['/bin/sh', '-c', script, 'sh', root]).success
}

/** A project that has rested: folders that changed within two seconds before a scan are read again by the next one. */
export async function largeProject(world: World, size: { readonly files: number; readonly folders: number }): Promise<string> {
  const root = writeLargeProject(join(world.home, 'large'), size)
  await Bun.sleep(2_100)
  return root
}
