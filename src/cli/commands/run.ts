import type { Command } from '../command.ts'
import { parseRun } from './run-request.ts'
import { RUN_SPEC } from './run-spec.ts'

export const run: Command = {
  spec: RUN_SPEC,
  family: 'proxy',
  async execute(args, context) {
    const { request, options, notices } = parseRun(args, context)
    if (args.has('keep') || args.has('branch') || args.has('ttl')) {
      const { runKept } = await import('./run-kept.ts')
      return runKept(args, { request, options, notices }, context)
    }
    if (!options.quiet) for (const notice of notices) context.stderr.write(`${notice}\n`)
    const { runWithIo } = await import('../run-io/run-with-io.ts')
    return runWithIo(request, options, context)
  },
}
