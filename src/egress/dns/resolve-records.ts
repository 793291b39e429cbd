import { Resolver } from 'node:dns/promises'
import { DialError, type NameRecord, type RecordField, type RecordType } from '../types.ts'

/** One name server's share of the gateway's limit of time, in ms. */
const TIMEOUT_MS = 2_000
const MOST_RECORDS = 256
const MOST_TEXT_BYTES = 255

/** Records of a name other than addresses, from the host's own name servers, as fields of the wire format. */
export async function resolveRecords(name: string, type: RecordType): Promise<readonly NameRecord[]> {
  const resolver = new Resolver({ timeout: TIMEOUT_MS, tries: 2 })
  try {
    return (await READ[type](resolver, name)).slice(0, MOST_RECORDS).map((fields) => ({ fields }))
  } catch (cause) {
    const code = cause instanceof Error && 'code' in cause ? String(cause.code) : ''
    if (/ENODATA/.test(code)) return []
    if (/ENOTFOUND|ENONAME/.test(code)) throw new DialError('not_found', `there is no name ${name}`)
    throw new DialError('unreachable', `records of ${name} could not be looked up`)
  }
}

const READ: Readonly<Record<RecordType, (resolver: Resolver, name: string) => Promise<readonly RecordField[][]>>> = {
  CNAME: async (resolver, name) => (await resolver.resolveCname(name)).map((target) => [{ name: target }]),
  NS: async (resolver, name) => (await resolver.resolveNs(name)).map((target) => [{ name: target }]),
  MX: async (resolver, name) => (await resolver.resolveMx(name)).map(({ priority, exchange }) => [{ u16: priority }, { name: exchange }]),
  TXT: async (resolver, name) => (await resolver.resolveTxt(name)).map((chunks) => chunks.flatMap(textFields)),
  SRV: async (resolver, name) =>
    (await resolver.resolveSrv(name)).map((srv) => [{ u16: srv.priority }, { u16: srv.weight }, { u16: srv.port }, { name: srv.name }]),
  SOA: async (resolver, name) => {
    const soa = await resolver.resolveSoa(name)
    const numbers = [soa.serial, soa.refresh, soa.retry, soa.expire, soa.minttl]
    return [[{ name: soa.nsname }, { name: soa.hostmaster }, ...numbers.map((u32) => ({ u32: u32 >>> 0 }))]]
  },
  CAA: async (resolver, name) =>
    (await resolver.resolveCaa(name)).flatMap((caa) => {
      const tag = (['issue', 'issuewild', 'iodef', 'contactemail', 'contactphone'] as const).find((each) => caa[each] !== undefined)
      if (tag === undefined) return []
      return [[{ u8: caa.critical & 0xff }, { text: new TextEncoder().encode(tag) }, { rest: new TextEncoder().encode(caa[tag]) }]]
    }),
}

function textFields(chunk: string): RecordField[] {
  const bytes = new TextEncoder().encode(chunk)
  const count = Math.max(1, Math.ceil(bytes.length / MOST_TEXT_BYTES))
  return Array.from({ length: count }, (_, index) => ({
    text: bytes.subarray(index * MOST_TEXT_BYTES, (index + 1) * MOST_TEXT_BYTES),
  }))
}
