import { appendFileSync, readFileSync } from 'node:fs'
import { createSecureServer } from 'node:http2'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { createServer as createTcp } from 'node:net'
import { join } from 'node:path'
import { createSecureContext, type SecureContext } from 'node:tls'
import { answerGit } from './git-backend.ts'
import { answerFile, answerNoise, answerSum, carriesToken } from './site.ts'

/**
 * The servers of the network lab, on every address of its far side. HTTP on 80, HTTPS (h1 and h2) on 443: `/echo` answers with what
 * arrived, `/sse` sends events, `/bytes/N` sends N bytes, `/noise/N` bytes that do not compress, `/sum` tells the size and SHA-256 of a body,
 * `/redirect?to=` redirects, `/slow` never answers, `/reset` breaks off, `/broken` breaks off in the middle of a body, `/git/…` are the
 * repositories of FOLDER/git, `/files/…` the files of FOLDER/files. `/private/…` is all of this for those with the token. TCP and UDP echo on 5000. DNS on 53. Each request is a line of FOLDER/requests. Ends when its stdin ends.
 */
const folder = process.argv[2] ?? ''
const note = (line: object): void => appendFileSync(join(folder, 'requests'), `${JSON.stringify(line)}\n`)

function answer(request: IncomingMessage, response: ServerResponse): void {
  const { method, url = '/', headers, httpVersion } = request
  const host = headers.host ?? headers[':authority'] ?? ''
  note({ host, method, url, httpVersion, authorization: headers.authorization, headers: { ...headers }, at: request.socket.localAddress })
  const [asked = '/', query = ''] = url.split('?')
  const path = asked.replace(/^\/private\//, '/')
  if (path !== asked && !carriesToken(headers.authorization)) {
    response.writeHead(401, { 'www-authenticate': 'Basic realm="lab"' })
    return void response.end('no token')
  }
  if (path === '/slow') return
  if (path === '/reset') return void request.socket.destroy()
  if (path === '/broken') {
    response.writeHead(200, { 'content-length': '1000000' })
    response.write('x'.repeat(1_000))
    return void setTimeout(() => response.destroy(), 50)
  }
  if (path.startsWith('/git/')) return answerGit(join(folder, 'git'), path.slice(4), query, request, response)
  if (path.startsWith('/files/')) return answerFile(join(folder, 'files'), path.slice(6), response)
  if (path.startsWith('/noise/')) return void answerNoise(Number(path.slice(7)), response)
  if (path === '/sum') return answerSum(request, response)
  if (path === '/redirect') {
    response.writeHead(302, { location: new URLSearchParams(query).get('to') ?? '/' })
    return void response.end()
  }
  if (path === '/sse') return events(response)
  if (path.startsWith('/bytes/')) return void response.end(Buffer.alloc(Number(path.slice(7)), 'x'))
  const parts: Buffer[] = []
  request.on('data', (part: Buffer) => parts.push(part))
  request.on('end', () => {
    const body = Buffer.concat(parts).toString()
    response.setHeader('content-type', 'application/json')
    response.end(JSON.stringify({ host, method, url, httpVersion, headers, body }))
  })
}

function events(response: ServerResponse): void {
  response.writeHead(200, { 'content-type': 'text/event-stream' })
  let count = 0
  const timer = setInterval(() => {
    response.write(`data: ${++count}\n\n`)
    if (count < 5) return
    clearInterval(timer)
    response.end()
  }, 50)
}

const certificate = (name: string) => ({
  cert: readFileSync(join(folder, `${name}cert.pem`)),
  key: readFileSync(join(folder, `${name}key.pem`)),
})
const names = certificate('')
const forNames = createSecureContext(names)
// Who asks for no name is shown the certificate of the address.
const tls = {
  ...certificate('address-'),
  allowHTTP1: true,
  SNICallback: (_: string, use: (error: null, context: SecureContext) => void) => use(null, forNames),
}
createServer(answer).listen(80, '::')
createSecureServer(tls, answer as never).listen(443, '::')
createTcp((socket) => {
  socket.on('error', () => socket.destroy())
  socket.pipe(socket)
}).listen(5000, '0.0.0.0')
await Bun.udpSocket({
  port: 5000,
  hostname: '0.0.0.0',
  socket: { error: () => undefined, data: (socket, bytes, port, address) => void socket.send(bytes, port, address) },
})
// Web sockets are easier over a server that knows them.
Bun.serve({
  port: 8443,
  hostname: '0.0.0.0',
  tls: { cert: names.cert.toString(), key: names.key.toString() },
  fetch: (request, server) => (server.upgrade(request) ? undefined : new Response('no web socket', { status: 400 })),
  websocket: { message: (socket, text) => void socket.send(text) },
})

/** Answers A questions for `N-N-N-N.dns.test` with that address, and `flip.dns.test` with a private one every second time; nothing else exists. */
let flips = 0
await Bun.udpSocket({
  port: 53,
  // Its own address, or the answer would come from the first of the far side.
  hostname: '44.44.44.53',
  socket: {
    error: () => undefined,
    data: (socket, query, port, address) => {
      const labels: string[] = []
      let at = 12
      while (query[at] !== 0 && at < query.length) {
        labels.push(query.toString('latin1', at + 1, at + 1 + query[at]!).toLowerCase())
        at += 1 + query[at]!
      }
      const name = labels.join('.')
      const type = query.readUInt16BE(at + 1)
      note({ dns: name, type })
      const literal = /^(\d+)-(\d+)-(\d+)-(\d+)\.dns\.test$/.exec(name)?.slice(1).map(Number)
      const flip = name === 'flip.dns.test' ? (flips++ % 2 === 0 ? [44, 44, 44, 10] : [10, 77, 0, 10]) : undefined
      const known = literal ?? flip
      const found = type === 1 ? known : undefined
      const reply = Buffer.concat([
        query.subarray(0, at + 5),
        found === undefined ? Buffer.alloc(0) : Buffer.from([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 0, 0, 4, ...found]),
      ])
      reply.writeUInt16BE(known === undefined ? 0x8183 : 0x8180, 2)
      reply.writeUInt16BE(found === undefined ? 0 : 1, 6)
      reply.writeUInt16BE(0, 8)
      reply.writeUInt16BE(0, 10)
      socket.send(reply, port, address)
    },
  },
})

console.log('ready')
process.stdin.on('end', () => process.exit(0))
process.stdin.resume()
