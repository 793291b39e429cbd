import { lineAt, type SourceFile } from './source-files.ts'

/** Names of drivers. As quoted words they belong to the driver, the config schema and main. */
const DRIVER_NAMES = 'namespace|docker|podman|gvisor|qemu|firecracker|kubernetes|nomad|apple|seatbelt|wasm|fake'.split('|')

/** Where a driver's name may stand besides drivers/ and main/, with the reason. */
export const NAMES_ALLOWED: Readonly<Record<string, string>> = {
  'src/contract/config.ts': 'the config schema lists the values of `backend`',
  'src/contract/schemas/': 'the config schema lists the values of `backend` and the sections of drivers',
}

interface Rule {
  readonly pattern: RegExp
  readonly allowed: (path: string) => boolean
  readonly fix: string
}

const inMain = (path: string) => path.startsWith('src/main/')

const RULES: readonly Rule[] = [
  {
    pattern: new RegExp(`(['"\`])(?:${DRIVER_NAMES.join('|')})\\1`, 'g'),
    allowed: (path) =>
      path.startsWith('src/drivers/') || inMain(path) || Object.keys(NAMES_ALLOWED).some((prefix) => path.startsWith(prefix)),
    fix: 'no driver is named outside drivers/, the config schema and main/; ask the driver for a fact or a facet instead',
  },
  { pattern: /\b(?:process|Bun)\.env\b/g, allowed: inMain, fix: 'the environment is read in main/ and handed in' },
  { pattern: /\bprocess\.exit(?:Code)?\b/g, allowed: inMain, fix: 'only main/ ends the process; return, or throw an AppError' },
  {
    pattern: /\bthrow new Error\(/g,
    allowed: (path) => path === 'src/lib/assert.ts',
    fix: 'throw AppError(code, detail) for an expected failure; for a bug use lib/assert.ts',
  },
  { pattern: /\bas any\b|:\s*any\b|<any>/g, allowed: () => false, fix: 'use unknown and parse it' },
]

/** One sentence per line that breaks a rule: file, line, what stands there, and what to do instead. */
export function forbiddenCode(files: readonly SourceFile[]): string[] {
  return files.flatMap((file) =>
    RULES.filter((rule) => !rule.allowed(file.path)).flatMap((rule) =>
      [...file.code.matchAll(rule.pattern)].map(
        (match) => `${file.path}:${lineAt(file.code, match.index)}: ${match[0].trim()}: ${rule.fix}`,
      ),
    ),
  )
}
