import type { CliContext } from './context.ts'

/** What takes less time than this needs no word, in ms. */
const PATIENCE_MS = 250

/** Does `work`; on a terminal, when it takes a while, says so in a line that is gone afterwards. */
export async function withProgress<T>(text: string, context: CliContext, work: () => Promise<T>): Promise<T> {
  if (!context.stderr.isTTY) return work()
  let said = false
  const timer = setTimeout(() => {
    said = true
    context.stderr.write(`${text} …`)
  }, PATIENCE_MS)
  try {
    return await work()
  } finally {
    clearTimeout(timer)
    if (said) context.stderr.write('\r\x1b[K')
  }
}
