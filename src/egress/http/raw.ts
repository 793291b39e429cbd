import { ignore } from '../../lib/ignore.ts'
import type { Raw } from './message.ts'

/** Passes bytes both ways until both sides have ended. False: one of them broke off, and both are destroyed. */
export async function passRaw(one: Raw, other: Raw): Promise<boolean> {
  const [there, back] = await Promise.all([oneWay(one, other), oneWay(other, one)])
  return there && back
}

async function oneWay(from: Raw, to: Raw): Promise<boolean> {
  try {
    for (let bytes = await from.read(); bytes !== undefined; bytes = await from.read()) {
      if (!(await to.write(bytes))) throw new TypeError('it is gone')
    }
    to.end()
    return true
  } catch (error) {
    ignore(error, 'both are given up')
    from.destroy()
    to.destroy()
    return false
  }
}
