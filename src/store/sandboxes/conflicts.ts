import { AppError } from '../../contract/errors.ts'

export function taken(name: string, cause?: unknown): AppError {
  return new AppError('already_exists', `a sandbox named "${name}" exists already`, cause === undefined ? {} : { cause })
}

/** The key stays unsaid: its owner knows it, and for others it is a secret. */
export function keyInUse(): AppError {
  return new AppError('already_exists', 'this idempotency key is in use', { fix: 'Use a new one for a new request.' })
}
