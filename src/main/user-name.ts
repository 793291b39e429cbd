import { userInfo } from 'node:os'
import { ignore } from '../lib/ignore.ts'

/** The user's name, for the audit log; the number of one that the password file does not name. */
export function userName(env: Readonly<Record<string, string | undefined>>): string {
  return env['USER'] ?? env['LOGNAME'] ?? nameInPasswordFile() ?? `uid ${process.getuid?.() ?? 0}`
}

function nameInPasswordFile(): string | undefined {
  try {
    const { username } = userInfo()
    // Bun's word for a user that is not there.
    return username === 'unknown' ? undefined : username
  } catch (error) {
    ignore(error, 'a user without a home and without an entry has no name either')
    return undefined
  }
}
