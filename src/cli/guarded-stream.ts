import { AppError } from '../contract/errors.ts'
import type { OutputStream } from './context.ts'

/**
 * Makes `stream` quiet after its reader has gone: `agentkernel audit | head` is no error, and what is written later
 * goes nowhere. Every other failure to write is `output_failed`.
 */
export function guardedStream(stream: OutputStream, name: 'stdout' | 'stderr'): OutputStream {
  let gone = false
  const write = (text: string): void => {
    if (gone) return
    try {
      stream.write(text)
    } catch (error) {
      if (!(error instanceof Error) || !('code' in error)) throw error
      // With stderr gone there is nobody left to tell.
      gone = error.code === 'EPIPE' || name === 'stderr'
      if (!gone) throw new AppError('output_failed', `cannot write to ${name}: ${error.message}`, { cause: error })
    }
  }
  return { write, isTTY: stream.isTTY, ...(stream.columns === undefined ? {} : { columns: stream.columns }) }
}
