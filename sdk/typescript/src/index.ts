/// <reference lib="esnext.disposable" preserve="true" />
export { AgentKernel } from './client.ts'
export type { AgentKernelOptions, FetchFunction } from './config.ts'
export type { CustomRequest } from './client/base.ts'
export type { RequestOptions, StreamOptions } from './transport.ts'
export type { ByteSource } from './bytes.ts'
export { SandboxSession } from './sandbox-session.ts'
export { BROWSER_SETUP_CMD, BrowserSession } from './browser-session.ts'
export { ExecSession, type SignalName } from './exec-session.ts'
export type { ExecEnded } from './exec-socket.ts'
export type { WebSocketFactory, WebSocketInit, WebSocketLike, WsConstructor } from './web-socket.ts'
export {
  AgentKernelError,
  AuthError,
  CommandFailedError,
  type ErrorDetails,
  NetworkError,
  NotAvailableError,
  NotFoundError,
  ServerError,
  StreamError,
  TimeoutError,
  ValidationError,
} from './errors.ts'
export type { ErrorCode, ServerErrorCode } from './error-codes.ts'
export { VERSION } from './version.ts'
export type * from './types/browser.ts'
export type * from './types/commands.ts'
export type * from './types/durable.ts'
export type * from './types/files.ts'
export type * from './types/governance.ts'
export type * from './types/sandboxes.ts'
export type * from './types/system.ts'
