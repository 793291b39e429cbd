import { spawnSync } from 'node:child_process'
import { cpSync, mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { buildPackage } from '../scripts/build.ts'

const PACKAGE = join(import.meta.dir, '..')
const ROOT = join(PACKAGE, '../..')

/** A project that has installed the package as npm would have packed it: built, packed, unpacked. */
export interface InstalledPackage extends Disposable {
  /** The project; scripts in it can import `agentkernel`. */
  readonly project: string
  /** The unpacked package. */
  readonly folder: string
  /** Paths in the package. */
  readonly files: readonly string[]
}

export async function installPackage(): Promise<InstalledPackage> {
  const project = realpathSync(mkdtempSync(join(tmpdir(), 'agentkernel sdk ')))
  const staged = join(project, 'staged')
  mkdirSync(staged)
  await buildPackage(join(staged, 'dist'))
  for (const file of ['package.json', 'README.md', 'LICENSE']) cpSync(join(PACKAGE, file), join(staged, file))
  const packed = spawnSync('npm', ['pack', '--silent', '--ignore-scripts', '--pack-destination', project], {
    cwd: staged,
    encoding: 'utf8',
  })
  if (packed.status !== 0) throw new Error(`npm pack: ${packed.stderr}`)
  const archive = join(project, packed.stdout.trim())
  const listed = spawnSync('tar', ['-tzf', archive], { encoding: 'utf8' })
  const modules = join(project, 'node_modules')
  mkdirSync(modules)
  spawnSync('tar', ['-xzf', archive, '-C', modules])
  const folder = join(modules, 'agentkernel')
  cpSync(join(modules, 'package'), folder, { recursive: true })
  for (const left of [join(modules, 'package'), staged, archive]) rmSync(left, { recursive: true })
  symlinkSync(join(ROOT, 'node_modules/ws'), join(modules, 'ws'))
  mkdirSync(join(modules, '@types'))
  for (const types of ['@types/node', 'undici-types']) symlinkSync(join(ROOT, 'node_modules', types), join(modules, types))
  cpSync(join(import.meta.dir, 'consumers'), project, { recursive: true })
  return {
    project,
    folder,
    files: listed.stdout
      .trim()
      .split('\n')
      .map((path) => path.replace(/^package\//, ''))
      .toSorted(),
    [Symbol.dispose]: () => rmSync(project, { recursive: true, force: true }),
  }
}
