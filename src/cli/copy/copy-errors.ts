import { AppError, isAppError } from '../../contract/errors.ts'
import { isErrno } from '../../lib/errno.ts'
import { quoted } from '../printable.ts'

/** A folder has the name that a file should get. */
export function inTheWay(shown: string, cause: unknown): AppError {
  return new AppError('file_exists', `a folder is in the way of ${quoted(shown)}.`, { cause })
}

/** A name of an archive that nothing is made of. */
export function refused(name: string, reason: string): AppError {
  return new AppError('path_forbidden', `${quoted(name)} in what the sandbox sent is refused: ${reason}; what came before it is copied.`, {
    fix: 'Look at what the sandbox holds there, and copy parts of it.',
  })
}

/** What went wrong with an archive or the disk, in our words; anything else as it is. */
export function failureOf(error: unknown): unknown {
  if (isAppError(error)) return error
  if (isErrno(error, 'ENOSPC', 'EDQUOT'))
    return new AppError('disk_full', 'the disk is full; what was copied so far stays.', { cause: error })
  if (isErrno(error, 'EACCES', 'EPERM', 'EROFS', 'ENAMETOOLONG', 'EINVAL', 'EIO', 'ENOENT')) {
    return new AppError('output_failed', 'a file cannot be written.', { cause: error, fix: 'Copy to a folder that you may write to.' })
  }
  if (error instanceof Error && /^(tar|invalid tar|unsupported|unexpected)/i.test(error.message)) {
    return new AppError('output_failed', 'what came is no whole tar archive.', { cause: error, fix: 'Try again.' })
  }
  return error
}
