import { AppError, isAppError } from '../../contract/errors.ts'
import type { Command } from '../command.ts'
import type { CliContext } from '../context.ts'
import { parseRun } from './run-request.ts'
import { RUN_SPEC } from './run-spec.ts'

export const run: Command = {
  spec: RUN_SPEC,
  family: 'proxy',
  async execute(args, context) {
    const { request, options, notices } = parseRun(args, context)
    if (!options.quiet) for (const notice of notices) context.stderr.write(`${notice}\n`)
    const { runWithIo } = await import('../run-io/run-with-io.ts')
    try {
      return await runWithIo(request, options, context)
    } catch (error) {
      if (isAppError(error, 'backend_unknown')) throw await withBackendNames(error, request.backend ?? '', context)
      throw error
    }
  },
}

/** The engine knows the backends; a person also wants to read their names. */
async function withBackendNames(error: AppError, asked: string, context: CliContext): Promise<AppError> {
  const [{ nearest }, operations] = await Promise.all([import('../../lib/nearest.ts'), context.operations()])
  const names = await operations.names('backend')
  const guess = nearest(asked, names)
  const fix = `Use one of: ${names.join(', ')}${guess === undefined ? '.' : `; did you mean ${guess}?`}`
  return new AppError('backend_unknown', error.message, { cause: error, fix })
}
