import { looksLikeTls, readClientHello, type ClientHello } from './client-hello.ts'
import type { Flow } from './types.ts'

/** A first line of HTTP is shorter; what is longer is for the engine to refuse. */
const MOST_LINE_BYTES = 8 * 1024
const LF = 0x0a
const SPACES: readonly number[] = [0x20, 0x09, 0x0a, 0x0b, 0x0c, 0x0d]

/** What a program speaks, by the first bytes that it sends. `bytes`: everything that was read, which is nobody else's to read again. */
export type FirstBytes =
  | { readonly kind: 'tls'; readonly bytes: Uint8Array; readonly hello: ClientHello }
  | { readonly kind: 'http'; readonly bytes: Uint8Array }
  | { readonly kind: 'raw'; readonly bytes: Uint8Array }
  /** It began as TLS and is none, or it came too slowly to tell. */
  | { readonly kind: 'unclear'; readonly bytes: Uint8Array; readonly reason: string }
  /** It sends nothing at all. */
  | { readonly kind: 'none' }

/**
 * Reads until it is clear. The limit counts from the first byte: a program may be silent for as long as it likes, for the other side may
 * be the one to speak first, but one that began must go on, or slowness would be a way around. Rejects when the flow is gone.
 */
export async function readFirstBytes(flow: Flow, limitMs: number): Promise<FirstBytes> {
  let bytes = await flow.read()
  if (bytes === undefined) return { kind: 'none' }
  const deadline = Date.now() + limitMs
  for (;;) {
    const found = classify(bytes)
    if (found !== undefined) return found
    const more = await readWithin(flow, deadline - Date.now())
    if (more === 'late') return { kind: 'unclear', bytes, reason: 'the beginning of the connection came too slowly to tell what it is' }
    if (more === undefined) return looksLikeTls(bytes) ? malformed(bytes) : { kind: 'raw', bytes }
    bytes = Buffer.concat([bytes, more])
  }
}

/** Undefined: more bytes are needed. */
export function classify(bytes: Uint8Array): FirstBytes | undefined {
  if (!looksLikeTls(bytes)) return classifyText(bytes)
  const state = readClientHello(bytes)
  if (state.kind === 'partial') return undefined
  return state.kind === 'hello' ? { kind: 'tls', bytes, hello: state.hello } : malformed(bytes)
}

function malformed(bytes: Uint8Array): FirstBytes {
  return { kind: 'unclear', bytes, reason: 'it began as TLS, but its first message cannot be read' }
}

/**
 * HTTP is a first line with a version in it, whatever its method: servers are lenient with what stands before and between. A line without
 * one is some other protocol of text (SMTP, Redis), and without a line it is none of text.
 */
function classifyText(bytes: Uint8Array): FirstBytes | undefined {
  let start = 0
  while (start < bytes.length && SPACES.includes(bytes[start]!)) start++
  const first = bytes[start]
  if (first !== undefined && !isToken(first)) return { kind: 'raw', bytes }
  const end = bytes.indexOf(LF, start)
  const line = bytes.subarray(start, Math.min(end < 0 ? bytes.length : end, start + MOST_LINE_BYTES))
  const word = line.findIndex((byte) => !isToken(byte))
  if (line.includes(0) || (word >= 0 && !SPACES.includes(line[word]!))) return { kind: 'raw', bytes }
  if (bytes.length > MOST_LINE_BYTES && line.length + start >= MOST_LINE_BYTES) return { kind: 'http', bytes }
  if (end < 0) return undefined
  return { kind: word >= 0 && /HTTP\/\d/i.test(Buffer.from(line).toString('latin1')) ? 'http' : 'raw', bytes }
}

/** RFC 9110, 5.6.2. */
function isToken(byte: number): boolean {
  return byte > 0x20 && byte < 0x7f && !'"(),/:;<=>?@[\\]{}'.includes(String.fromCharCode(byte))
}

async function readWithin(flow: Flow, limitMs: number): Promise<Uint8Array | undefined | 'late'> {
  let timer: Timer | undefined
  const late = new Promise<'late'>((resolve) => {
    timer = setTimeout(resolve, Math.max(0, limitMs), 'late')
  })
  try {
    return await Promise.race([flow.read(), late])
  } finally {
    clearTimeout(timer)
  }
}
