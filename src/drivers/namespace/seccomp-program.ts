import { readFileSync } from 'node:fs'
import { AppError } from '../../contract/errors.ts'
import { compileSeccomp, compileSeccompFile } from '../../policy/seccomp/compile.ts'

const BUILT_IN = ['default', 'moderate', 'restrictive', 'ai-agent'] as const

/** The filter program for a built-in profile or for a file. */
export function seccompProgram(profile: string, arch: 'x64' | 'arm64'): Uint8Array {
  const builtIn = BUILT_IN.find((name) => name === profile)
  if (builtIn !== undefined) return compileSeccomp(builtIn, arch)
  let text: string
  try {
    text = readFileSync(profile, 'utf8')
  } catch (error) {
    throw new AppError('config_invalid', `cannot read the seccomp file ${profile}`, { cause: error })
  }
  return compileSeccompFile(text, profile, arch)
}
