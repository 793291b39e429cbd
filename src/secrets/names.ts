import { AppError } from '../contract/errors.ts'
import { LARGEST_SECRET_BYTES, secretNameProblem } from '../contract/secrets.ts'
import type { Secret } from '../lib/secret.ts'

const INTERNAL = /^sandbox\/[A-Za-z0-9_-]{1,64}\/[A-Za-z0-9_.-]{1,128}$/

/** The vault's name of a value that belongs to one sandbox. */
export const sandboxSecretName = (sandboxId: string, name: string): string => `sandbox/${sandboxId}/${name}`

export const isInternal = (name: string): boolean => name.startsWith('sandbox/')

/** Errors: `invalid_argument`. */
export function checkName(name: string): void {
  if (isInternal(name)) {
    if (!INTERNAL.test(name)) throw new AppError('invalid_argument', 'a name below "sandbox/" is "sandbox/ID/NAME"')
    return
  }
  const problem = secretNameProblem(name)
  if (problem !== undefined) throw new AppError('invalid_argument', `the name of a secret ${problem}`)
}

/** Errors: `invalid_argument`. */
export function checkValue(name: string, value: Secret): void {
  const bytes = Buffer.byteLength(value.reveal())
  if (bytes === 0) throw new AppError('invalid_argument', `the value of ${name} is empty`)
  if (bytes > LARGEST_SECRET_BYTES) {
    throw new AppError('invalid_argument', `the value of ${name} has ${bytes} bytes; the most is ${LARGEST_SECRET_BYTES}`)
  }
}
