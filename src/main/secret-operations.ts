import { join } from 'node:path'
import type { AuditSink } from '../contract/events.ts'
import type { Operations } from '../contract/operations.ts'
import { SEEN_ON_COMMAND_LINE } from '../contract/secrets.ts'
import { createFirstTime } from '../store/first-time.ts'
import type { Paths } from './paths.ts'
import { openVault } from './vault.ts'

type Environment = Readonly<Record<string, string | undefined>>
type SecretOperations = Pick<Operations, 'secretList' | 'secretSet' | 'secretDelete' | 'secretGet'>

/** The vault as doors use it. Every use but a list is in the audit log, by name. */
export function secretOperations(paths: Paths, env: Environment, audit: () => Promise<AuditSink>): SecretOperations {
  return {
    secretList: async () => {
      const { vault, notices } = await openVault(paths, env)
      return { entries: await vault.list(), notices }
    },
    secretSet: async ({ name, value, seen = false }) => {
      const { vault, notices } = await openVault(paths, env)
      await vault.set(name, value)
      await (await audit()).append({ type: 'secret_set', name })
      const warn = seen && createFirstTime(join(paths.dataDir, 'notices'))('secret value on the command line')
      return { notices: warn ? [...notices, SEEN_ON_COMMAND_LINE] : notices }
    },
    secretDelete: async ({ name }) => {
      const { vault, notices } = await openVault(paths, env)
      const deleted = await vault.delete(name)
      if (deleted) await (await audit()).append({ type: 'secret_deleted', name })
      return { deleted, notices }
    },
    secretGet: async ({ name }) => {
      const { vault, notices } = await openVault(paths, env)
      const value = await vault.get(name)
      if (value !== undefined) await (await audit()).append({ type: 'secret_read', name })
      return { value, notices }
    },
  }
}
