import { accessSync, constants, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, realpathSync, rmSync } from 'node:fs'
import { spawn, spawnSync } from 'node:child_process'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { findCgroupRoots } from '../../src/drivers/namespace/cgroup.ts'
import { ROOT } from '../support/source-files.ts'

/** The built program; another build, such as one that an unprivileged user may read, by this variable. */
export const BINARY = process.env['AGENTKERNEL_E2E_BINARY'] ?? join(ROOT, 'build/agentkernel')
export const IS_ROOT = process.getuid?.() === 0

const PATIENCE_MS = 10_000

/** Waits for something that must happen, and says what it was when it does not. */
export async function within<T>(promise: Promise<T>, what: string, ms = PATIENCE_MS): Promise<T> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`waited ${ms} ms in vain for ${what}`)), ms)
  })
  try {
    return await Promise.race([promise, late])
  } finally {
    clearTimeout(timer)
  }
}

/** How a program ended and what it wrote. */
export interface Ended {
  /** Exit status, or 128 + the signal's number. */
  readonly code: number
  readonly stdout: string
  readonly stderr: string
}

/** A user: a home with a project in it. Unless `fresh`, it has run something before, and was told what is told once. */
export class User {
  readonly home: string
  readonly project: string
  readonly env: Record<string, string>

  constructor(name = 'home', { fresh = false } = {}) {
    this.home = join(realpathSync(mkdtempSync(join(tmpdir(), 'agentkernel e2e '))), name)
    this.project = join(this.home, 'project')
    mkdirSync(this.project, { recursive: true })
    this.env = { HOME: this.home, PATH: '/usr/local/bin:/usr/bin:/bin', LANG: 'C.UTF-8' }
    if (!fresh) spawnSync(BINARY, ['run', 'true'], { cwd: this.project, env: this.env })
  }

  get dataDir(): string {
    return join(this.home, '.local/share/agentkernel')
  }

  /** Runs the program to its end; stdin is empty unless given. Its streams are sockets, as from other programs. */
  async agentkernel(args: readonly string[], options: SpawnOptions = {}): Promise<Ended> {
    return this.spawn([BINARY, ...args], options)
  }

  /** A shell script of the host, in which `ak` is the program. */
  async script(text: string, options: SpawnOptions = {}): Promise<Ended> {
    return this.spawn(['bash', '-c', `ak() { '${BINARY}' "$@"; }\n${text}`], options)
  }

  async spawn(
    command: readonly string[],
    { cwd = this.project, env = {}, stdin = '', ms = PATIENCE_MS }: SpawnOptions = {},
  ): Promise<Ended> {
    const child = spawn(command[0]!, command.slice(1), { cwd, env: { ...this.env, ...env }, detached: true })
    const output = { stdout: '', stderr: '' }
    child.stdout.setEncoding('utf8').on('data', (text: string) => (output.stdout += text))
    child.stderr.setEncoding('utf8').on('data', (text: string) => (output.stderr += text))
    child.stdin.on('error', () => undefined)
    child.stdin.end(stdin)
    const code = new Promise<number>((resolve, reject) => {
      child.on('error', reject)
      child.on('close', (status, signal) => resolve(status ?? 128 + signalNumbers[signal ?? 'SIGKILL']!))
    })
    try {
      return { code: await within(code, command.join(' ').slice(0, 300), ms), ...output }
    } finally {
      if (child.exitCode === null && child.signalCode === null && child.pid !== undefined) process.kill(-child.pid, 'SIGKILL')
    }
  }

  /** What runs left on the disk: folders in which something would still have to be cleaned. */
  leftFolders(): string[] {
    const runs = join(this.dataDir, 'runs')
    return existsSync(runs) ? readdirSync(runs) : []
  }

  remove(): void {
    rmSync(dirname(this.home), { recursive: true, force: true })
  }
}

export interface SpawnOptions {
  readonly cwd?: string
  readonly env?: Readonly<Record<string, string>>
  readonly stdin?: string | Uint8Array
  /** How long it may take. */
  readonly ms?: number
}

const signalNumbers: Readonly<Record<string, number>> = { SIGHUP: 1, SIGINT: 2, SIGQUIT: 3, SIGKILL: 9, SIGPIPE: 13, SIGTERM: 15 }

/** Command lines of processes that hold `marker`, of the whole machine: a sandbox's processes are seen from outside. */
export function processesWith(marker: string): string[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid)
    .map((pid) => commandLineOf(pid))
    .filter((line) => line.includes(marker))
}

function commandLineOf(pid: string): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ')
  } catch {
    // It ended while we looked.
    return ''
  }
}

/** True when this user may make control groups, so that limits hold for all processes of a run together. */
export const HAS_CGROUPS = groupRoots().length > 0

/** Groups that runs of the program with this process number left. */
export function leftGroups(pid: number): string[] {
  return groupRoots().flatMap((folder) => readdirSync(folder).filter((name) => name.includes(`.${pid}.`)))
}

function groupRoots(): string[] {
  const roots = findCgroupRoots(readFileSync('/proc/self/cgroup', 'utf8'), readFileSync('/proc/self/mountinfo', 'utf8'))
  return [roots?.memory, roots?.pids, roots?.cpu].filter((folder) => folder !== undefined && mayUse(folder)) as string[]
}

function mayUse(folder: string): boolean {
  try {
    accessSync(folder, constants.R_OK | constants.W_OK)
    return true
  } catch {
    return false
  }
}

/** Looks again and again until `holds` is true. For states that nobody tells, such as one of the process table. */
export async function eventually(holds: () => boolean, what: string): Promise<void> {
  const deadline = performance.now() + PATIENCE_MS
  while (!holds()) {
    if (performance.now() > deadline) throw new Error(`waited in vain until ${what}`)
    await Bun.sleep(10)
  }
}
