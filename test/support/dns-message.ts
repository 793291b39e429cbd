/** A question, as a client sends it. */
export function queryFor(
  name: string,
  type = 1,
  more: { readonly edns?: number; readonly class?: number; readonly id?: number } = {},
): Uint8Array {
  const labels = name.split('.').filter((label) => label !== '')
  const question = Buffer.concat([
    ...labels.map((label) => Buffer.concat([Uint8Array.of(label.length), Buffer.from(label, 'latin1')])),
    Uint8Array.of(0, type >>> 8, type & 0xff, 0, more.class ?? 1),
  ])
  const id = more.id ?? 0x1234
  const head = Uint8Array.of(id >>> 8, id & 0xff, 1, 0, 0, 1, 0, 0, 0, 0, 0, more.edns === undefined ? 0 : 1)
  const opt = more.edns === undefined ? new Uint8Array(0) : Uint8Array.of(0, 0, 41, more.edns >>> 8, more.edns & 0xff, 0, 0, 0, 0, 0, 0)
  return Buffer.concat([head, question, opt])
}

export interface ReadAnswer {
  readonly id: number
  readonly rcode: number
  readonly truncated: boolean
  readonly count: number
  readonly addresses: readonly string[]
  /** TTL of the first record. */
  readonly ttlS: number | undefined
  /** What follows the head of the first record. */
  readonly data: Uint8Array | undefined
}

/** An answer, read as a client does that knows no pointers but the one to the question. */
export function readAnswer(bytes: Uint8Array): ReadAnswer {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const count = view.getUint16(6)
  let at = 12
  if (view.getUint16(4) === 1) {
    while (bytes[at] !== 0) at += bytes[at]! + 1
    at += 5
  }
  const records: { type: number; ttlS: number; data: Uint8Array }[] = []
  for (let index = 0; index < count; index++) {
    const length = view.getUint16(at + 10)
    records.push({ type: view.getUint16(at + 2), ttlS: view.getUint32(at + 6), data: bytes.subarray(at + 12, at + 12 + length) })
    at += 12 + length
  }
  return {
    id: view.getUint16(0),
    rcode: view.getUint16(2) & 15,
    truncated: (view.getUint16(2) & 0x0200) !== 0,
    count,
    addresses: records.filter(({ type }) => type === 1).map(({ data }) => data.join('.')),
    ttlS: records[0]?.ttlS,
    data: records[0]?.data,
  }
}
