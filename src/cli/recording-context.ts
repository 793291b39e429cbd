import type { Operations } from '../contract/operations.ts'
import type { CliContext } from './context.ts'

/** For tests: a context whose output can be read, and operations that fail unless the test gives them. */
export interface RecordingContext {
  readonly context: CliContext
  readonly stdout: () => string
  readonly stderr: () => string
}

export function recordingContext(
  operations: Partial<Operations> = {},
  overrides: Partial<Pick<CliContext, 'env' | 'cwd' | 'version'>> & { readonly terminal?: boolean } = {},
): RecordingContext {
  const written = { stdout: '', stderr: '' }
  const stream = (name: 'stdout' | 'stderr') => ({
    write: (text: string): void => {
      written[name] += text
    },
    isTTY: overrides.terminal === true,
  })
  const missing = (name: string) => () => {
    throw new TypeError(`the test gives no operation ${name}`)
  }
  const names = [
    'run',
    'doctor',
    'agents',
    'auditPath',
    'auditList',
    'auditVerify',
    'init',
    'trustAdd',
    'trustList',
    'trustRemove',
    'names',
  ]
  // The cast is true: every name of the interface is filled, with the test's function or one that fails.
  const all = { ...Object.fromEntries(names.map((name) => [name, missing(name)])), ...operations } as unknown as Operations
  const context: CliContext = {
    operations: async () => all,
    env: overrides.env ?? { LANG: 'C.UTF-8' },
    cwd: 'cwd' in overrides ? overrides.cwd : '/home/user/project',
    stdout: stream('stdout'),
    stderr: stream('stderr'),
    stdin: { isTTY: false },
    version: overrides.version ?? '1.2.3',
  }
  return { context, stdout: () => written.stdout, stderr: () => written.stderr }
}
