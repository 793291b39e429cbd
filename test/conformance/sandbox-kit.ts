import { expect } from 'bun:test'
import { readdirSync, readFileSync } from 'node:fs'
import { mkdtemp, realpath, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { isAppError } from '../../src/contract/errors.ts'
import type { ExecEnded } from '../../src/contract/guest-protocol.ts'
import type { Permissions } from '../../src/contract/permissions.ts'
import type { Driver, DriverFacts, SandboxHandle, SandboxSpec, SandboxVerbs } from '../../src/drivers/driver.ts'
import { Guest, type GuestExecStream } from '../../src/guestlink/index.ts'
import { ignore } from '../../src/lib/ignore.ts'
import { PERMISSIONS } from './make-spec.ts'

/** One thing that every driver whose sandboxes stay must do. */
export interface SandboxCase {
  /** A sentence about behaviour; drivers name it to skip it. */
  readonly name: string
  /** The claim the case attacks; it applies only to drivers that make it. */
  readonly claim?: { readonly says: string; readonly made: (facts: DriverFacts) => boolean }
  readonly run: (kit: SandboxKit) => Promise<void>
}

export type SandboxParts = Partial<Omit<SandboxSpec, 'permissions'>> & { readonly permissions?: Partial<Permissions> }

/** A sandbox and the handle it has now, as the engine would save it: every handle goes through JSON. */
export interface Box {
  readonly spec: SandboxSpec
  handle: SandboxHandle
}

/** How a command ended and what it wrote. */
export interface Executed {
  readonly result: ExecEnded
  readonly stdout: string
  readonly stderr: string
}

/** What a case works with. Everything it makes is gone when the case ends. */
export interface SandboxKit {
  readonly driver: Driver
  readonly verbs: SandboxVerbs
  /** The verbs of another object of the same driver, as after a restart of ours: it remembers nothing. */
  readonly another: () => Promise<SandboxVerbs>
  readonly plan: (parts?: SandboxParts) => Box
  readonly create: (parts?: SandboxParts) => Promise<Box>
  /** Starts a sandbox, made now or before. */
  readonly start: (what?: SandboxParts | Box) => Promise<Box>
  readonly stop: (box: Box, graceMs?: number) => Promise<void>
  readonly exec: (box: Box, command: readonly string[]) => Promise<Executed>
  /** Runs a shell script and resolves with its standard output; fails unless it exits with 0. */
  readonly sh: (box: Box, script: string) => Promise<string>
  /** Starts a command that goes on by itself, and resolves when it has printed `ready`. */
  readonly background: (box: Box, script: string) => Promise<GuestExecStream>
  readonly state: (box: Box) => Promise<'running' | 'stopped' | 'gone'>
  /** Waits until it is in that state. */
  readonly becomes: (box: Box, state: 'running' | 'stopped' | 'gone') => Promise<void>
  /** Processes on the host that hold a running sandbox, outermost first. */
  readonly processes: (box: Box) => readonly number[]
  /** Waits until these processes have ended, whether somebody has asked how or not. */
  readonly ended: (pids: readonly number[]) => Promise<void>
  /** A fresh folder of the host, symlinks resolved. */
  readonly tempDir: () => Promise<string>
  readonly signal: AbortSignal
}

const never = new AbortController().signal

/** Carries one case out and cleans up after it, whether it passed or not. */
export async function withSandboxes(createDriver: () => Promise<Driver>, action: (kit: SandboxKit) => Promise<void>): Promise<void> {
  const kit = new Bench(await createDriver(), createDriver)
  try {
    await action(kit)
  } finally {
    await kit.clear()
  }
}

export const verbsOf = (driver: Driver): SandboxVerbs => {
  if (driver.sandboxes === undefined) throw new Error(`driver ${driver.name} keeps no sandboxes`)
  return driver.sandboxes
}

class Bench implements SandboxKit {
  readonly driver: Driver
  readonly verbs: SandboxVerbs
  readonly signal = never
  readonly #createDriver: () => Promise<Driver>
  readonly #boxes: Box[] = []
  readonly #folders: string[] = []
  readonly #guests: Guest[] = []

  constructor(driver: Driver, createDriver: () => Promise<Driver>) {
    this.driver = driver
    this.verbs = verbsOf(driver)
    this.#createDriver = createDriver
  }

  readonly another = async (): Promise<SandboxVerbs> => verbsOf(await this.#createDriver())

  readonly plan = (parts: SandboxParts = {}): Box => {
    const spec = makeSandboxSpec(parts)
    const box = { spec, handle: saved(this.verbs.plan(spec)) }
    this.#boxes.push(box)
    return box
  }

  readonly create = async (parts?: SandboxParts): Promise<Box> => {
    const box = this.plan(parts)
    box.handle = saved(await this.verbs.create(box.handle, box.spec, never))
    return box
  }

  readonly start = async (what?: SandboxParts | Box): Promise<Box> => {
    const box = what !== undefined && 'handle' in what ? what : await this.create(what)
    box.handle = saved(await this.verbs.start(box.handle, box.spec, never))
    return box
  }

  readonly stop = async (box: Box, graceMs = 0): Promise<void> => {
    box.handle = saved(await this.verbs.stop(box.handle, graceMs, never))
  }

  readonly exec = async (box: Box, command: readonly string[]): Promise<Executed> => collect(await this.#open(box, command))

  readonly sh = async (box: Box, script: string): Promise<string> => {
    const { result, stdout, stderr } = await this.exec(box, ['sh', '-c', script])
    expect({ ended: result.ended, status: result.status, stderr }).toEqual({ ended: 'exited', status: 0, stderr })
    return stdout
  }

  readonly background = async (box: Box, script: string): Promise<GuestExecStream> => {
    const stream = await this.#open(box, ['sh', '-c', script])
    let text = ''
    for await (const chunk of stream.output) {
      if ('bytes' in chunk) text += new TextDecoder().decode(chunk.bytes)
      if (text.includes('ready')) return stream
    }
    throw new Error(`it ended with ${JSON.stringify(text)} and was never ready`)
  }

  readonly state = (box: Box): Promise<'running' | 'stopped' | 'gone'> => this.verbs.inspect(box.handle, never)

  readonly becomes = async (box: Box, state: 'running' | 'stopped' | 'gone'): Promise<void> => {
    while ((await this.state(box)) !== state) await Bun.sleep(5)
  }

  readonly processes = (box: Box): readonly number[] => {
    const facts = join(dirname(this.verbs.connect(box.handle).socketPath), 'shim.json')
    const { pid } = JSON.parse(readFileSync(facts, 'utf8')) as { readonly pid: number }
    return [pid, ...descendantsOf(pid)]
  }

  readonly ended = async (pids: readonly number[]): Promise<void> => {
    while (pids.some(runs)) await Bun.sleep(5)
  }

  readonly tempDir = async (): Promise<string> => {
    const folder = await realpath(await mkdtemp(join(tmpdir(), 'conformance-')))
    this.#folders.push(folder)
    return folder
  }

  async clear(): Promise<void> {
    for (const guest of this.#guests) await guest.connection.bye()
    for (const box of this.#boxes) await this.verbs.destroy(box.handle, never)
    for (const folder of this.#folders) await rm(folder, { recursive: true, force: true })
  }

  async #open({ handle }: Box, argv: readonly string[]): Promise<GuestExecStream> {
    const guest = await Guest.connect(this.verbs.connect(handle).socketPath, { role: 'client', version: '0.0.0' })
    this.#guests.push(guest)
    const { env, cwd } = handle.guest ?? { env: {}, cwd: '/' }
    const variables = Object.entries(env).map(([name, value]) => `${name}=${value}`)
    return guest.exec({ op: 'exec', id: crypto.randomUUID(), argv, env: variables, cwd })
  }
}

export function makeSandboxSpec({ permissions, ...parts }: SandboxParts): SandboxSpec {
  const workspace = parts.workspace === undefined ? 'none' : 'copy'
  return {
    id: crypto.randomUUID(),
    name: 'box',
    image: 'host',
    workspace: undefined,
    callerPath: '/usr/local/bin:/usr/bin:/bin',
    ...parts,
    permissions: { ...PERMISSIONS, workspace, ...permissions },
  }
}

const saved = (handle: SandboxHandle): SandboxHandle => JSON.parse(JSON.stringify(handle)) as SandboxHandle

async function collect(stream: GuestExecStream): Promise<Executed> {
  const written: Record<'stdout' | 'stderr', Uint8Array[]> = { stdout: [], stderr: [] }
  for await (const chunk of stream.output) if ('bytes' in chunk) written[chunk.channel].push(chunk.bytes)
  const text = (pieces: readonly Uint8Array[]): string => Buffer.concat(pieces).toString()
  return { result: await stream.result, stdout: text(written.stdout), stderr: text(written.stderr) }
}

/** The code of the error that a verb fails with. */
export async function refusal(work: () => unknown): Promise<string> {
  try {
    await work()
    return 'no error'
  } catch (error) {
    if (isAppError(error)) return error.code
    throw error
  }
}

/** Every process below one, parents before children. */
export function descendantsOf(pid: number): number[] {
  const children = new Map<number, number[]>()
  for (const name of readdirSync('/proc')) {
    if (!/^\d+$/.test(name)) continue
    const parent = parentOf(Number(name))
    if (parent !== undefined) children.set(parent, [...(children.get(parent) ?? []), Number(name)])
  }
  const below = (from: number): number[] => (children.get(from) ?? []).flatMap((child) => [child, ...below(child)])
  return below(pid)
}

const runs = (pid: number): boolean => !['Z', 'X', undefined].includes(statOf(pid)?.[0])

const parentOf = (pid: number): number | undefined => {
  const parent = statOf(pid)?.[1]
  return parent === undefined ? undefined : Number(parent)
}

/** State, parent and so on of a process. */
function statOf(pid: number): string[] | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  } catch (error) {
    ignore(error, 'it has just ended')
    return undefined
  }
}
