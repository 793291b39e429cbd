import { ERRORS, exitCodeOf, isAppError } from '../contract/errors.ts'
import type { ErrorCode, ExitFamily } from '../contract/errors.ts'
import type { CliContext } from './context.ts'
import { printableJson, printableLines } from './printable.ts'
import { styleFor } from './style.ts'

/**
 * Tells the user about a failure and returns the exit status. In JSON mode the error is the one document on stdout,
 * because a caller that parses stdout looks there; otherwise it is a sentence and its fix on stderr.
 */
export function renderError(error: unknown, options: { readonly family: ExitFamily; readonly json: boolean }, context: CliContext): number {
  const facts = describe(error)
  if (options.json) {
    context.stdout.write(`${printableJson({ error: { code: facts.code, message: facts.message, fix: facts.fix } })}\n`)
    if (facts.stack !== undefined) context.stderr.write(`${printableLines(facts.stack)}\n`)
  } else {
    const style = styleFor(context.stderr, context.env)
    const lines = [`${style.red('Error:')} ${printableLines(facts.message)}`]
    if (facts.cause !== undefined) lines.push(`Cause: ${printableLines(facts.cause)}`)
    if (facts.stack !== undefined) lines.push(printableLines(facts.stack))
    lines.push(`Fix: ${printableLines(facts.fix)}`)
    context.stderr.write(`${lines.join('\n')}\n`)
  }
  return exitCodeOf(facts.code, options.family)
}

interface ErrorFacts {
  readonly code: ErrorCode
  readonly message: string
  readonly fix: string
  /** What another program or the system said, when the message does not already say it. */
  readonly cause?: string
  /** Only for bugs. */
  readonly stack?: string
}

function describe(error: unknown): ErrorFacts {
  if (isAppError(error)) {
    const cause = error.cause instanceof Error ? error.cause.message : undefined
    const told = cause === undefined || error.message.includes(cause)
    const stack = error.code === 'internal' && error.stack !== undefined ? { stack: error.stack } : {}
    return { code: error.code, message: error.message, fix: error.fix, ...(told ? {} : { cause }), ...stack }
  }
  const { fix } = ERRORS.internal
  if (!(error instanceof Error)) return { code: 'internal', message: `unexpected failure: ${String(error)}`, fix }
  return {
    code: 'internal',
    message: `unexpected failure: ${error.message}`,
    fix,
    ...(error.stack === undefined ? {} : { stack: error.stack }),
  }
}
