import { constants } from 'node:os'

/** The number of a signal by name. */
export function signalNumber(name: keyof typeof constants.signals): number {
  return constants.signals[name]
}

/** The name of a signal by number, or `signal N`. */
export function signalName(number: number): string {
  return Object.entries(constants.signals).find(([, value]) => value === number)?.[0] ?? `signal ${number}`
}
