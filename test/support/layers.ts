import { importsOf, type SourceFile } from './source-files.ts'

/**
 * What each folder of `src` may import besides itself: the arrows of ARCHITECTURE.md. A folder that is not here may not
 * exist. Siblings of one tier do not import each other, except where the table says so.
 */
const KNOWLEDGE = ['policy', 'store', 'images', 'guestlink', 'secrets', 'templates', 'agents'] as const
const BASE = ['contract', 'lib'] as const
export const LAYERS: Readonly<Record<string, readonly string[]>> = {
  lib: [],
  contract: ['lib'],
  ...Object.fromEntries(KNOWLEDGE.map((name) => [name, BASE])),
  // Never the store and never secrets: the engine hands a driver what it needs.
  drivers: [...BASE, 'policy', 'images', 'guestlink', 'agents', 'templates'],
  egress: [...BASE, ...KNOWLEDGE],
  engine: [...BASE, ...KNOWLEDGE, 'drivers', 'egress'],
  durable: [...BASE, ...KNOWLEDGE, 'drivers', 'egress', 'engine'],
  http: BASE,
  mcp: BASE,
  cli: BASE,
  main: [...BASE, ...KNOWLEDGE, 'drivers', 'egress', 'engine', 'durable', 'http', 'mcp', 'cli'],
}

/** One sentence per import against the arrows: file, what it imports, and what to do instead. */
export function layerViolations(files: readonly SourceFile[]): string[] {
  return files.flatMap((file) => {
    const own = layerOf(file.path)
    if (!(own in LAYERS))
      return [`${file.path}: src/${own} is not a folder of the layer table; put the file in one of them (test/support/layers.ts)`]
    return importsOf(file)
      .filter(
        (target) => target.startsWith('src/') || target.startsWith('test/') || target.startsWith('bench/') || target.startsWith('scripts/'),
      )
      .flatMap((target) => violation(file.path, own, target) ?? [])
  })
}

function violation(path: string, own: string, target: string): string | undefined {
  const says = (fix: string) => `${path} imports ${target}: ${fix}`
  if (!target.startsWith('src/')) return says('the product does not import tests, benchmarks or scripts')
  const other = layerOf(target)
  if (own === 'drivers' && other === 'drivers') return driverViolation(path, target, says)
  if (own !== other && !(LAYERS[own] ?? []).includes(other)) {
    const allowed = LAYERS[own] ?? []
    return says(
      `${own} may import ${allowed.length === 0 ? 'nothing of the project' : allowed.join(', ')}; have main/ pass it in, or move the shared part down`,
    )
  }
  if (other === 'drivers' && own !== 'main' && target !== 'src/drivers/driver.ts')
    return says('import drivers/driver.ts instead; only main/ knows a driver')
  return undefined
}

/** Inside `drivers`: a folder sees itself, `shared` and the contract; `shared` and the contract see no driver. */
function driverViolation(path: string, target: string, says: (fix: string) => string): string | undefined {
  const [from, to] = [driverFolder(path), driverFolder(target)]
  if (from === to || target === 'src/drivers/driver.ts') return undefined
  if (from !== undefined && to === 'shared') return undefined
  // The registry lists every driver: that is its one job.
  if (path.startsWith('src/drivers/registry')) return undefined
  return says('a driver imports drivers/driver.ts and drivers/shared, never another driver')
}

/** `docker` of `src/drivers/docker/api.ts`; undefined for a file directly in `src/drivers`. */
function driverFolder(path: string): string | undefined {
  const parts = path.split('/')
  return parts.length > 3 ? parts[2] : undefined
}

function layerOf(path: string): string {
  return path.split('/')[1] ?? ''
}
