import { closeSync, openSync, writeSync } from 'node:fs'
import { AppError } from '../../contract/errors.ts'
import { runDaemon } from './daemon.ts'
import { parseOrders } from './orders.ts'

/** The hidden command that is the daemon. Says `ready` or what is wrong on stdout, once, and resolves with the exit status. */
export async function daemonCommand(orders: string | undefined): Promise<number> {
  const say = (line: string): void => {
    try {
      writeSync(1, `${line.replaceAll('\n', ' ')}\n`)
    } finally {
      // Whoever started us must not wait for our end.
      closeSync(1)
      openSync('/dev/null', 'w')
    }
  }
  let said = false
  try {
    await runDaemon(parseOrders(orders ?? ''), {
      onReady: () => {
        said = true
        say('ready')
      },
    })
    return 0
  } catch (error) {
    if (!said) say(error instanceof AppError ? error.message : String(error))
    return 1
  }
}
