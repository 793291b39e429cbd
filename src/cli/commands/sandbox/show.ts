import type { SandboxInfo } from '../../../contract/sandboxes.ts'
import { formatByteSize } from '../../../lib/byte-size.ts'
import { formatTtl } from '../../../lib/ttl.ts'
import type { CliContext } from '../../context.ts'
import { moment } from '../../moments.ts'
import { printable } from '../../printable.ts'
import type { Style } from '../../style.ts'

const MIB = 1024 ** 2

/** `running`, in its colour. */
export function statusText(status: string, style: Style): string {
  const text = printable(status)
  if (status === 'running') return style.green(text)
  return status === 'failed' ? style.red(text) : style.dim(text)
}

export function vcpusText({ vcpus }: SandboxInfo): string {
  return vcpus === undefined ? 'all' : String(vcpus)
}

export function memoryText({ memory_mb }: SandboxInfo): string {
  return formatByteSize(memory_mb * MIB)
}

/** `team=web, tier=1`; undefined without labels. */
export function labelsText({ labels }: SandboxInfo): string | undefined {
  const entries = Object.entries(labels ?? {})
  return entries.length === 0 ? undefined : entries.map(([key, value]) => printable(`${key}=${value}`)).join(', ')
}

export function portsText({ ports }: SandboxInfo): string | undefined {
  return ports === undefined || ports.length === 0 ? undefined : printable(ports.join(', '))
}

/** `stops after 30m, archived after 2d`; undefined when nothing happens by itself. */
export function lifecycleText({ lifecycle }: SandboxInfo): string | undefined {
  const parts = [
    ['stopped after', lifecycle?.auto_stop_after_seconds],
    ['archived after', lifecycle?.auto_archive_after_seconds],
    ['deleted after', lifecycle?.auto_delete_after_seconds],
  ] as const
  const given = parts.flatMap(([word, seconds]) => (seconds === undefined || seconds === 0 ? [] : [`${word} ${formatTtl(seconds)}`]))
  return given.length === 0 ? undefined : `${given.join(', ')} without activity`
}

/** Every fact about a sandbox, for `facts`. */
export function factsOf(info: SandboxInfo, style: Style, now: Date): (readonly [string, string | undefined])[] {
  const time = (text: string | undefined): string | undefined => (text === undefined ? undefined : printable(moment(text, now)))
  const text = (value: string | undefined): string | undefined => (value === undefined ? undefined : printable(value))
  return [
    ['Name', printable(info.name)],
    ['Status', statusText(info.status, style)],
    ['Failure', text(info.failure)],
    ['Backend', printable(`${info.backend} (${info.isolation})`)],
    ['Image', printable(info.image)],
    ['Profile', printable(info.profile)],
    ['Network', networkText(info)],
    ['Secrets', secretsText(info)],
    ['IP', text(info.ip) ?? '-'],
    ['Resources', `vCPUs ${vcpusText(info)}, memory ${memoryText(info)}`],
    ['Workspace', info.project === undefined ? printable(info.workspace) : printable(`${info.workspace} of ${info.project}`)],
    ['Agent', text(info.agent)],
    ['Created', time(info.created_at)],
    ['Started', time(info.started_at)],
    ['Last active', time(info.last_activity_at)],
    ['TTL', ttlOf(info)],
    ['Expires', time(info.expires_at) ?? 'never'],
    ['Archived', time(info.archived_at)],
    ['Because', text(info.archived_reason)],
    ['By itself', lifecycleText(info)],
    ['Ports', portsText(info)],
    ['Labels', labelsText(info)],
    ['Description', text(info.description)],
    ['UUID', printable(info.uuid)],
  ]
}

/** The whole time between being made and its end. */
function ttlOf({ created_at, expires_at }: SandboxInfo): string {
  if (expires_at === undefined) return formatTtl(0)
  const seconds = Math.round((Date.parse(expires_at) - Date.parse(created_at)) / 1000)
  return Number.isSafeInteger(seconds) && seconds > 0 ? formatTtl(seconds) : '-'
}

/** What a reply says the caller should know, on stderr. */
export function writeWarnings(info: SandboxInfo, context: CliContext): void {
  for (const warning of info.warnings ?? []) context.stderr.write(`agentkernel: ${printable(warning)}\n`)
}

/** `public`, or the rules behind it. */
export function networkText({ network, network_rules: rules, egress }: SandboxInfo): string {
  if (rules === undefined || network === 'none') return 'none'
  const blocked = rules.block.length === 0 ? '' : `; blocked: ${rules.block.map((rule) => printable(rule)).join(', ')}`
  const how = egress === 'proxy' ? ' (for programs that use a proxy)' : ''
  return `${rules.allow.map((rule) => printable(rule)).join(', ')}${blocked}${how}`
}

export function secretsText({ secret_mappings: mappings = {}, secret_files: files = [] }: SandboxInfo): string | undefined {
  const sent = Object.entries(mappings).map(([name, host]) => `${printable(name)} for ${printable(host)}`)
  const all = [...sent, ...files.map((name) => `${printable(name)} as a file`)]
  return all.length === 0 ? undefined : all.join(', ')
}
