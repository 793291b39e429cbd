import { copyFileSync, constants, existsSync, mkdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { labProblem, type NetworkLab, startLab } from '../test/support/lab/network-lab.ts'
import { HOSTS, PORTS, TOKEN } from './network-client.ts'
import { Place } from './network-place.ts'
import { BenchError, BINARY, type World } from './world.ts'

/** A folder of every system, empty as a rule: sandboxes see what the near side has there. */
const TOOLS_INSIDE = '/usr/local/games'
const SECRET = 'BENCH_SECRET'
const BINDING = `${SECRET}:${HOSTS.https}:${PORTS.https}`
const BOX = 'bench'

/** The lab with servers that do as little as they can, and places on its near side from which they are asked. */
export interface NetworkWorld {
  /** The client without a sandbox. */
  readonly direct: () => Promise<Place>
  /** In `agentkernel run`. With `secret` the HTTPS of the servers is opened, and nothing else is allowed; without, all is public. */
  readonly run: (what: 'secret' | 'public') => Promise<Place>
  /** In a sandbox that stays, with the secret; the gateway is the daemon's. */
  readonly box: () => Promise<Place>
}

/** Runs `work` with a network, which is removed on every way out. Throws a BenchError where there can be none. */
export async function withNetwork<T>(world: World, work: (network: NetworkWorld) => Promise<T>): Promise<T> {
  const problem = labProblem() ?? (existsSync('/dev/net/tun') ? undefined : 'no /dev/net/tun here')
  if (problem !== undefined) throw new BenchError(`no network to measure: ${problem}`)
  const lab = await startLab()
  const near = nearSide(lab, world)
  try {
    await using _ = await startServers(lab)
    bringTools(lab)
    return await work(places(lab, world, near))
  } finally {
    if (existsSync(join(world.dataDir, 'daemon.json'))) {
      Bun.spawnSync(near.command([BINARY, 'sandbox', 'clean', '--force', '--yes']), { env: near.env })
      Bun.spawnSync(near.command([BINARY, 'daemon', 'stop']), { env: near.env })
    }
    await lab.close()
  }
}

interface NearSide {
  readonly env: Readonly<Record<string, string>>
  readonly command: (command: readonly string[]) => string[]
}

function nearSide(lab: NetworkLab, world: World): NearSide {
  return {
    env: { ...world.env, XDG_RUNTIME_DIR: world.home, [SECRET]: TOKEN },
    command: (command) => [...lab.near, 'sh', '-c', 'cd "$0" && exec "$@"', world.empty, ...command],
  }
}

async function startServers(lab: NetworkLab): Promise<AsyncDisposable> {
  const servers = Bun.spawn([...lab.far, process.execPath, join(import.meta.dir, 'network-servers.ts'), lab.folder], {
    stdin: 'pipe',
    stdout: 'pipe',
    stderr: 'inherit',
  })
  const { value } = await servers.stdout.getReader().read()
  if (value === undefined) throw new BenchError('the servers of the bench did not start')
  return {
    [Symbol.asyncDispose]: async () => {
      await servers.stdin.end()
      await servers.exited
    },
  }
}

function bringTools(lab: NetworkLab): void {
  const folder = join(lab.folder, 'tools')
  mkdirSync(folder)
  copyFileSync(process.execPath, join(folder, 'bun'), constants.COPYFILE_FICLONE)
  copyFileSync(join(import.meta.dir, 'network-client.ts'), join(folder, 'network-client.ts'))
  const mounted = Bun.spawnSync([...lab.near, 'mount', '--bind', folder, TOOLS_INSIDE])
  if (!mounted.success) throw new BenchError(`the client could not be shown to sandboxes: ${mounted.stderr.toString().trim()}`)
}

function places(lab: NetworkLab, world: World, { env, command }: NearSide): NetworkWorld {
  const client = [`${TOOLS_INSIDE}/bun`, `${TOOLS_INSIDE}/network-client.ts`]
  const asUser = (...args: string[]): string[] => command([BINARY, ...args])
  return {
    direct: async () => {
      const own = { BENCH_TOKEN: TOKEN, NODE_EXTRA_CA_CERTS: join(lab.folder, 'bundle.crt') }
      return await Place.start('direct', command(client), { env: { ...env, ...own } })
    },
    run: async (what) => {
      const flags = what === 'secret' ? ['-S', BINDING] : []
      return await Place.start('in `run`', asUser('run', ...flags, ...client), { env, gateway: 'itself' })
    },
    box: async () => {
      const made = Bun.spawnSync(asUser('sandbox', 'create', BOX, '-S', BINDING), { env })
      if (!made.success) throw new BenchError(`no sandbox that stays: ${made.stderr.toString().trim()}`)
      const { pid } = JSON.parse(readFileSync(join(world.dataDir, 'daemon.json'), 'utf8')) as { pid: number }
      return await Place.start('in a sandbox that stays', asUser('exec', BOX, '--', ...client), { env, gateway: pid })
    },
  }
}
