import { AppError } from '../../contract/errors.ts'
import { formatByteSize } from '../../lib/byte-size.ts'
import type { RunOutcome, RunSpec } from '../driver.ts'
import { startFailure } from '../shared/start-failure.ts'
import type { StatusLine } from '../shared/status-lines.ts'

const ENOENT = 2
const E2BIG = 7
const ENOEXEC = 8
const EACCES = 13
const ENOTDIR = 20
const EISDIR = 21
const SIGKILL = 9

interface Usage {
  readonly oomKills: number
  readonly peakBytes: number | undefined
}

/** Turns what process 1 and the helper reported into a result, or throws the error it stands for. */
export function outcomeOf(
  lines: readonly StatusLine[],
  stopReason: 'timed_out' | 'canceled' | undefined,
  spec: RunSpec,
  usage: Usage | undefined,
): RunOutcome {
  const failure = lines.find((line) => line.error !== undefined)
  if (failure !== undefined) throw startError(failure, spec)
  const end = lines.find((line) => line.ended !== undefined)
  const peak = usage?.peakBytes ?? end?.max_rss
  const common = { notices: [] as string[], ...(peak === undefined ? {} : { memoryPeakBytes: peak }) }
  if (stopReason !== undefined) return { ended: stopReason, ...common }
  if (end === undefined) {
    if ((usage?.oomKills ?? 0) > 0) return { ended: 'out_of_memory', ...common }
    throw new AppError('sandbox_start_failed', 'the sandbox ended without a word from its first process')
  }
  const code = end.code ?? 0
  if (end.ended === 'signaled') {
    if (code === SIGKILL && (usage?.oomKills ?? 0) > 0) return { ended: 'out_of_memory', ...common }
    return { ended: 'signaled', signal: code, ...common }
  }
  return { ended: 'exited', status: code, ...common }
}

function startError(line: StatusLine, spec: RunSpec): AppError {
  const name = spec.command[0] ?? ''
  const detail = line.detail ?? 'unknown error'
  switch (line.error) {
    case 'workdir':
      return new AppError('workdir_not_found', `cannot start in ${line.step}: ${detail}`)
    case 'lookup':
      return new AppError('command_not_found', name.includes('/') ? `${name}: no such file in the sandbox` : `${name}: command not found`)
    case 'exec':
      return line.errno === E2BIG ? tooLarge(spec) : execError(line, name, detail)
    default:
      return startFailure(line)
  }
}

/** Each string may have 128 KiB, and all of them a quarter of the stack; a variable that is too long was refused before. */
function tooLarge({ command, env }: RunSpec): AppError {
  const bytes = [...command, ...Object.entries(env).map((pair) => pair.join('='))].reduce(
    (sum, text) => sum + Buffer.byteLength(text) + 1,
    0,
  )
  return new AppError(
    'command_not_executable',
    `${command[0]}: arguments and variables are too large (${formatByteSize(bytes)}): the kernel gives a program about 2 MiB, and 128 KiB in one of them`,
    { fix: 'Pass large values in a file of the project, or on standard input.' },
  )
}

function execError(line: StatusLine, name: string, detail: string): AppError {
  // The file was there a moment ago, so what does not exist is the interpreter it names.
  if (line.errno === ENOENT || line.errno === ENOTDIR)
    return new AppError('command_not_executable', `${name}: its interpreter does not exist in the sandbox`, {
      fix: 'Look at its first line: the program after #! must be in the sandbox, and the line must not end in a carriage return.',
    })
  if (line.errno === EACCES) return new AppError('command_not_executable', `${name}: permission denied`)
  if (line.errno === EISDIR) return new AppError('command_not_executable', `${name}: is a directory`, { fix: 'Name a program.' })
  if (line.errno === ENOEXEC) {
    return new AppError('command_not_executable', `${name}: neither a program of this machine nor a script that names its interpreter`, {
      fix: 'Begin it with a line such as #!/bin/sh, or run it through its interpreter.',
    })
  }
  return new AppError('command_not_executable', `${name}: cannot be executed: ${detail}`)
}
