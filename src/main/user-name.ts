import { userInfo } from 'node:os'

/** The user's name, for the audit log. */
export function userName(env: Readonly<Record<string, string | undefined>>): string {
  const { username, uid } = userInfo()
  // Bun's word for a user that the password file does not name.
  return env['USER'] ?? env['LOGNAME'] ?? (username === 'unknown' ? `uid ${uid}` : username)
}
