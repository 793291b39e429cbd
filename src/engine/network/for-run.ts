import { AppError } from '../../contract/errors.ts'
import type { NetworkEvent } from '../../contract/network.ts'
import type { Permissions } from '../../contract/permissions.ts'
import type { RunIo, RunRequest } from '../../contract/run.ts'
import type { HostNetwork } from '../../egress/types.ts'
import { denialNotices } from './denial-notice.ts'
import { type OpenRunNetwork, openRunNetwork } from './run-network.ts'

/** What the network of a run needs from outside. */
export interface RunNetworkDeps {
  /** Of this program. */
  readonly version: string
  /** This machine's network. @default the real one */
  readonly hostNetwork?: () => Promise<HostNetwork>
}

/** The network of one run, from the decision to what there is to tell at its end. */
export interface NetworkOfRun extends OpenRunNetwork {
  /** What the user should know when the command has ended. */
  readonly notices: () => Promise<string[]>
}

/** Undefined: the command has no network. Errors: `invalid_argument` (a log that cannot be written). */
export async function networkForRun(
  deps: RunNetworkDeps,
  {
    id,
    request,
    permissions,
    io,
  }: { readonly id: string; readonly request: RunRequest; readonly permissions: Permissions; readonly io: RunIo },
): Promise<NetworkOfRun | undefined> {
  if (permissions.network === 'none') return undefined
  const log = request.networkLogPath === undefined ? undefined : await openLog(request.networkLogPath, io)
  const record = lazily(async () => {
    const { NetworkRecorder } = await import('../../egress/network-recorder.ts')
    const recorder = new NetworkRecorder({ sandbox: id, ...(log === undefined ? {} : { log }) })
    if (io.onNetworkEvent !== undefined) recorder.listen(io.onNetworkEvent)
    return recorder
  })
  const network = openRunNetwork({
    version: deps.version,
    rules: permissions.networkRules,
    wayOut: async () => {
      const [{ WayOut }, host, recorder] = await Promise.all([import('./way-out.ts'), hostNetwork(deps), record.get()])
      return new WayOut({ rules: permissions.networkRules, network: host, record: recorder.record })
    },
  })
  return {
    ...network,
    notices: async () => {
      const recorder = await record.made()
      await log?.close()
      if (recorder === undefined) return []
      return [...denialNotices(recorder.denials()), ...(request.network === 'learn' ? [await learned(recorder.events())] : [])]
    },
  }
}

async function hostNetwork(deps: RunNetworkDeps): Promise<HostNetwork> {
  if (deps.hostNetwork !== undefined) return deps.hostNetwork()
  const { hostNetwork: real } = await import('../../egress/host-network.ts')
  return real()
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

async function learned(_events: readonly NetworkEvent[]): Promise<string> {
  throw new AppError('not_available_yet', 'learn mode')
}

/** Something that is made at its first use, and can be asked for without making it. */
function lazily<T>(make: () => Promise<T>): { readonly get: () => Promise<T>; readonly made: () => Promise<T | undefined> } {
  let made: Promise<T> | undefined
  return { get: () => (made ??= make()), made: async () => made }
}
