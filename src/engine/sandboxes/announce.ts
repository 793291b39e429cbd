import { type AppError, isAppError } from '../../contract/errors.ts'
import { NO_NETWORK } from '../../contract/network.ts'
import type { AuditEvent, AuditSink } from '../../contract/events.ts'
import type { LifecycleEventName } from '../../contract/sandboxes.ts'
import type { SandboxRecord } from '../../store/sandboxes/store.ts'
import type { EventBus } from './events.ts'
import { infoOf, portsOf } from './info.ts'
import { savedOf } from './saved.ts'

/** Why a sandbox changed: somebody asked, time did it, it ended by itself, or a start of the daemon put it right. */
export type Why = { readonly kind: 'asked' | 'idle' | 'expired' | 'lost' | 'reconciled'; readonly text: string }
export const ASKED: Why = { kind: 'asked', text: 'asked for' }

/** One change that has happened, told once, by the one who made it and while the sandbox is still theirs. */
export interface Change {
  readonly what: 'created' | 'started' | 'stopped' | 'archived' | 'recovered' | 'deleted' | 'failed'
  /** As it is now; for `deleted` as it was. */
  readonly record: SandboxRecord
  readonly why: Why
  readonly durationMs?: number
  readonly error?: AppError | Error
}

export interface AnnounceDeps {
  readonly events: EventBus
  readonly audit: AuditSink
  /** Keeps in touch with a sandbox that runs now. */
  readonly follow: (record: SandboxRecord) => void
  /** Forgets what is remembered of one that does not run any more. */
  readonly forget: (record: SandboxRecord) => void
  /** What is due by time may have changed. */
  readonly rescheduled: () => void
  readonly log: (text: string) => void
}

/**
 * Tells the world of a change: events, the audit log, and those who follow sandboxes. Never fails, because the change has happened: what
 * cannot be told is said in the daemon's log.
 */
export async function announce(deps: AnnounceDeps, change: Change): Promise<void> {
  const { what, record } = change
  try {
    if (what === 'started') deps.follow(record)
    if (what === 'stopped' || what === 'archived' || what === 'deleted' || what === 'failed') deps.forget(record)
    if (change.why.kind === 'expired') deps.events.emit('sandbox.expired', record)
    deps.events.emit(`sandbox.${what}` satisfies LifecycleEventName, record, metadataOf(change))
    deps.rescheduled()
    const event = auditOf(change)
    if (event !== undefined) await deps.audit.append(event)
  } catch (error) {
    deps.log(`sandbox ${record.name} is ${what}, which could not be told: ${error instanceof Error ? error.message : String(error)}`)
  }
}

function metadataOf({ what, record, why, durationMs, error }: Change): Readonly<Record<string, unknown>> {
  const duration = durationMs === undefined ? {} : { duration_ms: durationMs }
  if (what === 'created') {
    const { image, vcpus, memory_mb, network_rules } = infoOf(record, { isolation: '' })
    return { image, vcpus: vcpus ?? null, memory_mb, ...(network_rules === undefined ? {} : { network_rules }), ...duration }
  }
  if (what === 'failed') return { error: isAppError(error) ? error.code : 'internal' }
  const ports = what === 'started' ? portsOf(record) : []
  return { ...duration, reason: why.text, ...(ports.length === 0 ? {} : { ports }) }
}

function networkOf(record: SandboxRecord): { readonly network_allow?: readonly string[] } {
  const { allow } = savedOf(record).spec.permissions.networkRules ?? NO_NETWORK
  return allow.length === 0 ? {} : { network_allow: allow }
}

function auditOf({ what, record, error }: Change): AuditEvent | undefined {
  const { name, labels, backend } = record
  switch (what) {
    case 'created':
      return {
        type: 'sandbox_created',
        name,
        image: savedOf(record).spec.image,
        backend,
        ...(Object.keys(labels).length === 0 ? {} : { labels }),
        ...networkOf(record),
      }
    case 'started':
      return { type: 'sandbox_started', name, profile: savedOf(record).spec.permissions.profile }
    case 'stopped':
    case 'archived':
      return { type: 'sandbox_stopped', name }
    case 'deleted':
      return { type: 'sandbox_removed', name }
    case 'failed':
      return { type: 'sandbox_error', name, error: isAppError(error) ? error.code : 'internal' }
    default:
      return undefined
  }
}
