import type { ByteSource } from '../bytes.ts'
import { download } from '../download.ts'
import { errorFromMessage, ValidationError } from '../errors.ts'
import { parseEventData } from '../event-data.ts'
import type { RequestOptions, StreamOptions } from '../transport.ts'
import type {
  BatchFileWriteResponse,
  ByteDownload,
  DeleteFileOptions,
  FileChange,
  FileEntry,
  FileReadResponse,
  FileWriteOptions,
  ReadStreamOptions,
  TarInResponse,
  WatchOptions,
  WriteStreamOptions,
  WriteStreamResponse,
} from '../types/files.ts'
import { filePath, route } from '../url.ts'
import { ExecClient } from './exec.ts'

/**
 * Files of a sandbox. Paths are absolute inside it; a missing slash at the beginning is added. Each method may fail with
 * `sandbox_not_found`, `file_not_found`, `file_access` and `path_forbidden`.
 */
export abstract class FilesClient extends ExecClient {
  /** A file as text, or as base64 where it is no UTF-8; at most 16 MiB. See `readStream`. */
  async readFile(name: string, path: string, options?: RequestOptions): Promise<FileReadResponse> {
    return this.api.json('GET', fileRoute(name, 'files', path), { options })
  }

  /** Writes a file in one step; who reads it meanwhile sees the old or the new. Resolves with the server's sentence. */
  async writeFile(name: string, path: string, content: string, options: FileWriteOptions = {}): Promise<string> {
    const { encoding, mode } = options
    const body = { content, encoding, mode: octal(mode) }
    return this.api.json('PUT', fileRoute(name, 'files', path), { body, options })
  }

  /** Resolves with the server's sentence. */
  async deleteFile(name: string, path: string, options: DeleteFileOptions = {}): Promise<string> {
    return this.api.json('DELETE', fileRoute(name, 'files', path), { query: { recursive: options.recursive }, options })
  }

  /** Writes several files of text, by their path; none is written when a path is not allowed. */
  async writeFiles(name: string, files: Record<string, string>, options?: RequestOptions): Promise<BatchFileWriteResponse> {
    const data = await this.api.json<BatchFileWriteResponse | string>('POST', route('sandboxes', name, 'files'), {
      body: { files },
      options,
    })
    // Older servers answer with a sentence only.
    return typeof data === 'string' ? { written: Object.keys(files).length } : data
  }

  async statFile(name: string, path: string, options?: RequestOptions): Promise<FileEntry> {
    return this.api.json('GET', fileRoute(name, 'stat', path), { options })
  }

  /** What is in a folder. */
  async listFiles(name: string, path: string, options?: RequestOptions): Promise<FileEntry[]> {
    return this.api.json('GET', fileRoute(name, 'list', path), { options })
  }

  /** Makes a folder and those above it; one that exists is a success. */
  async makeDir(name: string, path: string, options?: RequestOptions): Promise<void> {
    await this.api.json('POST', route('sandboxes', name, 'mkdir'), { body: { path }, options })
  }

  /** Moves a file or folder; a file that is there is replaced. */
  async moveFile(name: string, from: string, to: string, options?: RequestOptions): Promise<void> {
    await this.api.json('POST', route('sandboxes', name, 'move'), { body: { from, to }, options })
  }

  /** Changes of a file or in a folder, as they happen, without end. Leave the loop or abort `signal` to stop it. */
  async *watchFiles(name: string, path: string, options: WatchOptions = {}): AsyncGenerator<FileChange, void, void> {
    const query = { path, recursive: options.recursive }
    for await (const { event, data } of this.api.events('GET', route('sandboxes', name, 'watch'), { query, options })) {
      const fields = parseEventData(data)
      if (event === 'error') throw errorFromMessage(fields)
      // The one place where a change gets its type.
      if (typeof fields['kind'] === 'string') yield fields as unknown as FileChange
    }
  }

  /** A file as bytes, from `offset` on, at most `length` of them. */
  async readStream(name: string, path: string, options: ReadStreamOptions = {}): Promise<ByteDownload> {
    const { offset = 0, length } = options
    if (!isCount(offset) || (length !== undefined && !(isCount(length) && length > 0))) {
      throw new ValidationError('offset must be a whole number from 0, length one from 1')
    }
    const wholeFile = offset === 0 && length === undefined
    const headers: Record<string, string> = wholeFile ? {} : { Range: `bytes=${offset}-${length === undefined ? '' : offset + length - 1}` }
    return download(this.api, fileRoute(name, 'raw', path), { headers, options }, offset)
  }

  /** Writes a file from bytes as they come; it appears under its name when the last has arrived. */
  async writeStream(name: string, path: string, source: ByteSource, options: WriteStreamOptions = {}): Promise<WriteStreamResponse> {
    return this.#upload(fileRoute(name, 'raw', path), source, { mode: octal(options.mode) }, options)
  }

  /** A file or folder as a tar stream, whose names begin with the last part of `path`. */
  async tarOut(name: string, path: string, options: StreamOptions = {}): Promise<ByteDownload> {
    return download(this.api, fileRoute(name, 'tar', path), { options })
  }

  /** Unpacks a tar stream into a folder, which is made where it is missing. */
  async tarIn(name: string, path: string, source: ByteSource, options: StreamOptions = {}): Promise<TarInResponse> {
    return this.#upload(fileRoute(name, 'tar', path), source, {}, options)
  }

  /** The answer comes after the last byte, whenever that is: no time limit. */
  #upload<T>(path: string, source: ByteSource, query: { mode?: string | undefined }, options: StreamOptions): Promise<T> {
    return this.api.json('PUT', path, { bytes: source, query, options: { ...options, timeout: 0 } })
  }
}

function fileRoute(name: string, kind: string, path: string): string {
  return route('sandboxes', name, kind) + filePath(path)
}

function octal(mode: number | undefined): string | undefined {
  if (mode === undefined) return undefined
  if (!Number.isInteger(mode) || mode < 0 || mode > 0o7777) throw new ValidationError(`${mode} is no file mode; write it as 0o644`)
  return mode.toString(8).padStart(4, '0')
}

function isCount(value: number): boolean {
  return Number.isSafeInteger(value) && value >= 0
}
