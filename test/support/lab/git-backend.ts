import { spawn } from 'node:child_process'
import type { IncomingMessage, ServerResponse } from 'node:http'

const MOST_HEAD_BYTES = 16 * 1024

/** Hands a request to `git http-backend`; bodies pass in both directions as they come. `path` is below the repositories' folder. */
export function answerGit(folder: string, path: string, query: string, request: IncomingMessage, response: ServerResponse): void {
  const { method = 'GET', headers } = request
  const backend = spawn('git', ['http-backend'], {
    stdio: ['pipe', 'pipe', 'ignore'],
    env: {
      PATH: process.env['PATH'] ?? '',
      HOME: folder,
      GIT_CONFIG_NOSYSTEM: '1',
      GIT_PROJECT_ROOT: folder,
      GIT_HTTP_EXPORT_ALL: '1',
      PATH_INFO: path,
      QUERY_STRING: query,
      REQUEST_METHOD: method,
      CONTENT_TYPE: headers['content-type'] ?? '',
      ...(headers['content-length'] === undefined ? {} : { CONTENT_LENGTH: headers['content-length'] }),
      HTTP_CONTENT_ENCODING: `${headers['content-encoding'] ?? ''}`,
      GIT_PROTOCOL: `${headers['git-protocol'] ?? ''}`,
      REMOTE_USER: 'lab',
      REMOTE_ADDR: '127.0.0.1',
    },
  })
  backend.on('error', () => response.destroy())
  backend.stdin.on('error', () => request.resume())
  request.pipe(backend.stdin)
  let head: Buffer | undefined = Buffer.alloc(0)
  backend.stdout.on('data', (part: Buffer) => {
    if (head === undefined) return void response.write(part)
    head = Buffer.concat([head, part])
    const end = head.indexOf('\r\n\r\n')
    if (end < 0) return head.length > MOST_HEAD_BYTES ? void response.destroy() : undefined
    writeHead(head.toString('latin1', 0, end), response)
    response.write(head.subarray(end + 4))
    head = undefined
  })
  backend.stdout.on('end', () => response.end())
}

function writeHead(head: string, response: ServerResponse): void {
  let status = 200
  for (const line of head.split('\r\n')) {
    const [name = '', value = ''] = line.split(/: ?(.*)/)
    if (name.toLowerCase() === 'status') status = Number.parseInt(value, 10)
    else if (name !== '') response.setHeader(name, value)
  }
  response.writeHead(status)
}
