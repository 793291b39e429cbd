import { existsSync } from 'node:fs'
import { cpus, totalmem } from 'node:os'
import { join } from 'node:path'
import type { ResolvedConfig } from '../contract/config.ts'
import type { AuditSink } from '../contract/events.ts'
import type { RunRequest } from '../contract/run.ts'
import type { MeteringDeps } from '../engine/network/metering.ts'
import type { RunDeps } from '../engine/run.ts'
import { ignore } from '../lib/ignore.ts'
import { describeWorkspace } from '../engine/workspace/describe.ts'
import { findProjectRoot } from '../engine/workspace/project-root.ts'
import { createAuditLog } from '../store/audit/audit-log.ts'
import { createFirstTime } from '../store/first-time.ts'
import { createTrustStore } from '../store/trust.ts'
import { loadConfig as readConfig } from './config/load.ts'
import pkg from '../../package.json' with { type: 'json' }
import type { Paths } from './paths.ts'
import { hooksForRuns } from './proxy-hooks.ts'
import { userName } from './user-name.ts'

export { run } from '../engine/run.ts'

type Environment = Readonly<Record<string, string | undefined>>

/** What the engine needs from outside. Imported as one piece, because every run needs all of it. */
export function createRunDeps(paths: Paths, env: Environment, auditPath: string): RunDeps {
  const audit = auditSink(auditPath, env)
  const place = { home: paths.home, dataDirs: ownFolders(paths), uid: userId(), cacheDir: join(paths.dataDir, 'index') }
  return {
    loadConfig: (request) => loadRunConfig(request, paths),
    describeWorkspace: (mode, cwd, signal) => describeWorkspace({ mode, cwd, signal, ...place }),
    audit,
    machine: { totalMemoryBytes: totalmem(), cores: cpus().length },
    network: {
      version: pkg.version,
      trustDir: join(paths.dataDir, 'trust'),
      env,
      openVault: async () => (await import('./vault.ts')).openVault(paths, env),
      metering: meteringFor(paths),
      hooks: hooksForRuns(paths, audit),
      now: () => new Date(),
    },
    now: () => performance.now(),
    firstTime: createFirstTime(join(paths.dataDir, 'notices')),
  }
}

/** What is known of language models is in two files, which most users do not have. */
export function meteringFor(paths: Paths): MeteringDeps {
  return {
    mayMatter: () =>
      [join(paths.dataDir, 'llm.sqlite'), join(paths.dataDir, 'secrets/llm_keys.json'), join(paths.stateDir, 'llm_keys.json')].some(
        (path) => existsSync(path),
      ),
    open: async () =>
      (await import('./llm-metering.ts')).createLlmMetering(paths, (error) => ignore(error, 'it is written with the next call')),
  }
}

const userId = (): number => process.getuid?.() ?? 0
const ownFolders = (paths: Paths): string[] => [paths.dataDir, paths.configDir, paths.stateDir]

/** All configuration for a request, merged. Errors: `config_invalid`, `config_not_found`. */
export async function loadRunConfig(request: Pick<RunRequest, 'cwd' | 'configPath'>, paths: Paths): Promise<ResolvedConfig> {
  return readConfig({
    cwd: request.cwd,
    ...(request.configPath === undefined ? {} : { explicitPath: request.configPath }),
    projectRoot: projectRootOf(request.cwd, paths),
    userConfigPath: join(paths.configDir, 'config.toml'),
    trust: createTrustStore(join(paths.configDir, 'trust.json'), () => new Date()),
  })
}

/** The project that `cwd` is in, absolute and without symlinks; undefined when it is in none. */
export function projectRootOf(cwd: string | undefined, paths: Paths): string | undefined {
  if (cwd === undefined) return undefined
  return findProjectRoot({ cwd, home: paths.home, dataDirs: ownFolders(paths), uid: userId() }).root
}

/** The audit log, opened at its first record. `AGENTKERNEL_AUDIT=0` keeps none. */
export function auditSink(path: string, env: Environment): AuditSink {
  if (['0', 'false'].includes(env['AGENTKERNEL_AUDIT'] ?? '')) return { append: () => Promise.resolve() }
  let opened: ReturnType<typeof createAuditLog> | undefined
  const log = () => (opened ??= createAuditLog({ path, user: userName(env), pid: process.pid, now: () => new Date(), secrets: () => [] }))
  return { append: (event) => log().append(event), rehearse: () => log().rehearse() }
}
