import type { RunSignal } from '../../contract/run.ts'

const FORWARDED = ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGQUIT', 'SIGUSR1', 'SIGUSR2'] as const satisfies readonly RunSignal[]
/** How long a command may go on after its user's terminal was closed, in ms. Nobody can see or reach it any more. */
export const AFTER_HANGUP_MS = 2_000
/** The interrupt that is meant without mercy. */
const PATIENCE = 3

export interface SignalForwarding {
  /** From now on there is a command to send to. */
  readonly connect: (send: (signal: RunSignal) => void) => void
  readonly stop: () => void
}

/**
 * Passes our signals on to the command from now on. A signal that comes before there is a command is kept for it. The
 * third interrupt kills the command, and one after that calls `giveUp`, which shall end the sandbox from outside.
 */
export function forwardSignals(giveUp: () => void, onSignal?: (signal: RunSignal) => void): SignalForwarding {
  let send: ((signal: RunSignal) => void) | undefined
  const waiting: RunSignal[] = []
  let interrupts = 0
  const handle = (name: NodeJS.Signals): void => {
    const signal = FORWARDED.find((candidate) => candidate === name)
    if (signal === undefined) return
    if (signal === 'SIGINT') interrupts++
    if (interrupts > PATIENCE) giveUp()
    const sent = interrupts >= PATIENCE ? 'SIGKILL' : signal
    if (send === undefined) waiting.push(sent)
    else send(sent)
    onSignal?.(signal)
  }
  for (const name of FORWARDED) process.on(name, handle)
  return {
    connect: (sender) => {
      send = sender
      waiting.splice(0).forEach((signal) => sender(signal))
    },
    stop: () => FORWARDED.forEach((name) => process.off(name, handle)),
  }
}
