import { EGRESS_FEATURES, FEATURES, type Hello, PROTOCOL_VERSION } from '../contract/guest-protocol.ts'
import { breach } from './errors.ts'
import type { Json } from './json.ts'

const MOST_FEATURES = 64
const MOST_WORD = 128

/** What this side says first. */
export function ownHello(role: 'daemon' | 'client' | 'gateway', version: string): Hello {
  return { protocol: PROTOCOL_VERSION, role, version, features: role === 'gateway' ? EGRESS_FEATURES : FEATURES }
}

/** Reads the other side's first words. Throws the error of a breach. */
export function readHello(body: Json): Hello {
  const { protocol, role, version, features } = body
  if (typeof protocol !== 'number' || !Number.isSafeInteger(protocol)) throw breach('its greeting names no version')
  if (role !== 'shim' && role !== 'agent') throw breach('its greeting is of no role that serves')
  if (!isWord(version)) throw breach('its greeting has no version of the program')
  if (!Array.isArray(features) || features.length > MOST_FEATURES || !features.every(isWord))
    throw breach('its greeting has no list of features')
  return { protocol, role, version, features }
}

/** Both sides use the lower version; there is one so far. */
export function isTooOld(hello: Hello): boolean {
  return hello.protocol < PROTOCOL_VERSION
}

function isWord(value: unknown): value is string {
  return typeof value === 'string' && value.length <= MOST_WORD
}
