import type { RequestOptions, StreamOptions } from '../transport.ts'

export interface FileWriteOptions extends RequestOptions {
  /** Of `content`. @default utf8 */
  encoding?: 'utf8' | 'base64'
  /** Permissions, such as `0o644`. @default 0o644, or those of the file that is replaced */
  mode?: number
}
/** `content` is base64 where the file is not UTF-8. */
export interface FileReadResponse {
  content: string
  encoding: 'utf8' | 'base64'
  /** Bytes of the file. */
  size: number
}
export interface BatchFileWriteResponse {
  /** Number of files. */
  written: number
}

/** One name in the sandbox's file system. */
export interface FileEntry {
  name: string
  path: string
  type: 'file' | 'dir' | 'symlink' | 'other'
  size: number
  /** Low twelve bits. */
  mode: number
  uid: number
  gid: number
  mtime_ms: number
  /** Of a symlink. */
  target?: string
}

export interface DeleteFileOptions extends RequestOptions {
  /** Folders with what is in them. */
  recursive?: boolean
}

/** `overflow`: more changed than could be told; what is below `path` must be looked at anew. */
export interface FileChange {
  kind: 'created' | 'modified' | 'removed' | 'moved' | 'overflow'
  path: string
}
export interface WatchOptions extends StreamOptions {
  /** With the folders below. @default false */
  recursive?: boolean
}

export interface ReadStreamOptions extends StreamOptions {
  /** First byte. @default 0 */
  offset?: number
  /** Most bytes. @default to the end */
  length?: number
}
/** Bytes on their way. Read them with `for await`, or take the `stream`, once; else `close` it. */
export interface ByteDownload extends AsyncIterable<Uint8Array> {
  /** Made when it is first asked for. */
  readonly stream: ReadableStream<Uint8Array>
  /** Bytes that come; undefined where the server does not say. */
  readonly size: number | undefined
  /** First byte that comes; of a command's output later than asked for, when the log has dropped what came before. */
  readonly offset: number
  /** Bytes of the whole, of a command's output those so far; undefined where the server does not say. */
  readonly totalSize: number | undefined
  /** Ends it early. Reading to the end, or leaving a loop over it, does so too. */
  close(): void
}

export interface WriteStreamOptions extends StreamOptions {
  /** Permissions, such as `0o644`. @default 0o644, or those of the file that is replaced */
  mode?: number
}
export interface WriteStreamResponse {
  path: string
  /** Bytes. */
  written: number
}

export interface TarInResponse {
  files: number
  /** Bytes of content. */
  size: number
}
