import { join } from 'node:path'
import type { ResolvedConfig } from '../../contract/config.ts'
import { AppError } from '../../contract/errors.ts'
import { asksForMetering, NO_LLM_SETTINGS } from '../../contract/llm.ts'
import { type DenialSummary, PUBLIC_RULE } from '../../contract/network.ts'
import type { Permissions } from '../../contract/permissions.ts'
import { eachOnce } from '../../contract/published-port.ts'
import type { RunIo, RunRequest } from '../../contract/run.ts'
import type { SecretFile } from '../../drivers/driver.ts'
import type { ProxyHooks } from '../../egress/hooks/proxy-hooks.ts'
import type { NetworkRecorder } from '../../egress/network-recorder.ts'
import type { AuthorityText } from '../../egress/tls/authority.ts'
import type { BoundSecrets } from '../../secrets/bound.ts'
import { denialNotices } from './denial-notice.ts'
import { gitRulesOf } from './git-rules.ts'
import type { Metering, MeteringDeps } from './metering.ts'
import { openRunNetwork } from './run-network.ts'
import type { OpenRunPorts } from './run-ports.ts'
import { bindRunSecrets, type RunSecrets, type SecretDeps, type Wanted } from './run-secrets.ts'
import type { WayOut } from './way-out.ts'

/** What the network of a run needs from outside. */
export interface RunNetworkDeps extends SecretDeps {
  /** Of this program. */
  readonly version: string
  /** For certificates, while a run lasts. */
  readonly trustDir: string
  readonly metering: MeteringDeps
  /** Absent: nobody is told of requests. */
  readonly hooks?: HooksDeps
  readonly now: () => Date
}

/** What there is to tell of a network at its end: sentences for the user, and what was refused for the audit log. */
export interface LastWords {
  readonly notices: readonly string[]
  readonly denials: readonly DenialSummary[]
}
const NOTHING: LastWords = { notices: [], denials: [] }

/** Who is told of the requests of a run. */
export interface HooksDeps {
  /** False: there are none. Cheap. */
  readonly mayMatter: (config: ResolvedConfig) => boolean
  /** Errors: `config_invalid`, `vault_unsafe`. */
  readonly open: (config: ResolvedConfig, log: (text: string) => void) => Promise<ProxyHooks>
}

/** How long what hooks are still to be told may hold up the end of a run, in ms. */
const HOOKS_END_MS = 3_000

/** What one run has of network and secrets, from the decision to what there is to tell at its end. */
export interface NetworkOfRun {
  /** For the driver; undefined: no network. */
  readonly network?: ReturnType<typeof openRunNetwork>['forDriver']
  readonly secretFiles: readonly SecretFile[]
  /** Variables of the command; its own win. */
  readonly env: Readonly<Record<string, string>>
  /** For the driver; undefined: no port is published. */
  readonly ports?: OpenRunPorts
  /** Sentences for before the command. */
  readonly notices: readonly string[]
  /** Closes the network. Resolves when nothing of it is left, with sentences for after the command. Call it once. */
  close(): Promise<LastWords>
}

export interface RunFacts {
  readonly id: string
  readonly request: RunRequest
  readonly config: ResolvedConfig
  readonly permissions: Permissions
  readonly wanted: Wanted | undefined
  readonly io: RunIo
}

/**
 * Errors: `invalid_argument` (a log that cannot be written), `not_found` (a secret), `address_in_use` (a port to publish), those of the
 * vault. Then nothing is open.
 */
export async function networkForRun(deps: RunNetworkDeps, facts: RunFacts): Promise<NetworkOfRun> {
  const wayOut = await wayOutForRun(deps, facts)
  const wanted = eachOnce([...facts.config.publish, ...(facts.request.publish ?? [])])
  if (wanted.length === 0) return wayOut
  try {
    const { openRunPorts } = await import('./run-ports.ts')
    const ports = await openRunPorts(wanted, deps.version)
    return {
      ...wayOut,
      ports,
      notices: [...wayOut.notices, ...ports.notices],
      close: async () => {
        await ports.close()
        return wayOut.close()
      },
    }
  } catch (error) {
    await wayOut.close()
    throw error
  }
}

async function wayOutForRun(deps: RunNetworkDeps, facts: RunFacts): Promise<NetworkOfRun> {
  const { request, wanted, permissions } = facts
  const { id } = facts
  const secrets =
    wanted === undefined ? undefined : await bindRunSecrets(deps, wanted, { id, cwd: request.cwd, stdin: request.secrets?.stdin })
  const files = secrets?.files ?? []
  const notices = secrets?.notices ?? []
  if (permissions.network !== 'none') {
    return { ...(await withNetwork(deps, facts, secrets)), secretFiles: files, notices }
  }
  return {
    secretFiles: files,
    env: secrets?.env ?? {},
    notices: [...notices, ...withoutWay(secrets)],
    close: async () => {
      secrets?.bound.close()
      return NOTHING
    },
  }
}

function withoutWay(secrets: RunSecrets | undefined): string[] {
  const names = (secrets?.bound.secrets ?? []).filter(({ binding }) => binding.how !== 'file').map(({ binding }) => binding.name)
  return names.length === 0 ? [] : [`without a network the gateway puts no secret anywhere: ${[...new Set(names)].join(', ')}.`]
}

async function withNetwork(
  deps: RunNetworkDeps,
  facts: RunFacts,
  secrets: RunSecrets | undefined,
): Promise<Pick<NetworkOfRun, 'network' | 'env' | 'close'>> {
  const { id, request, config, permissions, io } = facts
  const log = request.networkLogPath === undefined ? undefined : await openLog(request.networkLogPath, io)
  const bound = secrets?.bound
  const settings = config.llm ?? NO_LLM_SETTINGS
  const isMetered = asksForMetering(settings) || deps.metering.mayMatter()
  const metering = isMetered ? await deps.metering.open() : undefined
  const org = await orgSecrets(deps, metering, settings, bound)
  const { allow, block } = permissions.networkRules
  // Plain `public` opens nothing: what it refuses is told by events, and certificates would cost every run.
  const gitRules = gitRulesOf(config, request.gitPush)
  const opens = bound !== undefined || isMetered || gitRules.length > 0 || block.length > 0 || allow.some((rule) => rule !== PUBLIC_RULE)
  const certified = opens ? await certify(deps, id) : undefined
  const hooks = deps.hooks?.mayMatter(config) === true ? await deps.hooks.open(config, io.onNotice) : undefined
  const gateway = lazily(async () => {
    const [{ NetworkRecorder }, { openWayOut }] = await Promise.all([
      import('../../egress/network-recorder.ts'),
      import('./open-way-out.ts'),
    ])
    const recorder = new NetworkRecorder({ sandbox: id, ...(log === undefined ? {} : { log }) })
    if (io.onNetworkEvent !== undefined) recorder.listen(io.onNetworkEvent)
    const learner = request.network === 'learn' ? await learn(recorder) : undefined
    const meter = metering?.meter({
      sandbox: id,
      settings,
      bound: (bound?.secrets ?? []).map(({ binding }) => binding),
      org: (org?.secrets ?? []).map(({ binding }) => binding),
      warn: ({ message }) => io.onNotice(`language models: ${message}`),
    })
    const wayOut = await openWayOut({
      rules: permissions.networkRules,
      recorder,
      secrets: [...(bound?.secrets ?? []), ...(org?.secrets ?? [])],
      ...(meter === undefined ? {} : { meter }),
      gitRules,
      ...hooks?.observe(id),
      ...(certified === undefined ? {} : { authority: certified.authority }),
      extraCa: config.extraCa ?? [],
    })
    return { wayOut, recorder, learner }
  })
  const opened = openRunNetwork({
    version: deps.version,
    rules: permissions.networkRules,
    wayOut: async (): Promise<WayOut> => (await gateway.get()).wayOut,
    ...(certified === undefined ? {} : { trust: certified.trust }),
  })
  return {
    network: opened.forDriver,
    env: { ...org?.variables, ...secrets?.env },
    close: async () => {
      await opened.close()
      const made = await gateway.made()
      await Promise.all([log?.close(), metering?.close(), hooks?.close(HOOKS_END_MS)])
      bound?.close()
      org?.close()
      certified?.remove()
      if (made === undefined) return NOTHING
      const denials = made.recorder.denials()
      return { denials, notices: [...denialNotices(denials), ...((await made.learner?.()) ?? [])] }
    },
  }
}

async function orgSecrets(
  deps: RunNetworkDeps,
  metering: Metering | undefined,
  settings: NonNullable<ResolvedConfig['llm']>,
  bound: BoundSecrets | undefined,
): Promise<BoundSecrets | undefined> {
  const bindings = await metering?.orgBindings(
    settings,
    (bound?.secrets ?? []).map(({ binding }) => binding),
  )
  if (bindings === undefined || bindings.length === 0) return undefined
  const [{ bindSecrets }, { vault }] = await Promise.all([import('../../secrets/bound.ts'), deps.openVault()])
  return bindSecrets(bindings, vault)
}

/** The run's own authority, and what makes programs in it trust that. */
async function certify(deps: RunNetworkDeps, id: string) {
  const [{ createAuthority }, { writeTrust }, { makeTrustFolder, removeTrustFolder }] = await Promise.all([
    import('../../egress/tls/authority.ts'),
    import('./trust-files.ts'),
    import('./trust-folder.ts'),
  ])
  const authority: AuthorityText = createAuthority(id, deps.now())
  const folder = makeTrustFolder(deps.trustDir, id)
  return { authority, trust: writeTrust(join(folder, 'ca'), authority.cert, deps.now()), remove: () => removeTrustFolder(folder) }
}

async function openLog(path: string, io: RunIo) {
  const { NetworkLog } = await import('../../egress/network-log.ts')
  const log = new NetworkLog({ path, onProblem: io.onNotice })
  try {
    await log.open()
    return log
  } catch (cause) {
    throw new AppError('invalid_argument', `--network-log: ${path} cannot be written`, { cause })
  }
}

/** Follows a run in learn mode; gives what there is to say at its end. */
async function learn(recorder: NetworkRecorder): Promise<() => Promise<string[]>> {
  const { Learner, learnedText } = await import('../../policy/network/index.ts')
  const learner = new Learner()
  recorder.listen((event) => learner.add(event))
  return async () =>
    learnedText(await learner.report())
      .trimEnd()
      .split('\n')
}

/** Something that is made at its first use, and can be asked for without making it. */
function lazily<T>(make: () => Promise<T>): { readonly get: () => Promise<T>; readonly made: () => Promise<T | undefined> } {
  let made: Promise<T> | undefined
  return { get: () => (made ??= make()), made: async () => made }
}
