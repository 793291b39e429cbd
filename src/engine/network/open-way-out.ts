import type { GitRule } from '../../contract/git-rules.ts'
import type { NetworkRules } from '../../contract/network.ts'
import type { BoundSecret } from '../../contract/secrets.ts'
import type { SeenRequest } from '../../egress/http/exchange.ts'
import type { NetworkRecorder } from '../../egress/network-recorder.ts'
import type { AuthorityText } from '../../egress/tls/authority.ts'
import type { HostNetwork, HttpDoors, HttpEngine, Injector, Meter } from '../../egress/types.ts'
import { WayOut } from './way-out.ts'

export interface OpenWayOut {
  readonly rules: NetworkRules
  readonly recorder: NetworkRecorder
  readonly secrets: readonly BoundSecret[]
  readonly meter?: Meter
  /** What may be pushed to git servers over HTTPS. */
  readonly gitRules?: readonly GitRule[]
  /** Undefined: no TLS is opened, and what would need it is reset. */
  readonly authority?: AuthorityText
  /** PEM files of authorities that servers outside are trusted by, besides what this machine trusts. */
  readonly extraCa?: readonly string[]
  readonly onRequest?: (seen: SeenRequest) => void
  readonly onResponse?: (seen: SeenRequest) => void
}

/** A gateway for one sandbox, put together. What opens HTTP is loaded when there is some. Errors: `invalid_argument` for a rule. */
export async function openWayOut(options: OpenWayOut): Promise<WayOut> {
  const { hostNetwork } = await import('../../egress/host-network.ts')
  const injector =
    options.secrets.length === 0 ? undefined : (await import('../../egress/inject/injector.ts')).createInjector(options.secrets)
  const { meter } = options
  return new WayOut({
    rules: options.rules,
    ...(options.gitRules === undefined ? {} : { gitRules: options.gitRules }),
    network: sharedNetwork ?? (sharedNetwork = hostNetwork()),
    record: options.recorder.record,
    ...(injector === undefined ? {} : { injector }),
    ...(meter === undefined ? {} : { meter }),
    opener: (doors) => openHttp(doors, options, injector),
  })
}

/** One for each process: its limits are those of the machine. */
let sharedNetwork: HostNetwork | undefined

async function openHttp(doors: HttpDoors, options: OpenWayOut, injector: Injector | undefined): Promise<HttpEngine> {
  const [{ createHttpEngine }, { Authority }, { trustedAuthorities }] = await Promise.all([
    import('../../egress/http/engine.ts'),
    import('../../egress/tls/authority.ts'),
    import('../../egress/tls/trusted.ts'),
  ])
  return createHttpEngine(doors, {
    ...(options.authority === undefined ? {} : { authority: new Authority(options.authority) }),
    ...(injector === undefined ? {} : { injector }),
    ...(options.meter === undefined ? {} : { meter: options.meter }),
    ...(options.gitRules === undefined || options.gitRules.length === 0
      ? {}
      : { guard: new (await import('../../egress/git/push-guard.ts')).PushGuard(options.gitRules) }),
    ...(options.onRequest === undefined ? {} : { onRequest: options.onRequest }),
    ...(options.onResponse === undefined ? {} : { onResponse: options.onResponse }),
    trusted: () => trustedAuthorities(options.extraCa),
  })
}
