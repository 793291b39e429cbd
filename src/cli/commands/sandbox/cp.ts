import { AppError } from '../../../contract/errors.ts'
import { formatByteSize } from '../../../lib/byte-size.ts'
import type { Command, CommandSpec } from '../../command.ts'
import { JSON_FLAG } from '../../command.ts'
import type { CliContext } from '../../context.ts'
import { parseCopyEnd } from '../../copy/copy-end.ts'
import type { CopyDeps } from '../../copy/copy.ts'
import type { Extracted } from '../../copy/extract.ts'
import { usageError } from '../../parse-arguments.ts'
import { printableJson } from '../../printable.ts'
import { withProgress } from '../../progress.ts'

const SPEC: CommandSpec = {
  name: 'sandbox cp',
  summary: 'Copy files and folders into and out of a sandbox',
  description:
    'One side is NAME:/PATH, the other a path of this machine, or - for stdin or stdout: a file as its bytes, a folder as a tar ' +
    'stream. ./x:y and /x:y are always of this machine. A folder that is there gets the source as a part of it, as with ' +
    'cp; SRC/. copies what is in a folder. Symlinks in folders and modes are kept; owners, setuid and setgid are not. ' +
    'Nothing is ever written outside DST.',
  usage: ['sandbox cp [flags] SRC DST'],
  positionals: { kind: 'list', label: 'SRC DST', summary: 'NAME:/PATH, a path of this machine, or -', max: 2, complete: 'copy-end' },
  flags: [JSON_FLAG],
  examples: [
    { command: 'agentkernel sandbox cp dev:/workspace/dist .', note: 'Take a folder out' },
    { command: 'agentkernel sandbox cp ./data.csv dev:/workspace/', note: 'Put a file in' },
    { command: 'agentkernel sandbox cp dev:/workspace/log.txt - | grep error', note: 'Look into a file' },
    { command: 'tar -c src | agentkernel sandbox cp - dev:/workspace/', note: 'Unpack a tar stream' },
  ],
}

export const cp: Command = {
  spec: SPEC,
  family: 'plain',
  async execute(args, context) {
    const [from, to] = args.positionals
    if (from === undefined || to === undefined)
      throw usageError(SPEC, 'give a source and a destination, as in `agentkernel sandbox cp dev:/workspace/a.txt .`.')
    const [source, target] = [parseCopyEnd(SPEC, from), parseCopyEnd(SPEC, to)]
    const json = args.has('json')
    if (json && target.kind === 'stream') throw usageError(SPEC, '--json and the destination - both mean stdout.')
    if (source.kind !== 'sandbox' && target.kind !== 'sandbox') {
      throw usageError(SPEC, 'one side must be in a sandbox, written NAME:/PATH; to copy between folders of this machine use cp.')
    }
    if (source.kind === 'sandbox' && target.kind === 'sandbox') {
      throw usageError(
        SPEC,
        `copying from sandbox to sandbox is not supported; use \`agentkernel sandbox cp ${from} - | agentkernel sandbox cp - ${to}\`.`,
      )
    }
    const { copyIn, copyOut } = await import('../../copy/copy.ts')
    const sandboxes = await context.sandboxes()
    const done = await interruptible((signal) => {
      const deps: CopyDeps = { sandboxes, context, signal }
      return withProgress('Copying', context, async () => {
        if (source.kind !== 'sandbox' && target.kind === 'sandbox') return copyIn(source, target, deps)
        if (source.kind === 'sandbox' && target.kind !== 'sandbox') return copyOut(source, target, deps)
        throw usageError(SPEC, 'exactly one side must be in a sandbox.')
      })
    })
    if (target.kind !== 'stream') tell(done, json, context)
    return 0
  },
}

function tell(done: Extracted, json: boolean, context: CliContext): void {
  if (json) context.stdout.write(`${printableJson(done, 2)}\n`)
  else context.stdout.write(`Copied ${done.files} ${done.files === 1 ? 'file' : 'files'}, ${formatByteSize(done.bytes)}\n`)
}

/** Ctrl-C ends the work in good order, so that no half file stays. */
async function interruptible<T>(work: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const abort = new AbortController()
  const stop = (): void => abort.abort(new AppError('canceled', 'the copy was interrupted; what was copied so far stays.'))
  const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const
  signals.forEach((name) => process.on(name, stop))
  try {
    return await work(abort.signal)
  } finally {
    signals.forEach((name) => process.off(name, stop))
  }
}
