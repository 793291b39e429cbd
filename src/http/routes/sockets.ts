import type * as z from 'zod'
import { AppError } from '../../contract/errors.ts'
import { SOCKET_PROTOCOL } from '../../contract/exec-socket.ts'
import { AttachMessageSchema, ExecMessageSchema } from '../../contract/schemas/exec-socket.ts'
import { allowPause, type Exchange, takeOver } from '../exchange.ts'
import { requireSudoAllowed } from '../gates.ts'
import type { Handlers } from '../handler.ts'
import { readInput } from '../input.ts'
import { SocketSession, type SocketStarter } from '../socket-session.ts'

export const socketHandlers: Handlers<'execSocket' | 'execAttachSocket'> = {
  execSocket: async ({ name }, exchange) =>
    upgrade(exchange, (body, signal) => {
      const { type: _, ...request } = readMessage(ExecMessageSchema, body)
      const { deps, caller } = exchange
      requireSudoAllowed(request, caller, deps.allowSudoExec)
      return { session: deps.sandboxes.execStream(name, request, { caller }, signal), stdin: request.stdin === true }
    }),

  execAttachSocket: async ({ name, id }, exchange) =>
    upgrade(exchange, (body, signal) => {
      const { type: _, ...from } = readMessage(AttachMessageSchema, body)
      return { session: exchange.deps.sandboxes.attachExec(name, id, from, signal), stdin: from.stdin === true }
    }),
}

function readMessage<T>(schema: z.ZodType<T>, body: Readonly<Record<string, unknown>>): T {
  return readInput(schema, { params: {}, query: new URLSearchParams(), body }).input
}

/** Makes the request a WebSocket; everything after is between it and its session. Errors: `invalid_argument` when it does not ask for that. */
function upgrade(exchange: Exchange, start: SocketStarter): Response {
  const { request, server, id } = exchange
  if (request.headers.get('upgrade')?.toLowerCase() !== 'websocket') {
    throw new AppError('invalid_argument', 'this address is a WebSocket', { fix: 'Open it as one, or use POST …/exec/stream.' })
  }
  allowPause(exchange, 0)
  const release = takeOver(exchange)
  const offered = request.headers.get('sec-websocket-protocol')?.split(',') ?? []
  const chosen = offered.some((name) => name.trim() === SOCKET_PROTOCOL) ? { 'sec-websocket-protocol': SOCKET_PROTOCOL } : {}
  const session = new SocketSession(exchange, release, start)
  if (!server.upgrade(request, { data: { session }, headers: { 'x-request-id': id, ...chosen } })) {
    release()
    throw new AppError('invalid_argument', 'the WebSocket could not be opened: its headers are not right')
  }
  // Nothing of this response is sent: the socket answers.
  return new Response(null)
}
