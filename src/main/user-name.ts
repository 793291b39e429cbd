import { userInfo } from 'node:os'

/** The user's name, for the audit log. */
export function userName(env: Readonly<Record<string, string | undefined>>): string {
  return env['USER'] ?? env['LOGNAME'] ?? userInfo().username
}
