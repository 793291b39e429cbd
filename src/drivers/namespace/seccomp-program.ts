import { readFileSync } from 'node:fs'
import { AppError } from '../../contract/errors.ts'
import { SECCOMP_PROGRAMS } from '../../policy/seccomp/programs.gen.ts'

type ProgramName = keyof typeof SECCOMP_PROGRAMS

/**
 * The filter program for a built-in profile or for a file, base64. A sandbox that has a network may make internet sockets whatever its
 * built-in profile. Errors: `config_invalid`.
 */
export async function seccompProgram(profile: string, arch: 'x64' | 'arm64', networked = false): Promise<string> {
  if (networked && profile === 'restrictive') {
    const { compileSeccomp } = await import('../../policy/seccomp/compile.ts')
    return Buffer.from(compileSeccomp(profile, arch, { inet: true })).toString('base64')
  }
  const name = `${profile}/${arch}`
  // The cast is true because the line before it looked.
  if (Object.hasOwn(SECCOMP_PROGRAMS, name)) return SECCOMP_PROGRAMS[name as ProgramName]
  let text: string
  try {
    text = readFileSync(profile, 'utf8')
  } catch (error) {
    throw new AppError('config_invalid', `cannot read the seccomp file ${profile}`, { cause: error })
  }
  const { compileSeccompFile } = await import('../../policy/seccomp/compile.ts')
  return Buffer.from(compileSeccompFile(text, profile, arch)).toString('base64')
}
