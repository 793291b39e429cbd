import { lstatSync, openSync, closeSync, statSync } from 'node:fs'
import { basename, dirname, resolve } from 'node:path'
import { AppError, isAppError } from '../../contract/errors.ts'
import type { SandboxOperations } from '../../contract/sandbox-operations.ts'
import type { CliContext } from '../context.ts'
import { printable, quoted } from '../printable.ts'
import { readFileFrom, writeAll } from '../run-io/copy.ts'
import { ownInput } from '../run-io/streams.ts'
import type { CopyEnd } from './copy-end.ts'
import type { Extracted } from './extract.ts'

type SandboxEnd = Extract<CopyEnd, { readonly kind: 'sandbox' }>
type OtherEnd = Exclude<CopyEnd, SandboxEnd>

export interface CopyDeps {
  readonly sandboxes: SandboxOperations
  readonly context: CliContext
  readonly signal: AbortSignal
}

/** Copies into a sandbox. Errors: `not_found`, `file_not_found`, `file_exists`, those of the sandbox. */
export async function copyIn(source: OtherEnd, target: SandboxEnd, deps: CopyDeps): Promise<Extracted> {
  const { sandboxes, signal } = deps
  const isFolder = await folderInside(deps, target)
  if (source.kind === 'stream') {
    const bytes = copied(await standardInput(deps.context, signal))
    if (isFolder === true || target.asFolder) {
      const { files, size } = await sandboxes.tarIn(target.name, target.path, bytes, signal)
      return { files, bytes: size }
    }
    return { files: 1, bytes: await sandboxes.writeFile(target.name, target.path, bytes, {}, signal) }
  }
  const path = hostSource(source.path, deps.context)
  const name = basename(path)
  if (!statSync(path).isDirectory()) {
    const inside = isFolder === true || target.asFolder ? below(target.path, name) : target.path
    return writeOne(path, { ...target, path: inside }, deps)
  }
  if (isFolder === false) throw notAFolder(`${target.name}:${target.path}`)
  const { pack } = await import('./pack.ts')
  const contents = /(^|\/)\.\/*$/.test(source.path)
  // A folder that is there gets the source as a part of it; one that is not becomes the source.
  const [into, root] = contents
    ? [target.path, '']
    : isFolder === true
      ? [target.path, name]
      : [dirname(target.path), basename(target.path)]
  const bytes = pack({ folder: path, root, signal, onNotice: noticeTo(deps.context) })
  const { files, size } = await sandboxes.tarIn(target.name, into, bytes, signal)
  return { files, bytes: size }
}

/** Copies out of a sandbox. Errors: `file_not_found`, `not_found`, those of `extract`. */
export async function copyOut(source: SandboxEnd, target: OtherEnd, deps: CopyDeps): Promise<Extracted> {
  const { sandboxes, signal, context } = deps
  const { type } = await sandboxes.statFile(source.name, source.path)
  if (type === 'other')
    throw new AppError('file_access', `${source.name}:${source.path} is a device, socket or FIFO.`, { fix: 'Copy a file or a folder.' })
  const isFolder = type === 'dir'
  if (!isFolder && source.asFolder) throw notAFolder(`${source.name}:${source.path}`)
  if (target.kind === 'stream') {
    if (isFolder && context.stdout.isTTY) {
      throw new AppError('usage', 'a folder comes as a tar stream, which a terminal cannot show.', {
        fix: 'Name a folder, or redirect stdout.',
      })
    }
    const bytes = isFolder
      ? await sandboxes.tarOut(source.name, source.path, signal)
      : (await sandboxes.readFile(source.name, source.path, {}, signal)).bytes
    return { files: 1, bytes: await toStandardOutput(bytes) }
  }
  const place = hostTarget(target.path, { name: basename(source.path), isFolder, contents: source.contents }, context)
  const { extract } = await import('./extract.ts')
  const root = { from: basename(source.path), to: place.name }
  const bytes = await sandboxes.tarOut(source.name, source.path, signal)
  return extract(bytes, { folder: place.folder, root, signal, onNotice: noticeTo(context) })
}

/** True for a folder, false for anything else, undefined when nothing is there. */
async function folderInside({ sandboxes }: CopyDeps, { name, path }: SandboxEnd): Promise<boolean | undefined> {
  try {
    return (await sandboxes.statFile(name, path)).type === 'dir'
  } catch (error) {
    if (isAppError(error, 'file_not_found')) return undefined
    throw error
  }
}

async function writeOne(path: string, target: SandboxEnd, { sandboxes, signal }: CopyDeps): Promise<Extracted> {
  const fd = openSync(path, 'r')
  try {
    const mode = statSync(path).mode & 0o777
    const bytes = await sandboxes.writeFile(target.name, target.path, copied(readFileFrom(fd)), { mode }, signal)
    return { files: 1, bytes }
  } finally {
    closeSync(fd)
  }
}

/** Each piece by itself: the reader uses one buffer again and again. */
async function* copied(pieces: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  for await (const piece of pieces) yield piece.slice()
}

async function standardInput(context: CliContext, signal: AbortSignal): Promise<AsyncIterable<Uint8Array>> {
  const isReady = context.stdin.isTTY ? (await import('../../lib/terminal-device.ts')).terminalDevice(0).isReady : undefined
  return ownInput(isReady, signal) ?? nothing()
}

/** No bytes. */
async function* nothing(): AsyncGenerator<Uint8Array> {
  yield* []
}

async function toStandardOutput(bytes: AsyncIterable<Uint8Array>): Promise<number> {
  let size = 0
  for await (const piece of bytes) {
    const failure = await writeAll(1, piece)
    if (failure !== undefined) throw new AppError('output_failed', `cannot write to stdout: ${failure.message}`, { cause: failure })
    size += piece.length
  }
  return size
}

function hostSource(path: string, { cwd }: CliContext): string {
  const absolute = resolve(requireCwd(path, cwd), path)
  const info = statSync(absolute, { throwIfNoEntry: false })
  if (info === undefined) throw new AppError('not_found', `${quoted(path)} is not there.`, { fix: 'Check the path.' })
  if (info.isFile() || info.isDirectory()) return absolute
  throw new AppError('not_found', `${quoted(path)} is no file or folder.`, { fix: 'Use - to copy from a stream.' })
}

/** Where on this machine: an existing folder, and the name in it; an empty name for what is in the source. */
function hostTarget(
  path: string,
  source: { readonly name: string; readonly isFolder: boolean; readonly contents: boolean },
  { cwd }: CliContext,
): { readonly folder: string; readonly name: string } {
  const absolute = resolve(requireCwd(path, cwd), path)
  const info = statSync(absolute, { throwIfNoEntry: false })
  if (info?.isDirectory() === true) return { folder: absolute, name: source.contents || source.name === '' ? '' : source.name }
  if (source.isFolder && info !== undefined) throw notAFolder(path)
  if (!source.isFolder && path.endsWith('/'))
    throw new AppError('not_found', `the folder ${quoted(path)} is not there.`, { fix: 'Make it first.' })
  // What a dangling symlink names is nothing the user has looked at.
  if (info === undefined && lstatSync(absolute, { throwIfNoEntry: false }) !== undefined) {
    throw new AppError('file_exists', `${quoted(path)} is a symlink that leads nowhere.`)
  }
  const folder = dirname(absolute)
  if (statSync(folder, { throwIfNoEntry: false })?.isDirectory() === true) return { folder, name: basename(absolute) }
  throw new AppError('not_found', `the folder ${quoted(dirname(path))} is not there.`, { fix: 'Make it first.' })
}

function requireCwd(path: string, cwd: string | undefined): string {
  if (cwd !== undefined || path.startsWith('/')) return cwd ?? '/'
  throw new AppError('workspace_unavailable', `${quoted(path)} is relative, but the current directory no longer exists.`)
}

function below(folder: string, name: string): string {
  return folder === '/' ? `/${name}` : `${folder}/${name}`
}

function notAFolder(path: string): AppError {
  return new AppError('file_exists', `${quoted(path)} is no folder.`, { fix: 'Name a folder, or a path that is free.' })
}

function noticeTo(context: CliContext): (text: string) => void {
  return (text) => context.stderr.write(`agentkernel: ${printable(text)}\n`)
}
