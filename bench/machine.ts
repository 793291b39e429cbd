import { existsSync, readFileSync, statfsSync } from 'node:fs'
import { availableParallelism, cpus, loadavg, release, totalmem } from 'node:os'
import { ROOT } from './world.ts'

/** Facts without which the figures say nothing, in the order of printing. */
export type Machine = Readonly<Record<string, string>>

/** The checkout may be another user's; nothing of it is run. */
const GIT = ['git', '-c', 'safe.directory=*', '-c', 'core.fsmonitor=false', '-C', ROOT]

const CGROUP2_MAGIC = 0x63677270
const FILE_SYSTEMS: Readonly<Record<number, string>> = {
  0x1021994: 'tmpfs',
  0xef53: 'ext4',
  0x9123683e: 'btrfs',
  0x58465342: 'xfs',
  0x794c7630: 'overlayfs',
}

/** `home` is the folder in which the sandboxes keep their files. */
export function describeMachine(home: string): Machine {
  const type = statfsSync(home).type
  const changed = firstLine([...GIT, 'status', '--porcelain', '--untracked-files=no']) !== undefined
  return {
    CPU: cpus()[0]?.model ?? 'unknown',
    cores: String(availableParallelism()),
    memory: `${(totalmem() / 1024 ** 3).toFixed(1)} GiB`,
    distribution: distribution(),
    kernel: `${process.platform} ${release()} ${process.arch}`,
    cgroups: cgroupVersion(),
    'file system': FILE_SYSTEMS[type] ?? `type 0x${type.toString(16)}`,
    user: process.getuid?.() === 0 ? 'root' : 'unprivileged',
    bubblewrap: firstLine(['bwrap', '--version']) ?? 'not installed',
    bun: Bun.version,
    go: firstLine(['go', 'version'])?.replace('go version ', '') ?? 'not on the PATH',
    commit: `${firstLine([...GIT, 'rev-parse', '--short=12', 'HEAD']) ?? 'unknown'}${changed ? ', with changes' : ''}`,
    date: new Date().toISOString().slice(0, 16).replace('T', ' ') + ' UTC',
    'load before': `${loadavg()[0]!.toFixed(2)} (1 minute)`,
  }
}

function distribution(): string {
  const path = '/etc/os-release'
  return (existsSync(path) && /^PRETTY_NAME="?([^"\n]+)/m.exec(readFileSync(path, 'utf8'))?.[1]) || 'unknown'
}

function cgroupVersion(): string {
  if (!existsSync('/sys/fs/cgroup')) return 'none'
  if (statfsSync('/sys/fs/cgroup').type === CGROUP2_MAGIC) return 'version 2'
  return existsSync('/sys/fs/cgroup/unified') ? 'version 1 (hybrid)' : 'version 1'
}

function firstLine(command: string[]): string | undefined {
  if (Bun.which(command[0]!) === null) return undefined
  return Bun.spawnSync(command, { stderr: 'ignore' }).stdout.toString().split('\n')[0]?.trim() || undefined
}
