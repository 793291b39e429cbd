import type { FileContent } from '../../contract/sandboxes.ts'
import { AppError } from '../../contract/errors.ts'
import type { ServerEvent } from '../event-stream.ts'
import type { Handlers } from '../handler.ts'
import { errorEvent } from '../run-events.ts'
import { guardPath } from '../path-guard.ts'
import { eventsResponse } from '../stream-response.ts'
import { pieceOf } from '../text-pieces.ts'

type Names = 'fileRead' | 'fileWrite' | 'fileDelete' | 'filesWrite' | 'fileStat' | 'fileList' | 'dirMake' | 'fileMove' | 'fileWatch'

export const fileHandlers: Handlers<Names> = {
  fileRead: async ({ name, path }, { deps, limits, signal }) => {
    const plain = guardPath(path)
    const { entry, bytes } = await deps.sandboxes.readFile(name, plain, {}, signal)
    return { data: await contentOf(bytes, entry.size, plain, limits.jsonBytes) }
  },

  fileWrite: async ({ name, path, content, encoding, mode }, { deps, signal }) => {
    const plain = guardPath(path)
    const bytes = encoding === 'base64' ? decodeBase64(content) : Buffer.from(content)
    const options = mode === undefined ? {} : { mode: Number.parseInt(mode, 8) }
    const size = await deps.sandboxes.writeFile(name, plain, once(bytes), options, signal)
    return { data: `Wrote ${size} bytes to ${plain}` }
  },

  fileDelete: async ({ name, path, recursive }, { deps }) => {
    const plain = guardPath(path)
    await deps.sandboxes.deleteFile(name, plain, { recursive })
    return { data: `Deleted ${plain}` }
  },

  filesWrite: async ({ name, files }, { deps, signal }) => {
    // Every path is looked at before the first file is written.
    const plain = Object.entries(files).map(([path, text]) => ({ path: guardPath(path), text }))
    for (const { path, text } of plain) await deps.sandboxes.writeFile(name, path, once(Buffer.from(text)), {}, signal)
    return { data: { written: plain.length, message: `Wrote ${plain.length} file(s)` } }
  },

  fileStat: async ({ name, path }, { deps }) => ({ data: await deps.sandboxes.statFile(name, guardPath(path)) }),

  fileList: async ({ name, path }, { deps }) => ({ data: await deps.sandboxes.listFiles(name, guardPath(path)) }),

  dirMake: async ({ name, path }, { deps }) => {
    const plain = guardPath(path)
    await deps.sandboxes.makeDir(name, plain)
    return { data: { path: plain } }
  },

  fileMove: async ({ name, from, to }, { deps }) => {
    const plain = { from: guardPath(from), to: guardPath(to) }
    await deps.sandboxes.moveFile(name, plain.from, plain.to)
    return { data: plain }
  },

  fileWatch: async ({ name, path, recursive }, exchange) => {
    const { deps, signal, traffic } = exchange
    const plain = guardPath(path)
    // What cannot be watched has its own status; a stream could only say so in an event.
    await deps.sandboxes.statFile(name, plain)
    const until = AbortSignal.any([signal, traffic.closing])
    return eventsResponse(exchange, changes(deps.sandboxes.watchFiles(name, plain, { recursive }, until), until))
  },
}

async function* changes(source: AsyncIterable<unknown>, until: AbortSignal): AsyncGenerator<ServerEvent> {
  try {
    for await (const change of source) yield { event: 'change', data: change }
  } catch (error) {
    if (!until.aborted) yield errorEvent(error)
  }
}

async function contentOf(bytes: AsyncIterable<Uint8Array>, size: number, path: string, limit: number): Promise<FileContent> {
  const tooLarge = (): AppError =>
    new AppError('payload_too_large', `${path} is larger than ${limit} bytes`, { fix: 'Read it with GET /sandboxes/NAME/raw/PATH.' })
  const chunks: Uint8Array[] = []
  let length = 0
  for await (const chunk of bytes) {
    length += chunk.length
    // What the entry says is only known to be true of the moment it was looked at.
    if (size > limit || length > limit) throw tooLarge()
    chunks.push(chunk)
  }
  const { text, encoding = 'utf8' } = pieceOf(Buffer.concat(chunks))
  return { content: text, encoding, size: length }
}

function decodeBase64(text: string): Buffer {
  const plain = text.replace(/\s+/g, '')
  if (!/^[A-Za-z0-9+/]*={0,2}$/.test(plain) || plain.replace(/=+$/, '').length % 4 === 1) {
    throw new AppError('invalid_argument', 'content: is not base64')
  }
  return Buffer.from(plain, 'base64')
}

async function* once(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  if (bytes.length > 0) yield bytes
}
