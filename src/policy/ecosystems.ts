/**
 * Ecosystem presets: the hosts that a language's own package tools need, under one name. This is the only file that
 * knows them, and it knows them only as wildcard domains (`*.x` matches `x` and everything below it), so that a moved
 * mirror or download host needs no change here.
 */
const presets = {
  python: ['*.pypi.org', '*.pythonhosted.org'],
  node: ['*.npmjs.org', '*.npmjs.com', '*.yarnpkg.com'],
  rust: ['*.crates.io', '*.rust-lang.org'],
  go: ['*.golang.org', '*.go.dev'],
  ruby: ['*.rubygems.org'],
  java: ['*.maven.org', '*.gradle.org'],
  dotnet: ['*.nuget.org'],
  github: ['*.github.com', '*.githubusercontent.com'],
} as const satisfies Readonly<Record<string, readonly `*.${string}`[]>>

export type EcosystemName = keyof typeof presets
export const ECOSYSTEM_NAMES = Object.keys(presets) as readonly EcosystemName[]

/** The wildcard domains of the named ecosystems, in order, each once. */
export function ecosystemDomains(names: readonly EcosystemName[]): readonly string[] {
  return [...new Set(names.flatMap((name) => presets[name]))]
}
