import { startDaemon, type TestDaemon, type TestDaemonOptions } from '../support/daemon.ts'
import { type Answer, answerOf, EventReader, requestInit, type SentRequest } from './http-kit.ts'

/** A daemon with a port, and a client of it that has its key. */
export class HttpDaemon {
  readonly daemon: TestDaemon

  private constructor(daemon: TestDaemon) {
    this.daemon = daemon
  }

  static async start(options: TestDaemonOptions = {}): Promise<HttpDaemon> {
    return new HttpDaemon(await startDaemon({ keys: ['key'], ...options }))
  }

  async send(path: string, request: SentRequest = {}): Promise<Response> {
    const { headers, ...init } = requestInit(request)
    return fetch(this.daemon.url + path, { ...init, headers: { authorization: 'Bearer key', ...headers } })
  }

  async ask(path: string, request: SentRequest = {}): Promise<Answer> {
    return answerOf(await this.send(path, request))
  }

  async post(path: string, json: unknown = {}, headers: Record<string, string> = {}): Promise<Answer> {
    return this.ask(path, { json, headers })
  }

  async events(path: string, request: SentRequest = {}): Promise<EventReader> {
    return new EventReader(await this.send(path, request))
  }

  /** A WebSocket with the key in its header. */
  socket(path: string): WebSocket {
    const socket = new WebSocket(this.daemon.url.replace(/^http/, 'ws') + path, {
      headers: { authorization: 'Bearer key' },
      protocols: ['agentkernel.v1'],
    })
    socket.binaryType = 'arraybuffer'
    return socket
  }

  /** Makes a sandbox and gives its name. */
  async sandbox(name: string, more: object = {}): Promise<string> {
    const { status, text } = await this.post('/sandboxes', { name, ...more })
    if (status !== 201) throw new Error(`the sandbox was not made: ${text}`)
    return name
  }
}
