import { type AgentKernel, AgentKernelError } from '../../../sdk/typescript/src/index.ts'
import { AppError, type ErrorCode, ERRORS, isAppError } from '../../contract/errors.ts'
import type { SandboxProxy } from '../../contract/proxy-hooks.ts'
import type { AuditRecord } from '../../contract/reports.ts'
import type { ExecSession, SandboxOperations } from '../../contract/sandbox-operations.ts'
import { ignore } from '../../lib/ignore.ts'
import { resumedSession } from './resumed-session.ts'
import type { DetachedCommand, ExecResult, LifecycleEvent, SandboxInfo, SandboxStats } from '../../contract/sandboxes.ts'

/** Requests that may wait for a copy of a large project, in ms. */
const LONG_MS = 180_000

/** What a daemon elsewhere does, as operations of ours: the SDK over its socket, with errors in our own words. */
export function remoteOperations(client: AgentKernel, renew: () => Promise<void>): SandboxOperations {
  const { asked, eachAsked } = new Asking()
  const long = { timeout: LONG_MS }
  return {
    create: ({ name, ...rest }, { key }, signal) =>
      asked(async () =>
        asInfo(
          await client.createSandbox(name, { ...mutable(rest), ...long, signal, ...(key === undefined ? {} : { idempotencyKey: key }) }),
        ),
      ),
    list: (filter) => asked(async () => (await client.listSandboxes(mutable(filter))).map(asInfo)),
    get: (name) => asked(async () => asInfo(await client.getSandbox(name))),
    getByUuid: (uuid) => asked(async () => asInfo(await client.getSandboxByUuid(uuid))),
    patch: (name, change) => asked(async () => asInfo(await client.patchSandbox(name, mutable(change)))),
    remove: (name, signal) => asked(() => client.removeSandbox(name, { ...long, signal })),
    start: (name, signal) => asked(async () => asInfo(await client.startSandbox(name, { ...long, signal }))),
    stop: (name, signal) => asked(async () => asInfo(await client.stopSandbox(name, { ...long, signal }))),
    extend: (name, by) => asked(async () => ({ expires_at: (await client.extendTtl(name, { by })).expires_at ?? null })),
    resize: (name, limits, signal) => asked(async () => asInfo(await client.resizeSandbox(name, limits, { signal }))),
    recover: (name) => asked(async () => asInfo(await client.recoverSandbox(name))),
    gc: ({ dry_run, labels }, signal) => asked(() => client.gc({ dry_run, ...(labels === undefined ? {} : { labels }), ...long, signal })),
    reconcile: ({ dry_run }, signal) => asked(() => client.reconcile({ dry_run, ...long, signal })),
    exportConfig: (name) => asked(() => client.exportConfig(name)),
    importConfig: ({ config, as, backend }, _options, signal) =>
      asked(async () =>
        asInfo(
          await client.importConfig(
            { config, ...(as === undefined ? {} : { as }), ...(backend === undefined ? {} : { backend }) },
            { ...long, signal },
          ),
        ),
      ),
    logs: (name) => asked(async () => ({ records: (await client.getSandboxLogs(name)) as unknown as AuditRecord[], warnings: [] })),
    stats: (name) => asked(async () => (await client.sandboxStats(name)) as SandboxStats),
    proxy: (name) => asked(async () => (await client.getSandboxProxy(name)) as SandboxProxy),
    ...commands(client, renew),
    ...files(client, asked, eachAsked),
    events: ({ after, sandbox }, signal) =>
      eachAsked(
        () =>
          client.events({
            signal,
            ...(after === undefined ? {} : { lastEventId: after }),
            ...(sandbox === undefined ? {} : { sandbox }),
          }) as AsyncIterable<LifecycleEvent>,
      ),
    runStream: () => Promise.reject(new AppError('not_available_yet', 'single runs need no daemon')),
  }
}

type CommandOperations = Pick<
  SandboxOperations,
  'exec' | 'execStream' | 'attachExec' | 'execDetach' | 'execList' | 'execGet' | 'execLogs' | 'execKill'
>

function commands(client: AgentKernel, renew: () => Promise<void>): CommandOperations {
  const { asked, eachAsked } = new Asking()
  /** Opens a session, once more when the daemon went away between our look and our request. */
  const opened = async (open: () => ReturnType<AgentKernel['openExec']>): Promise<ExecSession> => {
    const once = () => asked(async () => asSession(await open(), eachAsked))
    try {
      return await once()
    } catch (error) {
      if (!isAppError(error, 'daemon_unreachable') && !isAppError(error, 'unauthorized') && !isAppError(error, 'shutting_down')) throw error
      await renew()
      return once()
    }
  }
  return {
    exec: (name, { command, ...rest }, _options, signal) =>
      asked(async () => (await client.execInSandbox(name, command, { ...mutable(rest), timeout: 0, signal })) as ExecResult),
    execStream: (name, { command, ...rest }, _options, signal) =>
      resumedSession({
        tty: rest.tty !== undefined,
        stdin: rest.stdin ?? false,
        open: () => opened(() => client.openExec(name, command, { ...mutable(rest), stdin: rest.stdin ?? false, signal })),
        comeBack: async (id, from) => {
          await renew()
          return opened(() => client.attachExec(name, id, { ...from, signal }))
        },
      }),
    attachExec: (name, id, from, signal) => opened(() => client.attachExec(name, id, { ...from, signal })),
    execDetach: (name, { command, ...rest }, _options, signal) =>
      asked(async () => (await client.execDetached(name, command, { ...mutable(rest), signal })) as DetachedCommand),
    execList: (name) => asked(() => client.detachedList(name)),
    execGet: (name, id) => asked(() => client.detachedStatus(name, id)),
    execLogs: (name, id, channel, from, signal) =>
      asked(async () => {
        const log = await client.detachedOutput(name, id, { stream: channel, ...from, ...(signal === undefined ? {} : { signal }) })
        return { start: log.offset, end: log.totalSize ?? log.offset + (log.size ?? 0), bytes: eachAsked(() => log) }
      }),
    execKill: (name, id) => asked(() => client.detachedKill(name, id)),
  }
}

type FileOperations = Pick<
  SandboxOperations,
  'readFile' | 'writeFile' | 'deleteFile' | 'statFile' | 'listFiles' | 'makeDir' | 'moveFile' | 'watchFiles' | 'tarOut' | 'tarIn'
>

function files(client: AgentKernel, asked: Asking['asked'], eachAsked: Asking['eachAsked']): FileOperations {
  return {
    readFile: (name, path, range, signal) =>
      asked(async () => {
        const entry = await client.statFile(name, path, { signal })
        const download = await client.readStream(name, path, { ...range, signal })
        return { entry, bytes: eachAsked(() => download) }
      }),
    writeFile: (name, path, bytes, options, signal) =>
      asked(async () => (await client.writeStream(name, path, bytes, { ...options, signal })).written),
    deleteFile: (name, path, options) => asked(async () => void (await client.deleteFile(name, path, options))),
    statFile: (name, path) => asked(() => client.statFile(name, path)),
    listFiles: (name, path) => asked(() => client.listFiles(name, path)),
    makeDir: (name, path) => asked(() => client.makeDir(name, path)),
    moveFile: (name, from, to) => asked(() => client.moveFile(name, from, to)),
    watchFiles: (name, path, { recursive }, signal) => eachAsked(() => client.watchFiles(name, path, { recursive, signal })),
    tarOut: (name, path, signal) =>
      asked(async () => {
        const download = await client.tarOut(name, path, { signal })
        return eachAsked(() => download)
      }),
    tarIn: (name, path, bytes, signal) => asked(() => client.tarIn(name, path, bytes, { signal })),
  }
}

function asSession(session: Awaited<ReturnType<AgentKernel['openExec']>>, eachAsked: Asking['eachAsked']): ExecSession {
  const result = session.result.catch((error: unknown) => {
    throw ours(error)
  })
  result.catch((error: unknown) => ignore(error, 'whoever waits for the command is told'))
  return {
    id: session.id,
    pid: session.pid,
    output: eachAsked(() => session.output),
    write: (bytes) => session.write(bytes),
    closeStdin: () => session.closeStdin(),
    signal: (number) => session.signal(number),
    resize: (cols, rows) => session.resize(cols, rows),
    result,
  }
}

/** The SDK's type is for clients of every server and leaves more open; ours answers in full. */
const asInfo = (info: unknown): SandboxInfo => info as SandboxInfo

/** The SDK's types let callers change what they hand over; nobody does. */
function mutable<T extends object>(value: T): Mutable<T> {
  return value as Mutable<T>
}
type Mutable<T> = T extends readonly (infer E)[] ? Mutable<E>[] : T extends object ? { -readonly [K in keyof T]: Mutable<T[K]> } : T

/** Asks the SDK, and turns its errors into ours. */
class Asking {
  readonly asked = async <T>(ask: () => Promise<T>): Promise<T> => {
    try {
      return await ask()
    } catch (error) {
      throw ours(error)
    }
  }

  readonly eachAsked = async function* <T>(ask: () => AsyncIterable<T>): AsyncGenerator<T> {
    try {
      yield* ask()
    } catch (error) {
      throw ours(error)
    }
  }
}

function ours(error: unknown): unknown {
  if (!(error instanceof AgentKernelError)) return error
  const { code, message, fix } = error
  if (code === 'daemon_unreachable' || code === 'stream_error' || error.status === 0) {
    return new AppError('daemon_unreachable', `the daemon does not answer: ${message}`, { cause: error })
  }
  const known = Object.hasOwn(ERRORS, code) ? (code as ErrorCode) : 'internal'
  return new AppError(known, message, { cause: error, ...(fix === undefined ? {} : { fix }) })
}
