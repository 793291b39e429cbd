import { fstatSync } from 'node:fs'
import { ignore } from './ignore.ts'

/** Device number of /dev/null on Linux: major 1, minor 3. */
const NULL_DEVICE = 0x103

/** True when a descriptor is a terminal. Loading `node:tty` costs 3 ms, so what cannot be one is told apart first. */
export function isTerminal(fd: number): boolean {
  try {
    const info = fstatSync(fd)
    if (!info.isCharacterDevice() || info.rdev === NULL_DEVICE) return false
  } catch (error) {
    ignore(error, 'a closed descriptor is no terminal')
    return false
  }
  return process.getBuiltinModule('node:tty').isatty(fd)
}
