import { mkdirSync } from 'node:fs'
import { cpus, totalmem, userInfo } from 'node:os'
import { join } from 'node:path'
import type { ResolvedConfig } from '../contract/config.ts'
import type { AuditSink } from '../contract/events.ts'
import type { Operations } from '../contract/operations.ts'
import type { RunRequest } from '../contract/run.ts'
import { run, type RunDeps } from '../engine/run.ts'
import { describeWorkspace } from '../engine/workspace/describe.ts'
import { findProjectRoot } from '../engine/workspace/project-root.ts'
import { createAuditLog } from '../store/audit/audit-log.ts'
import { ignore } from '../lib/ignore.ts'
import { createFirstTime } from '../store/first-time.ts'
import { createTrustStore } from '../store/trust.ts'
import { loadConfig as readConfig } from './config/load.ts'
import { availableBackends, chooseDriver, createDrivers } from './driver-registry.ts'
import type { Paths } from './paths.ts'

type Environment = Readonly<Record<string, string | undefined>>

/**
 * Puts the product together. What every run needs is imported at the top, so that it loads as one piece; everything
 * else is loaded when it is used.
 */
export function createOperations(paths: Paths, env: Environment): Operations {
  const auditPath = join(paths.stateDir, 'audit.jsonl')
  const uid = process.getuid?.() ?? 0
  const dataDirs = [paths.dataDir, paths.configDir, paths.stateDir]
  const loadConfig = (request: Pick<RunRequest, 'cwd' | 'configPath'>) => loadRunConfig(request, paths, uid, dataDirs)
  const deps: RunDeps = {
    loadConfig,
    chooseDriver: (name) => chooseDriver(name, paths),
    describeWorkspace: (mode, cwd, signal) =>
      describeWorkspace({ mode, cwd, home: paths.home, dataDirs, uid, signal, cacheDir: join(paths.dataDir, 'index') }),
    audit: auditSink(auditPath, env),
    machine: { totalMemoryBytes: totalmem(), cores: cpus().length },
    newId: () => crypto.randomUUID().replaceAll('-', '').slice(0, 16),
    now: () => performance.now(),
    firstTime: createFirstTime(join(paths.dataDir, 'notices')),
  }
  return {
    run: (request, io, signal) => run(deps, request, io, signal),
    doctor: async (input, signal) => {
      const [{ doctor }, { verifyAudit }] = await Promise.all([import('../engine/doctor.ts'), import('../store/audit/verify.ts')])
      const folders = [
        { title: 'data', path: paths.dataDir },
        { title: 'config', path: paths.configDir },
        { title: 'state', path: paths.stateDir },
      ]
      makeFolder(paths.dataDir)
      return doctor({
        drivers: await createDrivers(paths),
        loadConfig: () => loadConfig(input),
        verifyAudit: () => verifyAudit(auditPath),
        folders,
        signal,
      })
    },
    agents: async (signal) => {
      const { agentStatuses } = await import('../agents/agent-statuses.ts')
      return agentStatuses({ env, path: env['PATH'] ?? '', signal })
    },
    auditPath: () => auditPath,
    auditList: async (input) => (await import('../store/audit/list.ts')).listAudit(auditPath, input),
    auditVerify: async () => (await import('../store/audit/verify.ts')).verifyAudit(auditPath),
    init: async (input) => {
      const [{ initProject }, { readProject }] = await Promise.all([
        import('../engine/init-project.ts'),
        import('../images/detect/read-project.ts'),
      ])
      return initProject({ ...input, ...(await readProject(input.dir)) })
    },
    ...trustOperations(paths, deps.audit),
    names: (kind) => names(kind),
  }
}

function makeFolder(path: string): void {
  try {
    mkdirSync(path, { recursive: true })
  } catch (error) {
    ignore(error, 'doctor finds out by itself that it cannot be written, and says so')
  }
}

async function loadRunConfig(
  request: Pick<RunRequest, 'cwd' | 'configPath'>,
  paths: Paths,
  uid: number,
  dataDirs: readonly string[],
): Promise<ResolvedConfig> {
  const project = request.cwd === undefined ? undefined : findProjectRoot({ cwd: request.cwd, home: paths.home, dataDirs, uid })
  return readConfig({
    cwd: request.cwd,
    ...(request.configPath === undefined ? {} : { explicitPath: request.configPath }),
    projectRoot: project?.root,
    userConfigPath: join(paths.configDir, 'config.toml'),
    trust: createTrustStore(join(paths.configDir, 'trust.json'), () => new Date()),
  })
}

/** The audit log, opened at its first record. `AGENTKERNEL_AUDIT=0` keeps none. */
function auditSink(path: string, env: Environment): AuditSink {
  if (['0', 'false'].includes(env['AGENTKERNEL_AUDIT'] ?? '')) return { append: () => Promise.resolve() }
  return {
    append: (event) =>
      createAuditLog({ path, user: userName(env), pid: process.pid, now: () => new Date(), secrets: () => [] }).append(event),
  }
}

function userName(env: Environment): string {
  return env['USER'] ?? env['LOGNAME'] ?? userInfo().username
}

function trustOperations(paths: Paths, audit: AuditSink): Pick<Operations, 'trustAdd' | 'trustList' | 'trustRemove'> {
  const store = createTrustStore(join(paths.configDir, 'trust.json'), () => new Date())
  return {
    trustAdd: async ({ path }) => {
      const { widenedKeys } = await import('./config/widened-keys.ts')
      const widens = await widenedKeys(path, { userConfigPath: join(paths.configDir, 'config.toml') })
      const entry = await store.add(path)
      await audit.append({ type: 'config_trusted', path: entry.path, sha256: entry.sha256 })
      return { ...entry, widens }
    },
    trustList: () => store.list(),
    trustRemove: ({ path }) => store.remove(path),
  }
}

async function names(kind: 'backend' | 'profile' | 'agent'): Promise<readonly string[]> {
  if (kind === 'backend') return availableBackends()
  if (kind === 'profile') return (await import('../contract/config.ts')).PROFILE_NAMES
  return (await import('../agents/registry.ts')).agentNames()
}
