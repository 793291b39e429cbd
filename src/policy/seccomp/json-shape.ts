import { AppError } from '../../contract/errors.ts'
import { nearest } from '../../lib/nearest.ts'

/**
 * A place in a JSON file that knows its own name, so that every complaint says where. `null` counts as absent: programs
 * write it for empty lists. All methods fail with `config_invalid`.
 */
export class JsonPlace {
  readonly value: unknown
  readonly #file: string
  readonly #where: string

  constructor(value: unknown, file: string, where = '') {
    this.value = value ?? undefined
    this.#file = file
    this.#where = where
  }

  get present(): boolean {
    return this.value !== undefined
  }

  fail(message: string): never {
    throw new AppError('config_invalid', `${this.#file}: ${this.#where === '' ? '' : `${this.#where}: `}${message}`, {
      fix: 'Correct the seccomp file at the named place.',
    })
  }

  /** The named members of an object that may have no others. */
  fields<Key extends string>(keys: readonly Key[]): Readonly<Record<Key, JsonPlace>> {
    const { value } = this
    if (typeof value !== 'object' || value === null || Array.isArray(value)) return this.fail(`expected an object, found ${show(value)}`)
    for (const key of Object.keys(value)) {
      if (keys.some((known) => known === key)) continue
      const close = nearest(key, keys)
      this.fail(`unknown key ${show(key)}${close === undefined ? '' : `, did you mean "${close}"?`}`)
    }
    const members = new Map<string, unknown>(Object.entries(value))
    const child = (key: Key) => new JsonPlace(members.get(key), this.#file, this.#where === '' ? key : `${this.#where}.${key}`)
    // The cast holds because every key of the type is in `keys`.
    return Object.fromEntries(keys.map((key) => [key, child(key)])) as Record<Key, JsonPlace>
  }

  /** The entries of a list; none when it is absent. */
  items(): JsonPlace[] {
    if (this.value === undefined) return []
    if (!Array.isArray(this.value)) return this.fail(`expected a list, found ${show(this.value)}`)
    return this.value.map((entry: unknown, i) => new JsonPlace(entry, this.#file, `${this.#where}[${i}]`))
  }

  string(): string {
    return typeof this.value === 'string' ? this.value : this.fail(`expected a string, found ${show(this.value)}`)
  }

  strings(): string[] {
    return this.items().map((item) => item.string())
  }

  /** A whole number from 0 to `max`. */
  integer(max: number): number {
    const { value } = this
    if (typeof value !== 'number' || !Number.isInteger(value) || value < 0)
      return this.fail(`expected a whole number, found ${show(value)}`)
    if (value > max) this.fail(`expected a number up to ${max}, found ${value}`)
    return value
  }

  /** What `table` has for the string here. */
  oneOf<Value>(table: ReadonlyMap<string, Value>): Value {
    const name = this.string()
    const found = table.get(name)
    if (found === undefined) return this.fail(`${show(name)} is not supported; known: ${[...table.keys()].join(', ')}`)
    return found
  }
}

/** A value as JSON, cut to a length a message can carry. */
function show(value: unknown): string {
  const text = value === undefined ? 'nothing' : JSON.stringify(value)
  return text.length > 60 ? `${text.slice(0, 60)}…` : text
}
