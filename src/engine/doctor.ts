import { closeSync, openSync } from 'node:fs'
import type { ResolvedConfig } from '../contract/config.ts'
import { isAppError } from '../contract/errors.ts'
import type { AuditVerification, DoctorFinding, DoctorReport, DoctorSection } from '../contract/reports.ts'
import { isolationAtLeast } from '../contract/isolation.ts'
import type { Driver, ProbeReport } from '../drivers/driver.ts'

export interface DoctorDeps {
  /** The drivers of this release, in the order of automatic selection. */
  readonly drivers: readonly Driver[]
  readonly loadConfig: () => Promise<ResolvedConfig>
  readonly verifyAudit: () => Promise<AuditVerification>
  /** Where things are kept, by what they are. */
  readonly folders: readonly { readonly title: string; readonly path: string }[]
  /** Which tools inside a sandbox trust its own authority; absent: not asked for. */
  readonly trust?: () => Promise<DoctorFinding[]>
  readonly signal: AbortSignal
}

/** Tries everything a run depends on and says for each finding how to mend it. */
export async function doctor(deps: DoctorDeps): Promise<DoctorReport> {
  const config = await configSection(deps)
  const minIsolation = config.resolved?.minIsolation ?? 'process'
  const sections: DoctorSection[] = []
  let selected: string | undefined
  for (const driver of deps.drivers) {
    const report = await driver.probe(deps.signal)
    const strong = isolationAtLeast(driver.facts.isolation, minIsolation)
    if (report.usable && strong && config.resolved !== undefined) selected ??= driver.name
    sections.push(backendSection(driver, report, strong, selected === driver.name))
  }
  const trust = deps.trust === undefined || selected === undefined ? [] : [{ title: 'Trust in sandboxes', findings: await deps.trust() }]
  return { selected, sections: [...sections, hardware(), config.section, ...trust, await files(deps)] }
}

function backendSection(driver: Driver, report: ProbeReport, strong: boolean, selected: boolean): DoctorSection {
  const verdict = (): DoctorFinding => {
    if (!report.usable) return { check: 'usable', status: 'error', detail: 'no; see above' }
    if (!strong)
      return {
        check: 'usable',
        status: 'warning',
        detail: 'yes, but weaker than min_isolation allows',
        fix: 'Lower security.min_isolation in your user config, or use another backend.',
      }
    return { check: 'usable', status: 'ok', detail: selected ? 'yes; `run` uses it' : 'yes; another one comes first' }
  }
  return { title: `Backend ${driver.name} (isolation: ${driver.facts.isolation})`, findings: [...report.findings, verdict()] }
}

/** Opening for reading and writing tells more than existing; that a guest boots is proven when microVMs arrive. */
function hardware(): DoctorSection {
  const device = '/dev/kvm'
  const finding = (): DoctorFinding => {
    try {
      closeSync(openSync(device, 'r+'))
      return {
        check: 'virtualization',
        status: 'info',
        detail: `${device} opens; whether a guest boots is not known. MicroVMs arrive with a later release.`,
      }
    } catch (error) {
      const code = error instanceof Error && 'code' in error ? String(error.code) : String(error)
      const fix = code === 'EACCES' ? { fix: 'sudo usermod -aG kvm "$USER", then log in again' } : {}
      return { check: 'virtualization', status: 'info', detail: `${device} cannot be opened (${code}); only microVMs need it`, ...fix }
    }
  }
  return { title: 'Hardware', findings: [finding()] }
}

async function configSection(deps: DoctorDeps): Promise<{ section: DoctorSection; resolved: ResolvedConfig | undefined }> {
  const title = 'Configuration'
  try {
    const resolved = await deps.loadConfig()
    const sources = resolved.sources.map((source): DoctorFinding => ({
      check: `${source.kind} file`,
      status: 'ok',
      detail: `${source.path}${source.trusted ? '' : ' (not trusted: it may only narrow)'}`,
    }))
    const warnings = resolved.warnings.map((detail): DoctorFinding => ({
      check: 'warning',
      status: 'warning',
      detail,
      fix: 'Correct the named line.',
    }))
    const inert =
      resolved.inertKeys.length === 0
        ? []
        : [
            {
              check: 'not honoured',
              status: 'warning',
              detail: resolved.inertKeys.join(', '),
              fix: 'Read the file, then run `agentkernel trust`.',
            } as const,
          ]
    const none: DoctorFinding[] = sources.length === 0 ? [{ check: 'files', status: 'ok', detail: 'none; the defaults hold' }] : []
    const limits: DoctorFinding = {
      check: 'limits of this user',
      status: 'info',
      detail: `min_isolation = "${resolved.minIsolation}", min_network = "${resolved.minNetwork}"`,
    }
    return { resolved, section: { title, findings: [...none, ...sources, ...warnings, ...inert, limits] } }
  } catch (error) {
    if (!isAppError(error)) throw error
    return {
      resolved: undefined,
      section: { title, findings: [{ check: 'files', status: 'error', detail: error.message, fix: error.fix }] },
    }
  }
}

async function files(deps: DoctorDeps): Promise<DoctorSection> {
  const folders = deps.folders.map(({ title, path }): DoctorFinding => ({ check: title, status: 'info', detail: path }))
  return { title: 'Files', findings: [...folders, await auditLog(deps)] }
}

async function auditLog(deps: DoctorDeps): Promise<DoctorFinding> {
  const check = 'audit log'
  try {
    const { ok, path, records, broken } = await deps.verifyAudit()
    if (ok) return { check, status: 'ok', detail: `${path}, ${records} records, unbroken` }
    const detail = `${path}: line ${broken?.line ?? 0}: ${broken?.reason ?? 'broken'}`
    return { check, status: 'error', detail, fix: 'Keep the file as evidence; see `agentkernel audit verify`.' }
  } catch (error) {
    if (!isAppError(error)) throw error
    return { check, status: 'error', detail: error.message, fix: error.fix }
  }
}
