import packageFile from '../../package.json' with { type: 'json' }
import { OPERATIONS, type Operation } from '../../src/contract/operations.ts'
import { openApiText } from '../../src/http/openapi.ts'
import { compileSeccomp } from '../../src/policy/seccomp/compile.ts'
import { SECCOMP_PROFILE_NAMES } from '../../src/policy/seccomp/profiles.ts'

/** The generated files of the source tree: path from the root, and content. */
export function generatedFiles(): Readonly<Record<string, string>> {
  return {
    'src/policy/seccomp/programs.gen.ts': seccompPrograms(),
    'docs/operations.md': operationsPage(),
    'spec/openapi.json': openApiText(packageFile.version),
  }
}

function seccompPrograms(): string {
  const rows = SECCOMP_PROFILE_NAMES.flatMap((name) =>
    (['x64', 'arm64'] as const).map((arch) => `  '${name}/${arch}': '${Buffer.from(compileSeccomp(name, arch)).toString('base64')}',`),
  )
  return [
    '/**',
    ' * The built-in seccomp programs, base64, by profile and architecture. Compiling one costs a run 2 ms, so they are kept',
    ' * compiled. Written by `npm run gen` from the lists in `profiles.ts`; never edited by hand.',
    ' */',
    'export const SECCOMP_PROGRAMS = {',
    ...rows,
    '} as const',
    '',
  ].join('\n')
}

function operationsPage(): string {
  const rows = Object.entries<Operation>(OPERATIONS).map(([name, { summary, http, mcp, action, event }]) =>
    [`\`${name}\``, summary, http === undefined ? '–' : `\`${http.method} ${http.path}\``, mcp ?? '–', action ?? '–', event ?? '–'].join(
      ' | ',
    ),
  )
  return [
    '# Operations',
    '',
    'Everything the product can do, defined once in `src/contract/operations.ts`. [The HTTP door](http-api.md) and `spec/openapi.json`',
    'are made from it; the MCP names are what that door will use. Written by `npm run gen`.',
    '',
    '| operation | what it does | HTTP | MCP tool | policy action | audit event |',
    '| --- | --- | --- | --- | --- | --- |',
    ...rows.map((row) => `| ${row} |`),
    '',
  ].join('\n')
}
