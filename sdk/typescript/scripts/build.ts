/**
 * Builds the package: `bun scripts/build.ts [DIRECTORY]` (default: `dist` of this folder).
 *
 *     index.js, *.d.ts              ES modules, one file of code
 *     cjs/index.js, cjs/*.d.ts      CommonJS, told by a package.json of its own
 */
import { cpSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'

const PACKAGE = join(import.meta.dir, '..')
const ROOT = join(PACKAGE, '../..')

export async function buildPackage(dist: string): Promise<void> {
  rmSync(dist, { recursive: true, force: true })
  mkdirSync(join(dist, 'cjs'), { recursive: true })
  await bundle('esm', dist)
  await bundle('cjs', join(dist, 'cjs'))
  await declarations(dist)
  writeFileSync(join(dist, 'cjs/package.json'), '{ "type": "commonjs" }\n')
}

async function bundle(format: 'esm' | 'cjs', outdir: string): Promise<void> {
  // `browser` stands for no runtime at all: nothing of Node's or Bun's may be in it.
  const result = await Bun.build({ entrypoints: [join(PACKAGE, 'src/index.ts')], outdir, format, target: 'browser', minify: false })
  if (!result.success) throw new AggregateError(result.logs, `${format} bundle`)
}

async function declarations(dist: string): Promise<void> {
  const tsc = join(ROOT, 'node_modules/.bin/tsc')
  const child = Bun.spawn([tsc, '-p', PACKAGE, '--outDir', dist], { stdout: 'pipe', stderr: 'inherit' })
  const said = await new Response(child.stdout).text()
  if ((await child.exited) !== 0) throw new Error(`tsc: ${said}`)
  for (const file of readdirSync(dist, { recursive: true, encoding: 'utf8' }).filter((name) => name.endsWith('.d.ts'))) {
    const path = join(dist, file)
    // tsc leaves the endings of the sources, which are not in the package.
    const text = readFileSync(path, 'utf8').replace(/((?:from|import)\s*\(?')(\.[^']*)\.ts'/g, "$1$2.js'")
    writeFileSync(path, text)
    mkdirSync(join(dist, 'cjs', file, '..'), { recursive: true })
    cpSync(path, join(dist, 'cjs', file))
  }
}

if (import.meta.main) await buildPackage(resolve(process.argv[2] ?? join(PACKAGE, 'dist')))
