import { lstatSync, realpathSync } from 'node:fs'
import { ignore } from '../../lib/ignore.ts'
import { forFs } from './byte-path.ts'
import type { BytePath } from './byte-path.ts'
import { inspectFile } from './inspect-file.ts'
import type { Verdict } from './inspect-file.ts'
import { isWithin } from './project-root.ts'
import { lstat } from './scan-index.ts'
import type { FileState, Stamp } from './scan-index.ts'
import type { ScanPolicy } from './scan-policy.ts'
import type { SecretAction } from './secret-files.ts'

/** What is to be done about a watched file now. */
export interface Judgement {
  /** The file itself, or what the link leads to; relative to the project. */
  readonly path: BytePath
  readonly verdict: Verdict
  /** To be remembered. */
  readonly state: FileState
  /** The file as it was before it was read; undefined when it was not read. */
  readonly stamp: Stamp | undefined
}

/** Where a scan works. */
export interface ScanPlace {
  readonly root: BytePath
  readonly policy: ScanPolicy
}

/**
 * Judges the file at `path` (relative to the project), which was remembered as `state`. Its content is read only when
 * `isKnown` does not recognise the file, or when other content has to be shown: the index never holds content.
 * Undefined when it is gone.
 */
export function judgeFile(path: BytePath, state: FileState, isKnown: (stamp: Stamp) => boolean, place: ScanPlace): Judgement | undefined {
  if (state === 'hide') return { path, verdict: 'secret', state, stamp: undefined }
  const absolute = `${place.root}/${path}`
  const stamp = lstat(absolute)
  if (stamp === undefined) return undefined
  if ((state === 'clean' || state === 'secret') && isKnown(stamp)) return { path, verdict: state, state, stamp: undefined }
  const slash = path.lastIndexOf('/')
  const action = place.policy.matcher(path.slice(0, Math.max(slash, 0)))(path.slice(slash + 1))
  if (action === undefined) return undefined
  if (state === 'link') return judgeLink(path, absolute, action, place.root)
  const verdict = inspectFile(absolute, action)
  return { path, verdict, state: typeof verdict === 'string' ? verdict : 'replace', stamp }
}

/**
 * A symlink with a telling name: `.env` may point to `settings/production`, whose own name says nothing, so the file at
 * the end is judged by the link's name. Outside the project it does not matter: there the link leads nowhere.
 */
function judgeLink(path: BytePath, absolute: BytePath, action: SecretAction, root: BytePath): Judgement {
  const harmless: Judgement = { path, verdict: 'clean', state: 'link', stamp: undefined }
  try {
    const target = Buffer.from(realpathSync(forFs(absolute), { encoding: 'buffer' })).toString('latin1')
    if (!isWithin(target, root) || !lstatSync(forFs(target)).isFile()) return harmless
    return { ...harmless, path: target.slice(root.length + 1), verdict: inspectFile(target, action) }
  } catch (error) {
    ignore(error, 'a link that leads nowhere shows nothing')
    return harmless
  }
}
