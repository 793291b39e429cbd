import type { DaemonOperations } from '../contract/daemon.ts'
import type { Operations } from '../contract/operations.ts'
import type { SandboxOperations } from '../contract/sandbox-operations.ts'
import type { CliContext } from './context.ts'

/** For tests: a context whose output can be read, and operations that fail unless the test gives them. */
export interface RecordingContext {
  readonly context: CliContext
  readonly stdout: () => string
  readonly stderr: () => string
}

export function recordingContext(
  operations: Partial<Operations> = {},
  overrides: Partial<Pick<CliContext, 'env' | 'cwd' | 'version'>> & {
    readonly terminal?: boolean
    readonly sandboxes?: Partial<SandboxOperations>
    readonly daemon?: Partial<DaemonOperations>
  } = {},
): RecordingContext {
  const written = { stdout: '', stderr: '' }
  const stream = (name: 'stdout' | 'stderr') => ({
    write: (text: string): void => {
      written[name] += text
    },
    isTTY: overrides.terminal === true,
  })
  const context: CliContext = {
    operations: async () => given('operation', operations),
    sandboxes: async () => given('sandbox operation', overrides.sandboxes ?? {}),
    daemon: async () => given('daemon operation', overrides.daemon ?? {}),
    env: overrides.env ?? { LANG: 'C.UTF-8' },
    cwd: 'cwd' in overrides ? overrides.cwd : '/home/user/project',
    stdout: stream('stdout'),
    stderr: stream('stderr'),
    stdin: { isTTY: false },
    version: overrides.version ?? '1.2.3',
  }
  return { context, stdout: () => written.stdout, stderr: () => written.stderr }
}

/** The test's functions; any other fails when it is called. */
function given<T extends object>(what: string, functions: Partial<T>): T {
  const missing = (_: object, name: string | symbol) => () => {
    throw new TypeError(`the test gives no ${what} ${String(name)}`)
  }
  // The cast is true: every name is there, with the test's function or one that fails. `then` would make it a promise.
  return new Proxy(functions, {
    get: (target, name) => (name in target ? target[name as keyof typeof target] : name === 'then' ? undefined : missing(target, name)),
  }) as T
}
