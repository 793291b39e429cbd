import { AppError } from '../contract/errors.ts'
import type { Driver } from '../drivers/driver.ts'
import { createKeepingNamespaceDriver, createNamespaceDriver, type NamespaceDriverOptions } from '../drivers/namespace/index.ts'
import type { DaemonOrders } from './daemon/orders.ts'
import type { Paths } from './paths.ts'

/** What drivers need to keep sandboxes beyond a command; without it they run single commands only. */
export interface KeepOptions {
  /** Where sandboxes have their sockets. */
  readonly runtimeDir: string
  /** How a daemon that crashed is started again; undefined: it is not. */
  readonly restart?: DaemonOrders
  /** Of this program. */
  readonly version: string
}

/** One name a user can give with `--backend`. Without `create` it arrives with a later release. */
interface RegistryEntry {
  readonly name: string
  readonly aliases?: readonly string[]
  /** Makes the driver. A driver that is not the usual choice loads its module only then. */
  readonly create?: (paths: Paths, keep: KeepOptions | undefined) => Promise<Driver>
}

type AvailableEntry = RegistryEntry & Required<Pick<RegistryEntry, 'create'>>
const isAvailable = (entry: RegistryEntry): entry is AvailableEntry => entry.create !== undefined

/** Every driver, in the order of automatic selection. This is the one list of names outside the drivers' own folders. */
const ENTRIES: readonly RegistryEntry[] = [
  { name: 'firecracker', aliases: ['fc'] },
  { name: 'namespace', create: createNamespace },
  { name: 'podman' },
  { name: 'docker' },
  { name: 'gvisor' },
  { name: 'qemu' },
  { name: 'kubernetes' },
  { name: 'nomad' },
  { name: 'apple' },
  { name: 'seatbelt' },
  { name: 'wasm', aliases: ['hyperlight'] },
]

async function createNamespace(paths: Paths, keep: KeepOptions | undefined): Promise<Driver> {
  const options: NamespaceDriverOptions = {
    dataDir: paths.dataDir,
    helperPath: paths.helperPath,
    home: paths.home,
    uid: process.getuid?.() ?? 0,
    arch: process.arch === 'arm64' ? 'arm64' : 'x64',
    bwrapPaths: ['/usr/bin/bwrap', '/usr/local/bin/bwrap', '/bin/bwrap'],
  }
  if (keep === undefined) return createNamespaceDriver(options)
  const { runtimeDir, version } = keep
  const restart = await restartOf(paths, keep)
  return createKeepingNamespaceDriver(options, { runtimeDir, version, ...(restart === undefined ? {} : { restart }) })
}

/** How a sandbox starts a daemon that crashed: as the first one was started, with an empty environment. */
async function restartOf({ dataDir }: Paths, { restart, runtimeDir }: KeepOptions) {
  if (restart === undefined) return undefined
  const [{ daemonAddress, daemonFiles }, { daemonArguments }] = await Promise.all([
    import('./daemon/daemon-files.ts'),
    import('./daemon/orders.ts'),
  ])
  return {
    argv: [process.execPath, ...daemonArguments(restart)],
    env: [],
    socket: daemonAddress(runtimeDir, dataDir).socket,
    lock: daemonFiles(dataDir).restartLock,
  }
}

/** Names of the drivers that work in this release. */
export const availableBackends = (): string[] => ENTRIES.filter(isAvailable).map((entry) => entry.name)

/** Every driver of this release, in the order of automatic selection. */
export async function createDrivers(paths: Paths, keep?: KeepOptions): Promise<Driver[]> {
  const drivers: Driver[] = []
  for (const entry of ENTRIES) if (isAvailable(entry)) drivers.push(await entry.create(paths, keep))
  return drivers
}

/** The driver of that name, or the first available one. Errors: `backend_unknown`, `not_available_yet`, `backend_unavailable`. */
export async function chooseDriver(name: string | undefined, paths: Paths, keep?: KeepOptions): Promise<Driver> {
  const { create } = await getEntry(name)
  return create(paths, keep)
}

/** What the driver calls itself that `chooseDriver` makes. Errors: the same. */
export async function backendName(name: string | undefined): Promise<string> {
  return (await getEntry(name)).name
}

async function getEntry(name: string | undefined): Promise<AvailableEntry> {
  if (name === undefined) {
    const first = ENTRIES.find(isAvailable)
    if (first === undefined || process.platform !== 'linux')
      throw new AppError('backend_unavailable', 'no backend of this release works on this system')
    return first
  }
  const entry = ENTRIES.find((candidate) => candidate.name === name || candidate.aliases?.includes(name) === true)
  if (entry === undefined) {
    throw await unknownBackend(name)
  }
  if (!isAvailable(entry)) {
    throw new AppError(
      'not_available_yet',
      `backend "${entry.name}" is not available yet; this release has: ${availableBackends().join(', ')}`,
      {
        fix: 'Leave --backend out.',
      },
    )
  }
  return entry
}

/** Suggests from every name there is: who means docker shall not be led to another backend. */
async function unknownBackend(name: string): Promise<AppError> {
  const { nearest } = await import('../lib/nearest.ts')
  const guess = nearest(
    name,
    ENTRIES.flatMap((entry) => [entry.name, ...(entry.aliases ?? [])]),
  )
  const names = availableBackends()
  const later = guess !== undefined && !names.includes(guess)
  const meant = guess === undefined ? '.' : `; did you mean ${guess}?${later ? ' It is not available yet.' : ''}`
  return new AppError('backend_unknown', `there is no backend "${name}"`, { fix: `Use one of: ${names.join(', ')}${meant}` })
}
