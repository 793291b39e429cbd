import { AppError } from '../contract/errors.ts'
import type { CliContext } from './context.ts'
import { readTerminal } from './run-io/copy.ts'

/** Asks a question of yes or no on the user's terminal. Errors: `usage`, when there is nobody to ask. */
export async function confirm(statement: string, context: CliContext): Promise<boolean> {
  if (!context.stdin.isTTY || !context.stderr.isTTY) {
    throw new AppError('usage', `${statement} Nobody can be asked whether that is meant, because this is no terminal.`, {
      fix: 'Use --yes when it is.',
    })
  }
  context.stderr.write(`${statement} Go on? [y/N] `)
  const { terminalDevice } = await import('../lib/terminal-device.ts')
  const answer = await firstLine(readTerminal(0, terminalDevice(0).isReady, new AbortController().signal))
  return /^\s*y(es)?\s*$/i.test(answer)
}

async function firstLine(bytes: AsyncIterable<Uint8Array>): Promise<string> {
  const decoder = new TextDecoder()
  let text = ''
  for await (const piece of bytes) {
    text += decoder.decode(piece, { stream: true })
    if (text.includes('\n')) break
  }
  return text.split('\n')[0]!
}
