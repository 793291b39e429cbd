/**
 * A small language for the shape of a config file: plain data, so that three readers can share one table. The checker
 * in `main/config` walks it on every run (zod would cost more than half of a run's start), `ConfigFileSchema` is
 * derived from it for doors and generated files, and the reference page is tested against it.
 */
export type Shape =
  | { readonly kind: 'text' }
  | { readonly kind: 'flag' }
  | { readonly kind: 'whole'; readonly min: number; readonly max: number }
  | { readonly kind: 'number' }
  | { readonly kind: 'choice'; readonly values: readonly string[] }
  | { readonly kind: 'list'; readonly of: Shape }
  | { readonly kind: 'map'; readonly of: Shape; readonly name: 'any' | 'variable' }
  | { readonly kind: 'table'; readonly keys: TableKeys }
  /** A table whose content belongs to a later feature and is kept without a look inside. */
  | { readonly kind: 'open' }
  | { readonly kind: 'any' }
  /** One of several scalars or tables, told apart by the type of the value. */
  | { readonly kind: 'either'; readonly shapes: readonly Shape[] }

export type TableKeys = Readonly<Record<string, Key>>

/** `now`: `run` acts on it. `later`: checked and kept for a feature to come. `label`: it only describes. */
export type Effect = 'now' | 'later' | 'label'

/** One key of a table. */
export interface Key<S extends Shape = Shape> {
  readonly shape: S
  readonly effect: Effect
  /** What holds when the key is absent, as a person writes it; undefined = nothing. */
  readonly default?: string
  /** True when a table without it is an error. */
  readonly required?: true
}

/** The value that a checked file holds for a shape. Every key of a table may be absent unless it is required. */
export type ValueOf<S> = S extends { readonly kind: 'text' }
  ? string
  : S extends { readonly kind: 'flag' }
    ? boolean
    : S extends { readonly kind: 'whole' | 'number' }
      ? number
      : S extends { readonly kind: 'choice'; readonly values: readonly (infer V)[] }
        ? V
        : S extends { readonly kind: 'list'; readonly of: infer I }
          ? readonly ValueOf<I>[]
          : S extends { readonly kind: 'map'; readonly of: infer I }
            ? Readonly<Record<string, ValueOf<I>>>
            : S extends { readonly kind: 'table'; readonly keys: infer K }
              ? TableValue<K>
              : S extends { readonly kind: 'either'; readonly shapes: readonly (infer I)[] }
                ? ValueOf<I>
                : S extends { readonly kind: 'open' }
                  ? Readonly<Record<string, unknown>>
                  : unknown

type TableValue<K> = {
  readonly [N in keyof K as K[N] extends { readonly required: true } ? never : N]?: KeyValue<K[N]>
} & { readonly [N in keyof K as K[N] extends { readonly required: true } ? N : never]: KeyValue<K[N]> }

type KeyValue<K> = K extends { readonly shape: infer S } ? ValueOf<S> : never

/** Names that can stand on the left of `NAME=value` in every shell. */
export const VARIABLE_NAME = /^[A-Za-z_][A-Za-z0-9_]*$/

/** The longest `NAME=value`, in bytes: the kernel gives a program no string of more than 128 KiB with its end mark. */
export const LONGEST_VARIABLE_BYTES = 128 * 1024 - 1

/** Bytes of `NAME=value`. */
export const variableBytes = (name: string, value: unknown): number => Buffer.byteLength(`${name}=${String(value)}`)

export const text = { kind: 'text' } as const
export const flag = { kind: 'flag' } as const
export const number = { kind: 'number' } as const
export const open = { kind: 'open' } as const
export const any = { kind: 'any' } as const

/** A whole number from `min` to `max`, both included. */
export function whole(min: number, max: number): { readonly kind: 'whole'; readonly min: number; readonly max: number } {
  return { kind: 'whole', min, max }
}

export function choice<const V extends readonly string[]>(values: V): { readonly kind: 'choice'; readonly values: V } {
  return { kind: 'choice', values }
}

export function list<const S extends Shape>(of: S): { readonly kind: 'list'; readonly of: S } {
  return { kind: 'list', of }
}

/** A table with keys of the user's choice. With `variable` they must be names of environment variables. */
export function map<const S extends Shape>(
  of: S,
  name: 'any' | 'variable' = 'any',
): { readonly kind: 'map'; readonly of: S; readonly name: 'any' | 'variable' } {
  return { kind: 'map', of, name }
}

export function table<const K extends TableKeys>(keys: K): { readonly kind: 'table'; readonly keys: K } {
  return { kind: 'table', keys }
}

export function either<const S extends readonly Shape[]>(...shapes: S): { readonly kind: 'either'; readonly shapes: S } {
  return { kind: 'either', shapes }
}

export function now<const S extends Shape>(shape: S, byDefault?: string): Key<S> {
  return key('now', shape, byDefault)
}

export function later<const S extends Shape>(shape: S, byDefault?: string): Key<S> {
  return key('later', shape, byDefault)
}

export function label<const S extends Shape>(shape: S, byDefault?: string): Key<S> {
  return key('label', shape, byDefault)
}

/** A key without which its table is an error. */
export function required<S extends Shape>(of: Key<S>): Key<S> & { readonly required: true } {
  return { ...of, required: true }
}

function key<S extends Shape>(effect: Effect, shape: S, byDefault: string | undefined): Key<S> {
  return byDefault === undefined ? { shape, effect } : { shape, effect, default: byDefault }
}
