/** Exit status after a bug, as everywhere. */
const BUG = 70

/**
 * Writes down what nobody caught, until the function that it gives is called. A promise that failed with nobody looking ends no more than
 * itself: the daemon goes on, for every other user's connection. After an exception that nobody caught we cannot know what is still true:
 * the process ends, sandboxes go on, and one of them starts the next daemon.
 */
export function writeDownBugs(log: (text: string) => void): () => void {
  const onRejection = (reason: unknown): void => log(`bug: a failure that nobody looked at: ${textOf(reason)}`)
  const onException = (error: unknown): void => {
    log(`bug: the daemon ends, for nobody caught this: ${textOf(error)}`)
    process.stderr.write(`${textOf(error)}\n`)
    process.exit(BUG)
  }
  process.on('unhandledRejection', onRejection)
  process.on('uncaughtException', onException)
  return () => {
    process.off('unhandledRejection', onRejection)
    process.off('uncaughtException', onException)
  }
}

const textOf = (error: unknown): string => (error instanceof Error ? (error.stack ?? error.message) : String(error))
