/** Fails the type check when a union is not handled completely, and at run time when a value escaped its type. */
export function unreachable(value: never): never {
  throw new TypeError(`unexpected value ${JSON.stringify(value)}`)
}
