import { readFileSync } from 'node:fs'
import type { SecretAsk } from '../../contract/run.ts'
import type { CreateRequest } from '../../contract/sandboxes.ts'
import { Secret } from '../../lib/secret.ts'
import type { CommandSpec, FlagSpec } from '../command.ts'
import type { CliContext } from '../context.ts'
import type { ParsedArguments } from '../parse-arguments.ts'
import { withoutNul } from './values.ts'

/** What every command that makes a sandbox says about its secrets. */
export const SECRET_FLAGS: readonly FlagSpec[] = [
  {
    name: 'secret',
    short: 'S',
    value: { label: 'BINDING', complete: 'secret' },
    repeatable: true,
    summary:
      'Let requests to HOST carry a secret that never comes in: KEY, KEY:HOST, KEY:HOST:HEADER, KEY=@FILE:HOST, KEY=-:HOST (repeatable)',
  },
  {
    name: 'secret-file',
    value: { label: 'KEY', complete: 'secret' },
    repeatable: true,
    summary: 'Show a secret itself as the file /run/agentkernel/secrets/KEY (repeatable)',
  },
  { name: 'placeholder-secrets', summary: 'Give programs a token for each secret, which the gateway swaps on its way to that host' },
]

/** The secrets of a command line; undefined: none. Reads stdin to its end when one is to come from there. Errors: `usage`. */
export function secretsOf(spec: CommandSpec, args: ParsedArguments): SecretAsk | undefined {
  const texts = args.values('secret').map((text) => withoutNul(spec, '--secret', text) ?? '')
  const files = args.values('secret-file').map((text) => withoutNul(spec, '--secret-file', text) ?? '')
  const placeholders = args.has('placeholder-secrets')
  if (texts.length === 0 && files.length === 0 && !placeholders) return undefined
  const fromStdin = [...texts, ...files].some((text) => /^[^:=]+=-(?::|$)/.test(text))
  return {
    bindings: texts.map((text) => new Secret(text)),
    files,
    placeholders,
    isLocal: true,
    ...(fromStdin ? { stdin: new Secret(readFileSync(0, 'utf8')) } : {}),
  }
}

/** The same for a sandbox that stays: with their values, where the daemon could not find them. Notices go to `notice`. */
export async function forwardedSecrets(
  ask: SecretAsk | undefined,
  context: CliContext,
  notice: (text: string) => void,
): Promise<Pick<CreateRequest, 'secrets' | 'secret_files' | 'placeholder_secrets'>> {
  if (ask === undefined) return {}
  const { secrets, files, notices } = await (await context.operations()).secretForward({ ask, cwd: context.cwd })
  notices.forEach(notice)
  return {
    ...(secrets.length === 0 ? {} : { secrets }),
    ...(files.length === 0 ? {} : { secret_files: files }),
    ...(ask.placeholders ? { placeholder_secrets: true } : {}),
  }
}
