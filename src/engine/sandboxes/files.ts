import type { AuditSink } from '../../contract/events.ts'
import type { FileStream, SandboxOperations } from '../../contract/sandbox-operations.ts'
import type { EventBus } from './events.ts'
import { requireRecord, requireRunning, type RunningDeps } from './running.ts'

export interface FileDeps extends RunningDeps {
  readonly events: EventBus
  readonly audit: AuditSink
}

type FileOperations = Pick<
  SandboxOperations,
  'readFile' | 'writeFile' | 'deleteFile' | 'statFile' | 'listFiles' | 'makeDir' | 'moveFile' | 'watchFiles' | 'tarOut' | 'tarIn'
>

/** Files of a sandbox that runs. What a path may be is for the agent inside to decide; here it is only passed on and recorded. */
export function fileOperations(deps: FileDeps): FileOperations {
  const guest = async (name: string) => (await requireRunning(deps, name)).guest
  const wrote = async (name: string, path: string): Promise<void> => {
    deps.events.emit('sandbox.file.written', requireRecord(deps.store, name), { path })
    await deps.audit.append({ type: 'file_written', sandbox: name, path })
  }
  return {
    readFile: async (name, path, range, signal): Promise<FileStream> => {
      const within = await guest(name)
      // Before the stream is opened: one that nobody reads would hold its place.
      await deps.audit.append({ type: 'file_read', sandbox: name, path })
      return within.read(path, range, signal)
    },
    writeFile: async (name, path, bytes, options, signal) => {
      const size = await (await guest(name)).write(path, bytes, { ...options, parents: true }, signal)
      await wrote(name, path)
      return size
    },
    deleteFile: async (name, path, { recursive = false }) => {
      await (await guest(name)).remove(path, { recursive })
      deps.events.emit('sandbox.file.deleted', requireRecord(deps.store, name), { path })
    },
    statFile: async (name, path) => (await guest(name)).stat(path),
    listFiles: async (name, path) => (await guest(name)).list(path),
    makeDir: async (name, path) => (await guest(name)).mkdir(path, { parents: true }),
    moveFile: async (name, from, to) => (await guest(name)).move(from, to),
    watchFiles: async function* (name, path, options, signal) {
      yield* (await guest(name)).watch(path, options, signal)
    },
    tarOut: async (name, path, signal) => {
      const within = await guest(name)
      await deps.audit.append({ type: 'file_read', sandbox: name, path })
      return within.tarOut(path, signal)
    },
    tarIn: async (name, path, bytes, signal) => {
      const result = await (await guest(name)).tarIn(path, bytes, signal)
      await wrote(name, path)
      return result
    },
  }
}
