import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { AppError } from '../../contract/errors.ts'
import type { LlmSettings } from '../../contract/llm.ts'
import type { NetworkEvent } from '../../contract/network.ts'
import { NO_NETWORK, PUBLIC_RULE } from '../../contract/network.ts'
import type { Vault } from '../../contract/secrets.ts'
import type { SandboxSpec } from '../../drivers/driver.ts'
import type { ProxyHooks } from '../../egress/hooks/proxy-hooks.ts'
import type { AuthorityText } from '../../egress/tls/authority.ts'
import { Secret } from '../../lib/secret.ts'
import type { SandboxRecord } from '../../store/sandboxes/store.ts'
import type { BoundSecrets } from '../../secrets/bound.ts'
import type { Metering } from '../network/metering.ts'
import { filesOf } from '../network/run-secrets.ts'
import type { WayOut } from '../network/way-out.ts'
import { savedOf, type SavedNetwork } from './saved.ts'

export interface SandboxNetworkDeps {
  readonly vault: () => Promise<Vault>
  /** For certificates of sandboxes that stay: a folder for each, by id. */
  readonly trustDir: string
  /** Undefined: nothing is metered in this daemon. One for all sandboxes. */
  readonly metering: (settings: LlmSettings | undefined) => Promise<Metering | undefined>
  /** Who is told of requests. Errors: `config_invalid`, `vault_unsafe`; then the network stays closed. */
  readonly hooks: () => Promise<ProxyHooks>
  readonly now: () => Date
  /** Told what the gateway of a sandbox refuses, and other things it decides. */
  readonly onEvent: (record: SandboxRecord, event: NetworkEvent) => void
  readonly warn: (record: SandboxRecord, message: string) => void
}

/** Name of a sandbox's authority in the vault; the key is nowhere else. */
const AUTHORITY = 'ca'

/** The secrets and certificates of sandboxes that stay: made when they are, kept over stop and start, gone with them. */
export class SandboxNetworkParts {
  readonly #deps: SandboxNetworkDeps

  constructor(deps: SandboxNetworkDeps) {
    this.#deps = deps
  }

  /** What the driver is to start: the spec as saved, with what belongs to this start only. Errors: those of the vault. */
  async specForStart(record: SandboxRecord): Promise<SandboxSpec> {
    const { spec, network } = savedOf(record)
    if (network === undefined) return spec
    const bound = await this.#bind(network)
    try {
      const { secretFiles } = await import('../../secrets/bound.ts')
      const files = filesOf(secretFiles(bound?.secrets ?? []))
      const withFiles = files.length === 0 ? spec : { ...spec, secretFiles: files }
      if (spec.network === undefined) return withFiles
      const trust = this.#opens(record) ? await this.#trust(record.id) : { files: [], env: {} }
      const org = await this.#org(network, bound)
      return {
        ...withFiles,
        network: { ...spec.network, files: trust.files, env: { ...trust.env, ...org?.variables, ...bound?.variables } },
      }
    } finally {
      bound?.close()
    }
  }

  /** The gateway of a sandbox that runs, and what is to be let go of with it. */
  async wayOut(record: SandboxRecord): Promise<{ readonly wayOut: WayOut; readonly release: () => void }> {
    const { spec, network } = savedOf(record)
    const [{ NetworkRecorder }, { openWayOut }] = await Promise.all([
      import('../../egress/network-recorder.ts'),
      import('../network/open-way-out.ts'),
    ])
    const recorder = new NetworkRecorder({ sandbox: record.name })
    recorder.listen((event) => this.#deps.onEvent(record, event))
    const bound = network === undefined ? undefined : await this.#bind(network)
    const org = network === undefined ? undefined : await this.#org(network, bound)
    const metering = await this.#deps.metering(network?.llm)
    const meter =
      metering === undefined
        ? undefined
        : metering.meter({
            sandbox: record.name,
            settings: network?.llm ?? (await import('../../contract/llm.ts')).NO_LLM_SETTINGS,
            bound: (bound?.secrets ?? []).map(({ binding }) => binding),
            org: (org?.secrets ?? []).map(({ binding }) => binding),
            warn: ({ message }) => this.#deps.warn(record, message),
          })
    const wayOut = await openWayOut({
      rules: spec.permissions.networkRules,
      recorder,
      secrets: [...(bound?.secrets ?? []), ...(org?.secrets ?? [])],
      ...(meter === undefined ? {} : { meter }),
      gitRules: network?.gitRules ?? [],
      ...(await this.#deps.hooks()).observe(record.name),
      ...(this.#opens(record) ? { authority: await this.#authority(record.id) } : {}),
      extraCa: network?.extraCa ?? [],
    })
    return {
      wayOut,
      release: () => {
        bound?.close()
        org?.close()
      },
    }
  }

  /** Removes what belongs to a sandbox that is gone. Safe to repeat. Errors: those of the vault. */
  async forget(record: SandboxRecord): Promise<void> {
    const hasSecrets = (savedOf(record).network?.secrets ?? []).length > 0
    if (!hasSecrets && !this.#opens(record)) return
    rmSync(join(this.#deps.trustDir, record.id), { recursive: true, force: true })
    await (await this.#deps.vault()).forget(record.id)
  }

  /** SHA-256 of the sandbox's certificate; undefined: it has none. */
  async fingerprint(record: SandboxRecord): Promise<string | undefined> {
    if (savedOf(record).spec.network === undefined || !this.#opens(record)) return undefined
    const { fingerprint } = await import('../network/trust-store.ts')
    return fingerprint((await this.#authority(record.id)).cert)
  }

  /** Plain `public` without secrets and models opens nothing, so that no certificate is needed. */
  #opens(record: SandboxRecord): boolean {
    const { spec, network } = savedOf(record)
    // A sandbox of an earlier release has no rules.
    const { allow, block } = spec.permissions.networkRules ?? NO_NETWORK
    return (
      network?.opens === true ||
      (network?.gitRules ?? []).length > 0 ||
      block.length > 0 ||
      allow.some((rule) => rule !== PUBLIC_RULE) ||
      (network?.secrets ?? []).length > 0
    )
  }

  async #bind(network: SavedNetwork): Promise<BoundSecrets | undefined> {
    if (network.secrets.length === 0) return undefined
    const { bindSecrets } = await import('../../secrets/bound.ts')
    return bindSecrets(network.secrets, await this.#deps.vault())
  }

  async #org(network: SavedNetwork, bound: BoundSecrets | undefined): Promise<BoundSecrets | undefined> {
    const metering = await this.#deps.metering(network.llm)
    if (metering === undefined) return undefined
    const { NO_LLM_SETTINGS } = await import('../../contract/llm.ts')
    const bindings = await metering.orgBindings(
      network.llm ?? NO_LLM_SETTINGS,
      (bound?.secrets ?? []).map(({ binding }) => binding),
    )
    if (bindings.length === 0) return undefined
    const { bindSecrets } = await import('../../secrets/bound.ts')
    return bindSecrets(bindings, await this.#deps.vault())
  }

  async #trust(id: string) {
    const [{ writeTrust }, authority] = await Promise.all([import('../network/trust-files.ts'), this.#authority(id)])
    return writeTrust(join(this.#deps.trustDir, id), authority.cert, this.#deps.now())
  }

  /** The same one for the life of the sandbox: programs in it may remember whom they trust. */
  async #authority(id: string): Promise<AuthorityText> {
    const vault = await this.#deps.vault()
    const name = `sandbox/${id}/${AUTHORITY}`
    const kept = await vault.get(name)
    if (kept !== undefined) return readAuthority(kept)
    const { createAuthority } = await import('../../egress/tls/authority.ts')
    const made = createAuthority(id, this.#deps.now())
    await vault.set(name, new Secret(JSON.stringify(made)))
    return made
  }
}

function readAuthority(kept: Secret): AuthorityText {
  try {
    // Written by us, and sealed by the vault.
    return JSON.parse(kept.reveal()) as AuthorityText
  } catch (cause) {
    throw new AppError('vault_damaged', 'the authority of a sandbox cannot be read', { cause })
  }
}
