/** A folder that a scan of the copy view does not enter: large, made by tools, holding what others published. */
export interface SkippedFolder {
  readonly name: string
  /** Only beside an entry of this name. */
  readonly beside?: string
  /** Only in a folder of this name. */
  readonly parent?: string
}

export const SKIPPED_FOLDERS: readonly SkippedFolder[] = [
  // JavaScript
  ...['node_modules', 'bower_components', 'jspm_packages', '.pnpm-store'].map((name) => ({ name })),
  { name: 'cache', parent: '.next' },
  { name: 'cache', parent: '.yarn' },
  // Python
  ...['.venv', 'venv', '.tox', '.nox', '__pycache__', '.mypy_cache', '.ruff_cache', '.pytest_cache'].map((name) => ({ name })),
  // Rust, PHP, Go, Ruby, Swift and Objective-C, Maven, Gradle, Terraform, Elixir
  { name: 'target', beside: 'Cargo.toml' },
  { name: 'vendor', beside: 'composer.json' },
  { name: 'vendor', beside: 'go.mod' },
  { name: 'bundle', parent: 'vendor' },
  { name: 'Pods', beside: 'Podfile' },
  { name: 'repository', parent: '.m2' },
  { name: 'caches', parent: '.gradle' },
  { name: 'providers', parent: '.terraform' },
  { name: 'deps', beside: 'mix.exs' },
  // Inside a git folder, which is known by its HEAD; a submodule may be called `objects`.
  ...['objects', 'refs', 'logs', 'lfs', 'hooks', 'info', 'branches'].map((name) => ({ name, beside: 'HEAD' })),
]

const BY_NAME = Map.groupBy(SKIPPED_FOLDERS, (row) => row.name)

/** True when the folder `name`, found in a folder called `parent` together with `entries`, is left out. */
export function isSkipped(name: string, parent: string, entries: ReadonlySet<string>): boolean {
  const rows = BY_NAME.get(name)
  return (
    rows !== undefined &&
    rows.some((row) => (row.beside === undefined || entries.has(row.beside)) && (row.parent === undefined || row.parent === parent))
  )
}
