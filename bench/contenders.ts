import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { LAUNCHER, type World } from './world.ts'

/** One thing to measure: a command line, run as often as asked. */
export interface Contender {
  readonly name: string
  readonly command: readonly string[]
  readonly cwd: string
  /** How it ends when all is well. @default 0 */
  readonly exitCode?: number
  /** The contender that its times are divided by. */
  readonly baseline?: string
  /** Runs before each measurement and is not measured. */
  readonly before?: () => void
}

/** The same namespaces that our own sandboxes have, the whole host read-only, and nothing else. */
const BWRAP = ['bwrap', '--unshare-all', '--ro-bind', '/', '/', '--proc', '/proc', '--dev', '/dev', '--die-with-parent', '--new-session']
const PYTHON = ['python3', '-c', 'pass']
const TRUE = 'bwrap /bin/true'
const PYTHON_BASE = 'bwrap python3 -c pass'

/** Everything of the interleaved run, in its order. `large` is the large project, with its index warm. */
export function contenders(world: World, large: string): Contender[] {
  const here = world.empty
  const ours = (what: string, cwd: string, where: string, command: readonly string[], baseline: string): Contender => ({
    name: `agentkernel run ${what}, ${where}`,
    command: [LAUNCHER, 'run', ...command],
    cwd,
    baseline,
  })
  return [
    { name: 'no sandbox: /bin/true', command: ['/bin/true'], cwd: here, baseline: TRUE },
    { name: 'no sandbox: python3 -c pass', command: PYTHON, cwd: here, baseline: PYTHON_BASE },
    { name: TRUE, command: [...BWRAP, '/bin/true'], cwd: here, baseline: TRUE },
    { name: PYTHON_BASE, command: [...BWRAP, ...PYTHON], cwd: here, baseline: PYTHON_BASE },
    ours('/bin/true', here, 'empty folder', ['/bin/true'], TRUE),
    ours('python3 -c pass', here, 'empty folder', PYTHON, PYTHON_BASE),
    ours('/bin/true', large, 'large project', ['/bin/true'], TRUE),
    ours('python3 -c pass', large, 'large project', PYTHON, PYTHON_BASE),
    // --pull=never: a bench downloads nothing.
    {
      name: 'docker run --rm alpine true',
      command: ['docker', 'run', '--rm', '--pull=never', 'alpine', 'true'],
      cwd: here,
      baseline: TRUE,
    },
    {
      name: 'podman run --rm alpine true',
      command: ['podman', 'run', '--rm', '--pull=never', 'alpine', 'true'],
      cwd: here,
      baseline: TRUE,
    },
    {
      name: 'runsc do true',
      command: ['runsc', ...(process.getuid?.() === 0 ? [] : ['--rootless']), 'do', 'true'],
      cwd: here,
      baseline: TRUE,
    },
  ]
}

/** The first scan of a large project: what is known of it is forgotten before each run. The page cache stays warm. */
export function coldScan(world: World, large: string): Contender {
  const before = (): void => rmSync(join(world.dataDir, 'index'), { recursive: true, force: true })
  return {
    name: 'agentkernel run /bin/true, large project, first scan',
    command: [LAUNCHER, 'run', '/bin/true'],
    cwd: large,
    baseline: TRUE,
    before,
  }
}
