import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Socket } from 'bun'
import { PORTS, REQUEST_END, TOKEN } from './network-client.ts'

/**
 * The other side of `bench/network.ts`, in the far side of the lab: `bun bench/network-servers.ts FOLDER`, FOLDER with the lab's certificate. As little work as
 * servers can do, so that what is measured is what lies between. Says `ready`, and ends when its stdin ends.
 */
const BODY = 'x'.repeat(1_000)
const ANSWER = Buffer.from(`HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: ${BODY.length}\r\n\r\n${BODY}`)
const NO_TOKEN = Buffer.from('HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n')
const HOSTNAME = '0.0.0.0'
const BLOCK = new Uint8Array(256 * 1024)

/** What a connection has in hand. */
interface Held {
  text: string
  /** Bytes still to be sent; undefined: nobody has asked. */
  left: number | undefined
  received: number
}
type Talk = Socket<Held>

const opened = (socket: Talk): void => {
  socket.data = { text: '', left: undefined, received: 0 }
}
const nothing = (): void => undefined

/** HTTPS: the same answer to every request with the token. */
function answer(socket: Talk, bytes: Buffer): void {
  const { data } = socket
  data.text += bytes.toString('latin1')
  for (let end = data.text.indexOf(REQUEST_END); end >= 0; end = data.text.indexOf(REQUEST_END)) {
    socket.write(data.text.slice(0, end).includes(TOKEN) ? ANSWER : NO_TOKEN)
    data.text = data.text.slice(end + REQUEST_END.length)
  }
}

/** Sends as many bytes as the first line asks for. */
function give(socket: Talk, bytes: Buffer): void {
  const { data } = socket
  data.text += bytes.toString('latin1')
  if (data.left !== undefined || !data.text.includes('\n')) return
  data.left = Number.parseInt(data.text, 10)
  goOn(socket)
}

function goOn(socket: Talk): void {
  const { data } = socket
  while (data.left !== undefined && data.left > 0) {
    const sent = socket.write(data.left < BLOCK.length ? BLOCK.subarray(0, data.left) : BLOCK)
    if (sent <= 0) return
    data.left -= sent
  }
  if (data.left === 0) socket.end()
}

/** Counts what comes, and says how much it was when the other side has ended. */
function count(socket: Talk, bytes: Buffer): void {
  socket.data.received += bytes.length
}

function listen(port: number, data: (socket: Talk, bytes: Buffer) => void, more: object = {}): void {
  const socket = { open: opened, data, drain: nothing, error: nothing, ...more }
  Bun.listen<Held>({ hostname: HOSTNAME, port, allowHalfOpen: true, socket })
}

const folder = process.argv[2] ?? ''
const [cert, key] = ['cert.pem', 'key.pem'].map((file) => readFileSync(join(folder, file), 'utf8'))
Bun.listen<Held>({ hostname: HOSTNAME, port: PORTS.https, tls: { cert, key }, socket: { open: opened, data: answer, error: nothing } })
listen(PORTS.source, give, { drain: goOn })
listen(PORTS.sink, count, {
  end: (socket: Talk) => {
    socket.write(`${socket.data.received}\n`)
    socket.end()
  },
})
listen(PORTS.echo, (socket, bytes) => void socket.write(bytes), { end: (socket: Talk) => void socket.end() })

console.log('ready')
for await (const _ of Bun.stdin.stream()) continue
process.exit(0)
