import { isIPv4, isIPv6 } from 'node:net'

/**
 * Writes DER (X.690), as far as X.509 certificates (RFC 5280) need it: neither Node nor Bun makes certificates. Every function gives one
 * complete element.
 */
export function tlv(tag: number, content: Buffer): Buffer {
  const { length } = content
  const size = length < 0x80 ? Buffer.of(length) : length < 0x100 ? Buffer.of(0x81, length) : Buffer.of(0x82, length >> 8, length & 0xff)
  return Buffer.concat([Buffer.of(tag), size, content])
}
export const sequence = (...parts: readonly Buffer[]): Buffer => tlv(0x30, Buffer.concat(parts))
export const set = (...parts: readonly Buffer[]): Buffer => tlv(0x31, Buffer.concat(parts))
export const explicit = (number: number, content: Buffer): Buffer => tlv(0xa0 + number, content)
export const implicit = (number: number, content: Buffer): Buffer => tlv(0x80 + number, content)
export const octets = (content: Buffer): Buffer => tlv(0x04, content)
export const bitString = (content: Buffer, unusedBits = 0): Buffer => tlv(0x03, Buffer.concat([Buffer.of(unusedBits), content]))
export const integer = (content: Buffer): Buffer => tlv(0x02, content)
export const boolean = (value: boolean): Buffer => tlv(0x01, Buffer.of(value ? 0xff : 0))
export const utf8 = (text: string): Buffer => tlv(0x0c, Buffer.from(text))

/** UTCTime until 2049, as RFC 5280 wants it. */
export function time(date: Date): Buffer {
  const digits = date.toISOString().replaceAll(/[-:T]|\.\d+Z$/g, '')
  return date.getUTCFullYear() < 2050 ? tlv(0x17, Buffer.from(`${digits.slice(2)}Z`)) : tlv(0x18, Buffer.from(`${digits}Z`))
}

export function oid(first: number, second: number, ...rest: readonly number[]): Buffer {
  const bytes = rest.flatMap((arc) => {
    const groups = [arc & 0x7f]
    for (let left = arc >>> 7; left > 0; left >>>= 7) groups.unshift((left & 0x7f) | 0x80)
    return groups
  })
  return tlv(0x06, Buffer.from([first * 40 + second, ...bytes]))
}
export const ECDSA_WITH_SHA256 = sequence(oid(1, 2, 840, 10_045, 4, 3, 2))

/** A distinguished name with a common name only. */
export const commonName = (text: string): Buffer => sequence(set(sequence(oid(2, 5, 4, 3), utf8(text))))

/** A name of a server as subjectAltName has it. */
export function generalName(name: string): Buffer {
  return isIPv4(name) || isIPv6(name) ? implicit(7, addressBytes(name)) : implicit(2, Buffer.from(name))
}

function addressBytes(address: string): Buffer {
  if (isIPv4(address)) return Buffer.from(address.split('.').map(Number))
  const [head = '', tail] = address.split('::')
  const groups = (text: string): number[] => (text === '' ? [] : text.split(':').map((group) => Number.parseInt(group, 16)))
  const [before, after] = [groups(head), groups(tail ?? '')]
  const middle = tail === undefined ? [] : Array.from({ length: 8 - before.length - after.length }, () => 0)
  return Buffer.from([...before, ...middle, ...after].flatMap((group) => [group >> 8, group & 0xff]))
}

export function pem(label: string, der: Buffer): string {
  const lines = der.toString('base64').match(/.{1,64}/g) ?? []
  return `-----BEGIN ${label}-----\n${lines.join('\n')}\n-----END ${label}-----\n`
}
