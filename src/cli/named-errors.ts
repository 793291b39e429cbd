import { AppError, isAppError } from '../contract/errors.ts'
import type { SandboxOperations } from '../contract/sandbox-operations.ts'
import { ignore } from '../lib/ignore.ts'
import { nearest } from '../lib/nearest.ts'
import { quoted } from './printable.ts'

/**
 * The same operations, whose errors about a sandbox name it, with the exact command that helps. Every operation that takes a name takes it
 * first.
 */
export function withNamedErrors(sandboxes: SandboxOperations): SandboxOperations {
  return new Proxy(sandboxes, {
    get: (target, key) => {
      const operation: unknown = Reflect.get(target, key)
      if (typeof operation !== 'function') return operation
      return (...args: readonly unknown[]): unknown => {
        const result: unknown = Reflect.apply(operation, target, args)
        const [name] = args
        return result instanceof Promise && typeof name === 'string'
          ? result.catch(async (error: unknown) => {
              throw await told(error, name, sandboxes)
            })
          : result
      }
    },
  })
}

async function told(error: unknown, name: string, sandboxes: SandboxOperations): Promise<unknown> {
  if (isAppError(error, 'sandbox_not_found')) {
    const guess = nearest(name, await names(sandboxes))
    return new AppError(
      'sandbox_not_found',
      `there is no sandbox named ${quoted(name)}${guess === undefined ? '.' : `; did you mean ${guess}?`}`,
    )
  }
  if (isAppError(error, 'sandbox_not_running')) {
    return new AppError('sandbox_not_running', error.message, { fix: `Start it with \`agentkernel sandbox start ${name}\`.` })
  }
  if (isAppError(error, 'sandbox_archived')) {
    return new AppError('sandbox_archived', error.message, { fix: `Recover it first: \`agentkernel sandbox recover ${name}\`.` })
  }
  return error
}

async function names(sandboxes: SandboxOperations): Promise<readonly string[]> {
  try {
    return (await sandboxes.list({})).map(({ name }) => name)
  } catch (error) {
    ignore(error, 'the error that is told says enough')
    return []
  }
}
