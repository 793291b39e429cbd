import { lstatSync, realpathSync } from 'node:fs'
import { ignore } from '../../lib/ignore.ts'
import { forFs } from './byte-path.ts'
import type { BytePath } from './byte-path.ts'
import { inspectFile } from './inspect-file.ts'
import type { Verdict } from './inspect-file.ts'
import { isWithin } from './project-root.ts'
import type { SecretAction } from './secret-files.ts'

/**
 * Where a symlink with a telling name leads. `.env` may point to `settings/production`, whose own name says nothing, so
 * the file at the end is judged by the link's name. Undefined when that is outside the project (then the link leads
 * nowhere in the sandbox), not a file, or not there. `path` is relative to `root`.
 */
export function inspectLink(link: BytePath, root: BytePath, action: SecretAction): { path: BytePath; verdict: Verdict } | undefined {
  try {
    const target = Buffer.from(realpathSync(forFs(link), { encoding: 'buffer' })).toString('latin1')
    if (!isWithin(target, root) || !lstatSync(forFs(target)).isFile()) return undefined
    return { path: target.slice(root.length + 1), verdict: inspectFile(target, action) }
  } catch (error) {
    ignore(error, 'a link that leads nowhere shows nothing')
    return undefined
  }
}
