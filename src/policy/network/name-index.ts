import { HOST_NAME_INSIDE } from '../../contract/network.ts'
import type { NamePattern } from './rule.ts'

/** Values by name and by `*.name`, found in as many steps as a name has parts. */
export class NameIndex<T> {
  readonly #exact = new Map<string, T[]>()
  readonly #below = new Map<string, T[]>()

  add({ name, below }: NamePattern, value: T): void {
    const map = below ? this.#below : this.#exact
    const there = map.get(name)
    if (there === undefined) map.set(name, [value])
    else there.push(value)
  }

  /** Everything that covers `name`, which is normal; what names it itself comes first, then the longest suffix. */
  *find(name: string): Generator<T> {
    yield* this.#exact.get(name) ?? []
    // This machine's own loopback is reachable only where a rule names it.
    if (this.#below.size === 0 || name === HOST_NAME_INSIDE) return
    for (let at = 0; at >= 0; at = nextPart(name, at)) yield* this.#below.get(name.slice(at)) ?? []
  }
}

function nextPart(name: string, at: number): number {
  const dot = name.indexOf('.', at)
  return dot < 0 ? -1 : dot + 1
}
