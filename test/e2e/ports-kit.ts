import { type ChildProcess, spawn } from 'node:child_process'
import { connect } from 'node:net'
import { BINARY, eventually, type User, within } from './kit.ts'

/** A web server inside that tells how many bytes it was sent, one request at a time, until it is asked for /end. */
export const WEB = `
import http.server, sys
class Handler(http.server.BaseHTTPRequestHandler):
  def do_POST(self):
    body = self.rfile.read(int(self.headers['content-length']))
    self.send_response(200); self.end_headers(); self.wfile.write(body)
  def do_GET(self):
    self.server.over = self.path == '/end'
    self.send_response(200); self.end_headers(); self.wfile.write(b'hello from inside')
  def log_message(self, *_): pass
server = http.server.HTTPServer(('0.0.0.0', int(sys.argv[1])), Handler)
server.over = False
print('listening', flush=True)
while not server.over: server.handle_request()
`

/** A run that goes on, what it said so far, and its end. */
export interface Going {
  readonly child: ChildProcess
  readonly stdout: () => string
  readonly stderr: () => string
  readonly ended: Promise<number | null>
  /** The host's port for a port inside, from what was said. */
  readonly port: (inside: number) => number
}

/** Starts `run ARGS`, and waits until the command says something. */
export async function going(user: User, args: readonly string[]): Promise<Going> {
  const child = spawn(BINARY, ['run', ...args], { cwd: user.project, env: user.env, stdio: ['ignore', 'pipe', 'pipe'] })
  const said = { stdout: '', stderr: '' }
  child.stdout.setEncoding('utf8').on('data', (text: string) => (said.stdout += text))
  child.stderr.setEncoding('utf8').on('data', (text: string) => (said.stderr += text))
  const ended = new Promise<number | null>((resolve) => child.on('close', resolve))
  await eventually(() => said.stdout !== '' || child.exitCode !== null, 'the command')
  if (said.stdout === '') throw new Error(`it ended: ${said.stderr}`)
  const port = (inside: number): number => {
    const match = new RegExp(`published [^ ]*:(\\d+) -> ${inside}(/udp)?\n`).exec(said.stderr)
    if (match === null) throw new Error(`${inside} is not published: ${said.stderr}`)
    return Number(match[1])
  }
  return { child, stdout: () => said.stdout, stderr: () => said.stderr, ended, port }
}

/** What a connection to a port of this machine is like: refused at once, broken later, or open. */
export async function knock(port: number): Promise<'refused' | 'reset' | 'ended' | 'open'> {
  const socket = connect(port, '127.0.0.1')
  const outcome = new Promise<'refused' | 'reset' | 'ended' | 'open'>((resolve) => {
    socket.on('connect', () => setTimeout(() => resolve('open'), 1_000))
    // It may be broken before anybody heard that it was made.
    socket.on('error', (error: NodeJS.ErrnoException) => resolve(error.code === 'ECONNREFUSED' ? 'refused' : 'reset'))
    socket.on('end', () => resolve('ended'))
    socket.resume()
  })
  try {
    return await within(outcome, `an answer of port ${port}`)
  } finally {
    socket.destroy()
  }
}

/** A port of this machine that nobody listens on now. */
export function freePort(): number {
  const server = Bun.serve({ port: 0, hostname: '127.0.0.1', fetch: () => new Response('') })
  const { port } = server
  void server.stop(true)
  return port ?? 0
}

/** Sends a datagram until an answer comes, and gives that. */
export async function askUdp(port: number, question: string | Uint8Array): Promise<Buffer> {
  const answer = Promise.withResolvers<Buffer>()
  const socket = await Bun.udpSocket({ hostname: '127.0.0.1', socket: { data: (_, bytes) => answer.resolve(Buffer.from(bytes)) } })
  const again = setInterval(() => socket.send(question, port, '127.0.0.1'), 50)
  try {
    return await within(answer.promise, 'a datagram')
  } finally {
    clearInterval(again)
    socket.close()
  }
}
