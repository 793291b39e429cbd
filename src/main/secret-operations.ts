import { join } from 'node:path'
import type { AuditSink } from '../contract/events.ts'
import type { Operations } from '../contract/operations.ts'
import { SEEN_ON_COMMAND_LINE, type SecretRequest } from '../contract/secrets.ts'
import { Secret } from '../lib/secret.ts'
import { createFirstTime } from '../store/first-time.ts'
import type { Paths } from './paths.ts'
import { openVault } from './vault.ts'

type Environment = Readonly<Record<string, string | undefined>>
type SecretOperations = Pick<Operations, 'secretForward' | 'secretList' | 'secretSet' | 'secretDelete' | 'secretGet'>

/** The vault as doors use it. Every use but a list is in the audit log, by name. */
export function secretOperations(paths: Paths, env: Environment, audit: () => Promise<AuditSink>): SecretOperations {
  const isFirst = (): boolean => createFirstTime(join(paths.dataDir, 'notices'))('secret value on the command line')
  return {
    secretForward: async ({ ask, cwd }) => {
      const [{ parseSecret, parseSecretRequest }, { forwardSecrets }, { vault, notices }] = await Promise.all([
        import('../secrets/binding.ts'),
        import('../secrets/forward.ts'),
        openVault(paths, env),
      ])
      const { stdin } = ask
      const readStdin = stdin === undefined ? {} : { readStdin: () => Promise.resolve(new TextEncoder().encode(stdin.reveal())) }
      const parse = (one: string | Secret | SecretRequest, hostOptional: boolean) =>
        one instanceof Secret || typeof one === 'string'
          ? parseSecret(one instanceof Secret ? one.reveal() : one, { hostOptional })
          : parseSecretRequest(one, { hostOptional })
      const given = ask.bindings.map((one) => parse(one, false))
      const inFiles = ask.files.map((one) => parse(one, !ask.placeholders))
      const context = { vault, env, cwd, ...readStdin }
      const warn = given.some(({ exposed }) => exposed) && isFirst()
      return {
        secrets: await forwardSecrets(given, context),
        files: await forwardSecrets(inFiles, context),
        notices: warn ? [...notices, SEEN_ON_COMMAND_LINE] : notices,
      }
    },
    secretList: async () => {
      const { vault, notices } = await openVault(paths, env)
      return { entries: await vault.list(), notices }
    },
    secretSet: async ({ name, value, seen = false }) => {
      const { vault, notices } = await openVault(paths, env)
      await vault.set(name, value)
      await (await audit()).append({ type: 'secret_set', name })
      const warn = seen && isFirst()
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
