import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import type { AuditSink } from '../contract/events.ts'
import type { Operations } from '../contract/operations.ts'
import { beginRun } from '../engine/begin-run.ts'
import { ignore } from '../lib/ignore.ts'
import { availableBackends, chooseDriver, createDrivers } from './driver-registry.ts'
import { llmOperations } from './llm-operations.ts'
import type { Paths } from './paths.ts'
import { secretOperations } from './secret-operations.ts'

type Environment = Readonly<Record<string, string | undefined>>

/**
 * Puts the product together. What must be there for a sandbox to begin is imported at the top; everything else is loaded
 * when it is used, the engine while the driver already works.
 */
export function createOperations(paths: Paths, env: Environment): Operations {
  const auditPath = join(paths.stateDir, 'audit.jsonl')
  const engine = () => import('./engine.ts')
  const network = async () => (await import('./network-operations.ts')).networkOperations(paths)
  const secrets = secretOperations(paths, env, async () => (await engine()).auditSink(auditPath, env))
  const run: Operations['run'] = async (request, io, signal) => {
    const driver = await chooseDriver(request.backend, paths)
    const begun = beginRun(driver, { id: newRunId(), cwd: request.cwd }, io, signal)
    const { createRunDeps, run: start } = await engine()
    return start(createRunDeps(paths, env, auditPath), begun, request, io, signal)
  }
  return {
    run,
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
        loadConfig: async () => (await engine()).loadRunConfig(input, paths),
        verifyAudit: () => verifyAudit(auditPath),
        folders,
        ...(input.trust === true ? { trust: () => trustFindings(run, env, signal) } : {}),
        signal,
      })
    },
    agents: async ({ cwd }, signal) => {
      const [{ agentStatuses }, { projectRootOf }] = await Promise.all([import('../agents/agent-statuses.ts'), engine()])
      return agentStatuses({ env, path: env['PATH'] ?? '', project: projectRootOf(cwd, paths), signal })
    },
    networkExplain: async (input) => (await network()).networkExplain(input),
    networkSimulate: async (input, onEvent) => (await network()).networkSimulate(input, onEvent),
    networkLearn: async (input) => (await network()).networkLearn(input),
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
    ...trustOperations(paths, async () => (await engine()).auditSink(auditPath, env)),
    ...secrets,
    ...llmOperations(paths, secrets.secretSet),
    names: (kind) => (kind === 'secret' ? secretNames(paths, env) : names(kind)),
  }
}

async function trustFindings(run: Operations['run'], env: Environment, signal: AbortSignal) {
  const [{ checkTrust }, { tryInsideWith }] = await Promise.all([
    import('../engine/network/trust-check.ts'),
    import('../engine/try-inside.ts'),
  ])
  return checkTrust(tryInsideWith(run, env['PATH'] ?? ''), signal)
}

/** Sixteen characters of `[0-9a-f]`. */
const newRunId = (): string => crypto.randomUUID().replaceAll('-', '').slice(0, 16)

function makeFolder(path: string): void {
  try {
    mkdirSync(path, { recursive: true })
  } catch (error) {
    ignore(error, 'doctor finds out by itself that it cannot be written, and says so')
  }
}

function trustOperations(paths: Paths, audit: () => Promise<AuditSink>): Pick<Operations, 'trustAdd' | 'trustList' | 'trustRemove'> {
  const open = async () => (await import('../store/trust.ts')).createTrustStore(join(paths.configDir, 'trust.json'), () => new Date())
  return {
    trustAdd: async ({ path }) => {
      const { widenedKeys } = await import('./config/widened-keys.ts')
      const widens = await widenedKeys(path, { userConfigPath: join(paths.configDir, 'config.toml') })
      const entry = await (await open()).add(path)
      await (await audit()).append({ type: 'config_trusted', path: entry.path, sha256: entry.sha256 })
      return { ...entry, widens }
    },
    trustList: async () => (await open()).list(),
    trustRemove: async ({ path }) => (await open()).remove(path),
  }
}

async function secretNames(paths: Paths, env: Environment): Promise<readonly string[]> {
  const { openVault } = await import('./vault.ts')
  return (await (await openVault(paths, env)).vault.list()).map(({ name }) => name)
}

async function names(kind: 'backend' | 'profile' | 'agent' | 'preset'): Promise<readonly string[]> {
  if (kind === 'backend') return availableBackends()
  if (kind === 'preset') return (await import('../policy/ecosystems.ts')).ECOSYSTEM_NAMES
  if (kind === 'profile') return (await import('../contract/config.ts')).PROFILE_NAMES
  return (await import('../agents/registry.ts')).agentNames()
}
