import { RULES_FINGERPRINT } from './secret-files.ts'
import type { SecretAction } from './secret-files.ts'
import { createSecretMatcher } from './secret-matcher.ts'
import { isSkipped } from './skipped-folders.ts'

/** What a scan looks for. */
export interface ScanPolicy {
  /** Differs between policies, so that one never trusts what another remembered. */
  readonly fingerprint: number
  /** For a folder (relative to the project), the question what to do with a file in it. */
  readonly matcher: (folder: string) => (name: string) => SecretAction | undefined
  /** Whether the folder `name` in a folder called `parent` beside `entries` is left out. */
  readonly skips: (name: string, parent: string, entries: ReadonlySet<string>) => boolean
  /** Whether the places of `.git` folders are wanted. */
  readonly findsGit: boolean
}

/** Copy view: secrets, sockets, FIFOs, devices; dependency folders are left out. */
export function copyPolicy(): ScanPolicy {
  // Most runs find nothing new and ask nothing.
  let matcher: ScanPolicy['matcher'] | undefined
  return {
    fingerprint: RULES_FINGERPRINT,
    matcher: (folder) => (matcher ??= createSecretMatcher())(folder),
    skips: isSkipped,
    findsGit: false,
  }
}

/**
 * Mount: sockets, FIFOs and devices, everywhere. The user gives the real files away, secrets with them; but a socket
 * of the host reaches a process of the host, wherever it lies.
 */
export function mountPolicy(): ScanPolicy {
  return { fingerprint: 0, matcher: () => () => undefined, skips: () => false, findsGit: true }
}
