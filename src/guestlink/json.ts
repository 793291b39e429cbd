import { breach } from './errors.ts'

/** An object of the other side: nothing is known of its members. */
export type Json = Readonly<Record<string, unknown>>

/** The payload of OPEN: an operation and its members. */
export type Operation = { readonly op: string } | ({ readonly op: string } & Json)

const encoder = new TextEncoder()
/** A byte order mark is no JSON; it must not vanish on the way. */
const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

export function encodeJson(value: object): Uint8Array {
  return encoder.encode(JSON.stringify(value))
}

/** Reads the payload of a JSON frame, which must be an object in UTF-8. Throws the error of a breach. */
export function decodeJson(payload: Uint8Array): Json {
  const value = parse(payload)
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw breach('a payload is JSON but no object')
  return value as Json
}

function parse(payload: Uint8Array): unknown {
  try {
    return JSON.parse(decoder.decode(payload))
  } catch (error) {
    // Its message would quote the payload.
    throw breach(`a payload is not JSON (${error instanceof Error ? error.name : 'unknown'})`)
  }
}
