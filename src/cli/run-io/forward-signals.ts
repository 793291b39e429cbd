import type { RunSignal } from '../../contract/run.ts'

const FORWARDED = ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGQUIT', 'SIGUSR1', 'SIGUSR2'] as const satisfies readonly RunSignal[]
/** How often somebody presses Ctrl-C before it is meant without mercy. */
const PATIENCE = 3

/**
 * Passes our signals on to the command from now on. A signal that comes before there is a command is kept for it; the
 * third interrupt kills.
 */
export function forwardSignals(): { readonly connect: (send: (signal: RunSignal) => void) => void; readonly stop: () => void } {
  let send: ((signal: RunSignal) => void) | undefined
  const waiting: RunSignal[] = []
  let interrupts = 0
  const onSignal = (name: NodeJS.Signals): void => {
    const signal = FORWARDED.find((candidate) => candidate === name)
    if (signal === undefined) return
    if (signal === 'SIGINT') interrupts++
    const sent = interrupts >= PATIENCE ? 'SIGKILL' : signal
    if (send === undefined) waiting.push(sent)
    else send(sent)
  }
  for (const name of FORWARDED) process.on(name, onSignal)
  return {
    connect: (sender) => {
      send = sender
      waiting.splice(0).forEach((signal) => sender(signal))
    },
    stop: () => FORWARDED.forEach((name) => process.off(name, onSignal)),
  }
}
