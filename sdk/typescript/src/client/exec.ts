import type { ByteSource } from '../bytes.ts'
import { download } from '../download.ts'
import { sessionEvents, streamedExec } from '../exec-stream.ts'
import { type ExecSession, openSession } from '../exec-session.ts'
import type { AttachMessage, ExecMessage } from '../exec-socket.ts'
import type { RequestOptions } from '../transport.ts'
import type {
  AttachOptions,
  DetachedCommand,
  DetachedLogsResponse,
  DetachedOutputOptions,
  ExecOptions,
  ExecStreamEvent,
  ExecStreamOptions,
  OpenExecOptions,
  RunOutput,
} from '../types/commands.ts'
import type { ByteDownload } from '../types/files.ts'
import { checkTimeout } from '../config.ts'
import { route } from '../url.ts'
import { SandboxesClient } from './sandboxes.ts'

/** Commands in sandboxes that stay. Each may fail with `sandbox_not_found` and `sandbox_not_running`. */
export abstract class ExecClient extends SandboxesClient {
  /** Runs a command and collects its output. Errors: `command_failed` when it ends with another status than 0, `command_not_found`. */
  async execInSandbox(name: string, command: readonly string[], options: ExecOptions = {}): Promise<RunOutput> {
    return this.api.json('POST', route('sandboxes', name, 'exec'), { body: execBody(command, options), options })
  }

  /**
   * Runs a command and yields its output as it comes. A command that ends with another status than 0 is `done`, not an error. Leaving
   * the loop ends the command. With `stdin` or `tty` it goes over a WebSocket, otherwise over server-sent events.
   */
  async *execStream(
    name: string,
    command: readonly string[],
    options: ExecStreamOptions & { stdin?: ByteSource } = {},
  ): AsyncGenerator<ExecStreamEvent, void, void> {
    const { stdin, ...rest } = options
    if (stdin === undefined && options.tty === undefined) {
      yield* streamedExec(this.api, route('sandboxes', name, 'exec', 'stream'), execBody(command, options), options)
    } else {
      yield* sessionEvents(await this.openExec(name, command, { ...rest, stdin: stdin !== undefined }), stdin)
    }
  }

  /** Starts a command and gives its streams: to write to it, to signal it, to give it a terminal. Needs a WebSocket. */
  async openExec(name: string, command: readonly string[], options: OpenExecOptions = {}): Promise<ExecSession> {
    const { tty, stdin = true } = options
    const first: ExecMessage = { type: 'exec', ...execBody(command, options), stdin, ...(tty && { tty }) }
    return this.#open(name, route('sandboxes', name, 'exec', 'ws'), first, options)
  }

  /** Comes to a command that was started elsewhere, from any point of its output on. Leaving does not end it. Needs a WebSocket. */
  async attachExec(name: string, id: string, options: AttachOptions = {}): Promise<ExecSession> {
    const { stdout = 0, stderr = 0, stdin = false } = options
    const first: AttachMessage = { type: 'attach', stdout, stderr, stdin }
    return this.#open(name, route('sandboxes', name, 'exec', 'detached', id, 'ws'), first, options)
  }

  /** Starts a command and leaves it. */
  async execDetached(name: string, command: readonly string[], options: ExecOptions = {}): Promise<DetachedCommand> {
    return this.api.json('POST', route('sandboxes', name, 'exec', 'detach'), { body: execBody(command, options), options })
  }

  /** Errors: `exec_not_found`. */
  async detachedStatus(name: string, id: string, options?: RequestOptions): Promise<DetachedCommand> {
    return this.api.json('GET', route('sandboxes', name, 'exec', 'detached', id), { options })
  }

  /** What a command has written so far, as text. @param stream default: `stdout` */
  async detachedLogs(name: string, id: string, stream?: 'stdout' | 'stderr', options?: RequestOptions): Promise<DetachedLogsResponse> {
    return this.api.json('GET', route('sandboxes', name, 'exec', 'detached', id, 'logs'), { query: { stream }, options })
  }

  /** What a command writes, as bytes: from any offset on, and with `follow` until it has ended. */
  async detachedOutput(name: string, id: string, options: DetachedOutputOptions = {}): Promise<ByteDownload> {
    const { stream, offset = 0, follow } = options
    const path = route('sandboxes', name, 'exec', 'detached', id, 'output')
    return download(this.api, path, { query: { stream, offset, follow }, options }, offset)
  }

  async detachedKill(name: string, id: string, options?: RequestOptions): Promise<void> {
    await this.api.json('DELETE', route('sandboxes', name, 'exec', 'detached', id), { options })
  }

  async detachedList(name: string, options?: RequestOptions): Promise<DetachedCommand[]> {
    return this.api.json('GET', route('sandboxes', name, 'exec', 'detached'), { options })
  }

  #open(
    name: string,
    path: string,
    first: ExecMessage | AttachMessage,
    options: { signal?: AbortSignal; timeout?: number },
  ): Promise<ExecSession> {
    const { signal, timeout } = options
    return openSession({
      config: this.api.config,
      path,
      headers: this.api.authHeaders(),
      first,
      signal,
      timeout: timeout === undefined ? this.api.config.timeout : checkTimeout(timeout),
      explain: (limit) => this.getSandbox(name, { signal: limit }),
    })
  }
}

function execBody(
  command: readonly string[],
  { env, workdir, sudo, timeout_ms, allow, block, network }: ExecOptions,
): Omit<ExecMessage, 'type'> {
  return {
    command,
    ...(env && { env }),
    ...(workdir !== undefined && { workdir }),
    ...(sudo !== undefined && { sudo }),
    ...(timeout_ms !== undefined && { timeout_ms }),
    ...(allow && { allow }),
    ...(block && { block }),
    ...(network !== undefined && { network }),
  }
}
