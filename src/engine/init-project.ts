import { type FileHandle, open, stat, unlink } from 'node:fs/promises'
import { dirname, basename, join } from 'node:path'
import type { Agent } from '../agents/agent.ts'
import { agentNames, AGENTS, findAgent } from '../agents/registry.ts'
import { AppError } from '../contract/errors.ts'
import type { ProjectEntry } from '../images/detect/by-files.ts'
import { type DetectedImage, detectImage } from '../images/detect/detect-image.ts'
import { ignore } from '../lib/ignore.ts'
import { nearest } from '../lib/nearest.ts'

const FILE_NAME = 'agentkernel.toml'
const DEFAULT_AGENT = 'claude'
const MAX_NAME_LENGTH = 63
/** Used when nothing of the directory's name can stay, e.g. for `/` or a name without Latin letters. */
const FALLBACK_NAME = 'project'

export interface InitProjectInput {
  /** Absolute path of the project. */
  readonly dir: string
  /** Name of the sandbox. @default the name of the directory, made to fit */
  readonly name?: string
  /** Name or alias of the coding agent. @default 'claude' */
  readonly agent?: string
  /** Top level of `dir`, for detection. */
  readonly entries: readonly ProjectEntry[]
  /** Text of the Procfile, if there is one. */
  readonly procfile: string | undefined
}

/**
 * Writes `agentkernel.toml` in `dir` and resolves with its path, the image it names and why. A file, link or directory
 * of that name is never touched. Errors: `invalid_argument` (name, agent), `already_exists`, `workspace_unavailable`,
 * `disk_full`.
 */
export async function initProject(input: InitProjectInput): Promise<{ path: string; image: string; reason: string }> {
  const name = input.name === undefined ? sandboxNameFrom(basename(input.dir)) : checkedName(input.name)
  const agent = knownAgent(input.agent ?? DEFAULT_AGENT)
  const found = detectImage({ projectEntries: input.entries, procfile: input.procfile ?? '', prefer: 'project' })
  const path = join(input.dir, FILE_NAME)
  await writeNewFile(path, configText(name, agent, found))
  return { path, image: found.image, reason: found.reason }
}

/** The rule that `name` breaks as the name of a sandbox, as the end of a sentence; undefined when it is fine. */
export function sandboxNameProblem(name: string): string | undefined {
  if (name === '') return 'it is empty'
  if (name.length > MAX_NAME_LENGTH) return `it has ${name.length} characters, at most ${MAX_NAME_LENGTH} are allowed`
  if (/[^A-Za-z0-9_-]/.test(name)) return 'only the letters A-Z and a-z, digits, - and _ are allowed'
  if (!/^[A-Za-z0-9]/.test(name) || !/[A-Za-z0-9]$/.test(name)) return 'it must start and end with a letter or a digit'
  if (/[-_]{2}/.test(name)) return 'two separators (- or _) may not follow each other'
  return undefined
}

/** A valid sandbox name as close to `text` as possible: accents are dropped, everything else that is not allowed is a `-`. */
export function sandboxNameFrom(text: string): string {
  const plain = text.slice(0, 1024).normalize('NFKD').replace(/\p{M}/gu, '')
  const joined = plain.replace(/[^A-Za-z0-9_-]+/g, '-').replace(/([-_])[-_]+/g, '$1')
  const name = joined
    .replace(/^[-_]+/, '')
    .slice(0, MAX_NAME_LENGTH)
    .replace(/[-_]+$/, '')
  return name === '' ? FALLBACK_NAME : name
}

function checkedName(name: string): string {
  const problem = sandboxNameProblem(name)
  if (problem === undefined) return name
  throw new AppError('invalid_argument', `--name ${shown(name)} is no sandbox name: ${problem}.`, {
    fix: `Use another name, for example ${sandboxNameFrom(name)}.`,
  })
}

function knownAgent(word: string): Agent {
  const agent = findAgent(word)
  if (agent !== undefined) return agent
  const guess = nearest(word.slice(0, MAX_NAME_LENGTH), agentNames())
  throw new AppError(
    'invalid_argument',
    `--agent ${shown(word)} is no known agent${guess === undefined ? '' : `; did you mean ${guess}?`}`,
    {
      fix: `Use one of ${AGENTS.map(({ name }) => name).join(', ')}.`,
    },
  )
}

/** Creates `path` with `text`. O_EXCL refuses anything that is there, a dangling link too, so nothing is followed. */
async function writeNewFile(path: string, text: string): Promise<void> {
  try {
    await using file = await open(path, 'wx', 0o644)
    try {
      await file.writeFile(text)
      await share(file, dirname(path))
    } catch (error) {
      await unlink(path).catch((cause: unknown) => ignore(cause, 'the first failure is the one to report'))
      throw error
    }
  } catch (error) {
    throw writeError(path, error)
  }
}

/** The file belongs to the project: everybody who may read that reads it, and root leaves it to the folder's owner. */
async function share(file: FileHandle, folder: string): Promise<void> {
  await file.chmod(0o644)
  if (process.getuid?.() !== 0) return
  const { uid, gid } = await stat(folder)
  await file.chown(uid, gid)
}

function writeError(path: string, cause: unknown): AppError {
  const code = cause instanceof Error && 'code' in cause ? String(cause.code) : 'unknown error'
  if (code === 'EEXIST') {
    return new AppError('already_exists', `${path} is already there; it was not changed.`, { fix: 'Edit it, or remove it first.' })
  }
  if (code === 'ENOSPC' || code === 'EDQUOT') return new AppError('disk_full', `${path} could not be written: the disk is full.`)
  return new AppError('workspace_unavailable', `${path} could not be written (${code}).`, {
    cause,
    fix: 'Run from a directory that exists and that you may write to.',
  })
}

/** The file. Lines that start with `# [` or `# key =` are examples: without the `# ` they are valid. */
function configText(name: string, agent: Agent, found: DetectedImage): string {
  return `# How this project runs in a sandbox. docs/configuration.md lists every key.
# This file can only narrow what a sandbox may do, until you run \`agentkernel trust\`.

[sandbox]
name = ${toml(name)}
# Chosen because ${found.reason}.
base_image = ${toml(found.image)}

[agent]
# One of ${AGENTS.map((each) => each.name).join(', ')}.
preferred = ${toml(agent.name)}

# Limits. Left out: as much as the backend gives by default.
# [resources]
# vcpus = 2
# memory_mb = 1024

# What the sandbox may do. profile is permissive, moderate or restrictive; network = false cuts it off.
# [security]
# profile = "restrictive"
# network = false
`
}

/** A TOML basic string. JSON's escapes are valid TOML; what JSON leaves raw and TOML refuses (DEL) is no part of any value here. */
function toml(value: string): string {
  return JSON.stringify(value)
}

function shown(text: string): string {
  return JSON.stringify(text.length > 80 ? `${text.slice(0, 79).toWellFormed()}…` : text)
}
