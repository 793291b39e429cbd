import { statSync } from 'node:fs'
import { PROFILE_NAMES } from '../../../contract/config.ts'
import { AppError } from '../../../contract/errors.ts'
import { formatPublishedPort } from '../../../contract/published-port.ts'
import type { CreateRequest, Lifecycle } from '../../../contract/sandboxes.ts'
import { ignore } from '../../../lib/ignore.ts'
import { labelsProblem } from '../../../lib/labels.ts'
import { nearest } from '../../../lib/nearest.ts'
import { parseTtlSeconds } from '../../../lib/ttl.ts'
import type { CommandSpec } from '../../command.ts'
import { variable } from '../../context.ts'
import type { CliContext } from '../../context.ts'
import { branchName } from '../../git-project.ts'
import { usageError } from '../../parse-arguments.ts'
import type { ParsedArguments } from '../../parse-arguments.ts'
import { quoted } from '../../printable.ts'
import { parseCpus, parseMemoryMb } from '../limits.ts'
import { gitPushOf, networkOf, publishOf } from '../network-flags.ts'
import { defined, hostPath, imageOf, variablesOf, variableTexts, withoutNul } from '../values.ts'
import { CREATE_SPEC as SPEC } from './create-spec.ts'
import { checkedName, labelsOf } from './named.ts'

/** More than any description needs to be found again. */
const LONGEST_DESCRIPTION = 1024
/** What the server takes as a key. */
const KEY = /^[\x21-\x7e]{1,255}$/

export interface ParsedCreate {
  readonly request: CreateRequest
  readonly key: string | undefined
  /** Sentences for stderr. */
  readonly notices: readonly string[]
}

/** Reads the values of `sandbox create`. Errors: `usage`, `not_available_yet`, `workspace_unavailable`. */
export function parseCreate(args: ParsedArguments, context: CliContext): ParsedCreate {
  const notices: string[] = []
  const env = variableTexts(variablesOf(SPEC, args, context, notices))
  const request: CreateRequest = {
    name: newName(args, context),
    ...defined('image', imageOf(args.value('image'))),
    ...defined('backend', withoutNul(SPEC, '--backend', args.value('backend'))),
    ...defined('vcpus', vcpusOf(SPEC, args)),
    ...defined('memory_mb', args.has('memory') ? parseMemoryMb(SPEC, args.value('memory')!) : undefined),
    ...defined(
      'profile',
      PROFILE_NAMES.find((name) => name === args.value('profile')),
    ),
    ...defined('agent', args.value('agent')),
    ...networkOf(SPEC, args),
    ...defined('git_push', gitPushOf(SPEC, args)),
    ...defined('ports', publishOf(SPEC, args)?.map(formatPublishedPort)),
    ...defined('labels', newLabels(args)),
    ...defined('description', descriptionOf(args.value('description'))),
    ...defined('lifecycle', lifecycleOf(args)),
    ...defined('ttl', checkedTtl(SPEC, '--ttl', args.value('ttl'))),
    ...(env.length === 0 ? {} : { env }),
    ...(args.has('no-start') ? { start: false } : {}),
    ...defined('dir', projectDir(args.value('dir'), context.cwd)),
    ...defined('config_path', hostPath(SPEC, '--config', args.value('config'), context.cwd)),
    ...defined('caller_path', variable(context.env, 'PATH')),
  }
  return { request, key: keyOf(args.value('idempotency-key')), notices }
}

/** Errors: `usage`, when no coding agent has this name. */
export async function checkAgent(agent: string | undefined, context: CliContext): Promise<void> {
  if (agent === undefined) return
  const known = await (await context.operations()).names('agent')
  if (known.includes(agent)) return
  const guess = nearest(agent, known)
  const hint = guess === undefined ? '.' : `; did you mean ${guess}?`
  throw usageError(SPEC, `--agent ${quoted(agent)} is no known agent (known: ${known.join(', ')})${hint}`)
}

function newName(args: ParsedArguments, context: CliContext): string {
  const [name] = args.positionals
  if (name !== undefined && args.has('branch')) {
    throw usageError(SPEC, `--branch derives the name, but ${quoted(name)} is given too; leave one of them out.`)
  }
  if (args.has('branch')) return branchName(context.cwd)
  if (name === undefined) throw usageError(SPEC, 'give the sandbox a name, as in `agentkernel sandbox create dev`, or use --branch.')
  return checkedName(SPEC, name)
}

/** Cores of `--vcpus` or `--cpus`. Errors: `usage`. */
export function vcpusOf(spec: CommandSpec, args: ParsedArguments): number | undefined {
  if (args.has('vcpus') && args.has('cpus')) throw usageError(spec, '--vcpus and --cpus mean the same; give one of them.')
  const name = args.has('vcpus') ? 'vcpus' : 'cpus'
  const text = args.value(name)
  return text === undefined ? undefined : parseCpus(spec, `--${name}`, text)
}

function newLabels(args: ParsedArguments): Readonly<Record<string, string>> | undefined {
  const labels = labelsOf(SPEC, args)
  const problem = labels === undefined ? undefined : labelsProblem(labels)
  if (problem !== undefined) throw usageError(SPEC, `--label: ${problem}.`)
  return labels
}

function descriptionOf(text: string | undefined): string | undefined {
  if (text === undefined || text.length <= LONGEST_DESCRIPTION) return withoutNul(SPEC, '--description', text)
  throw usageError(SPEC, `--description has ${text.length} characters; the most is ${LONGEST_DESCRIPTION}.`)
}

function lifecycleOf(args: ParsedArguments): Lifecycle | undefined {
  const seconds = (name: string): number | undefined => {
    const text = checkedTtl(SPEC, `--${name}`, args.value(name))
    return text === undefined ? undefined : parseTtlSeconds(text)
  }
  const lifecycle = {
    ...defined('auto_stop_after_seconds', seconds('auto-stop')),
    ...defined('auto_archive_after_seconds', seconds('auto-archive')),
    ...defined('auto_delete_after_seconds', seconds('auto-delete')),
  }
  return Object.keys(lifecycle).length === 0 ? undefined : lifecycle
}

/** The text of a time to live, once it is known to be one. Errors: `usage`. */
export function checkedTtl(spec: CommandSpec, shown: string, text: string | undefined): string | undefined {
  if (text === undefined || parseTtlSeconds(text) !== undefined) return text
  throw usageError(spec, `${shown} ${quoted(text)} is not a time; write a number and s, m, h or d, as in 45s, 30m, 3h or 2d; 0 is none.`)
}

function projectDir(dir: string | undefined, cwd: string | undefined): string | undefined {
  const path = hostPath(SPEC, '--dir', dir, cwd)
  if (path === undefined || isFolder(path)) return path
  throw new AppError('workspace_unavailable', `--dir ${quoted(dir ?? '')} is not a directory that can be read.`, {
    fix: 'Name a directory of this machine that exists.',
  })
}

function isFolder(path: string): boolean {
  try {
    return statSync(path).isDirectory()
  } catch (error) {
    ignore(error, 'the answer is no')
    return false
  }
}

function keyOf(key: string | undefined): string | undefined {
  if (key === undefined || KEY.test(key)) return key
  throw usageError(SPEC, `--idempotency-key ${quoted(key)} must be 1 to 255 visible ASCII characters.`)
}
