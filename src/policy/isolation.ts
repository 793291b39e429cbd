import { AppError } from '../contract/errors.ts'
import type { Isolation } from '../contract/isolation.ts'
import { isolationAtLeast } from '../contract/isolation.ts'

/**
 * Decides whether a backend isolates enough. Returns undefined when it does, else the error to throw
 * (`isolation_too_weak`) with both kinds in its detail.
 */
export function checkIsolation(
  backend: { readonly name: string; readonly isolation: Isolation },
  minIsolation: Isolation,
): AppError | undefined {
  if (isolationAtLeast(backend.isolation, minIsolation)) return undefined
  return new AppError(
    'isolation_too_weak',
    `backend "${backend.name}" isolates as "${backend.isolation}", but min_isolation = "${minIsolation}" asks for more (vm > kernel > container > process)`,
  )
}
