interface Wanted {
  readonly name?: string
  readonly ech?: boolean
  /** The highest that is offered. */
  readonly version?: number
  readonly protocols?: readonly string[]
  /** The name's extension twice. */
  readonly twice?: boolean
  /** Size of the records that it is cut into. */
  readonly recordBytes?: number
}

const u16 = (value: number): number[] => [value >>> 8, value & 0xff]
const block = (size: 1 | 2 | 3, content: readonly number[]): number[] => [
  ...[24, 16, 8, 0].slice(4 - size).map((shift) => (content.length >>> shift) & 0xff),
  ...content,
]
const ascii = (text: string): number[] => [...Buffer.from(text, 'latin1')]

/** The first message of a TLS client, as bytes. */
export function clientHello({ name, ech, version = 0x0304, protocols, twice, recordBytes = 16_384 }: Wanted): Uint8Array {
  const extension = (type: number, content: readonly number[]): number[] => [...u16(type), ...block(2, content)]
  const names = name === undefined ? [] : extension(0, block(2, [0, ...block(2, ascii(name))]))
  const extensions = [
    ...names,
    ...(twice === true ? names : []),
    ...(protocols === undefined
      ? []
      : extension(
          16,
          block(
            2,
            protocols.flatMap((each) => block(1, ascii(each))),
          ),
        )),
    ...(version >= 0x0304 ? extension(43, block(1, [0x1a, 0x1a, ...u16(version), ...u16(0x0303)])) : []),
    ...(ech === true ? extension(0xfe0d, [0, 1, 2, 3]) : []),
  ]
  const body = [
    ...u16(Math.min(version, 0x0303)),
    ...Array<number>(32).fill(7),
    ...block(1, []),
    ...block(2, [0x13, 0x01]),
    ...block(1, [0]),
  ]
  const message = [1, ...block(3, [...body, ...block(2, extensions)])]
  const records: number[] = []
  for (let at = 0; at < message.length; at += recordBytes) records.push(22, 3, 1, ...block(2, message.slice(at, at + recordBytes)))
  return Uint8Array.from(records)
}
