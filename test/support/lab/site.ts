import { createCipheriv, createHash } from 'node:crypto'
import { readFileSync, statSync } from 'node:fs'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { join, normalize } from 'node:path'

/** What opens `/private/…` of the lab: the value that tests bind as a secret. */
export const LAB_TOKEN = 'lab-token-0123456789abcdef'

const CHUNK_BYTES = 64 * 1024

/** Whether a request carries the token: as Bearer, or as any user's password. */
export function carriesToken(authorization: string | undefined): boolean {
  const [scheme = '', value = ''] = (authorization ?? '').split(' ')
  if (scheme.toLowerCase() === 'bearer') return value === LAB_TOKEN
  return scheme.toLowerCase() === 'basic' && Buffer.from(value, 'base64').toString().endsWith(`:${LAB_TOKEN}`)
}

/** Files below `folder`, as package registries are made of; `index.html` or `index.json` stands for its folder. */
export function answerFile(folder: string, path: string, response: ServerResponse): void {
  const inside = join(folder, normalize(`/${decodeURIComponent(path)}`))
  const file = [inside, join(inside, 'index.html'), join(inside, 'index.json')].find(isFile)
  if (file === undefined) {
    response.writeHead(404)
    return void response.end('no such file')
  }
  response.writeHead(200, { 'content-type': typeOf(file) })
  response.end(readFileSync(file))
}

function isFile(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isFile() === true
}

function typeOf(file: string): string {
  if (file.endsWith('.html')) return 'text/html'
  if (file.endsWith('.json')) return 'application/json'
  return /\/(list|[^/]+\.(mod|info))$/.test(file) ? 'text/plain; charset=utf-8' : 'application/octet-stream'
}

/** Bytes that nobody can guess from their neighbours, the same ones for everybody. */
export function* noise(sizeBytes: number): Generator<Buffer> {
  const cipher = createCipheriv('aes-128-ctr', Buffer.alloc(16), Buffer.alloc(16))
  for (let left = sizeBytes; left > 0; left -= CHUNK_BYTES) yield cipher.update(Buffer.alloc(Math.min(left, CHUNK_BYTES)))
}

/** `/noise/N`: N bytes of noise, as fast as they are taken. */
export async function answerNoise(sizeBytes: number, response: ServerResponse): Promise<void> {
  response.writeHead(200, { 'content-length': `${sizeBytes}` })
  let wake: (value?: unknown) => void = () => undefined
  response.on('drain', () => wake()).on('close', () => wake())
  for (const chunk of noise(sizeBytes)) {
    if (response.destroyed) return
    if (!response.write(chunk)) await new Promise((resolve) => void (wake = resolve))
  }
  response.end()
}

/** `/sum`: size and SHA-256 of the request's body. */
export function answerSum(request: IncomingMessage, response: ServerResponse): void {
  const hash = createHash('sha256')
  let sizeBytes = 0
  request.on('data', (part: Buffer) => {
    hash.update(part)
    sizeBytes += part.length
  })
  request.on('end', () => response.end(JSON.stringify({ sizeBytes, sha256: hash.digest('hex') })))
}
