import type { ByteSource } from './bytes.ts'
import { NotFoundError } from './errors.ts'
import type { ExecSession } from './exec-session.ts'
import type { FilesClient } from './client/files.ts'
import type { RequestOptions } from './transport.ts'
import type { ExecOptions, ExecStreamEvent, ExecStreamOptions, OpenExecOptions, RunOutput } from './types/commands.ts'
import type { BatchFileWriteResponse, FileReadResponse, FileWriteOptions } from './types/files.ts'
import type { SandboxInfo } from './types/sandboxes.ts'

/** One sandbox, which is removed when its holder leaves: `await using box = await client.sandbox('name')`. */
export class SandboxSession implements AsyncDisposable {
  readonly name: string
  readonly #client: FilesClient
  #removal: Promise<void> | undefined

  /** A session of a sandbox that exists. `client.sandbox` makes one. */
  constructor(name: string, client: FilesClient) {
    this.name = name
    this.#client = client
  }

  /** Runs a command and collects its output. Errors: `command_failed` when it ends with another status than 0. */
  run(command: readonly string[], options?: ExecOptions): Promise<RunOutput> {
    return this.#client.execInSandbox(this.name, command, options)
  }

  /** The same as `run`. */
  exec(command: readonly string[], options?: ExecOptions): Promise<RunOutput> {
    return this.run(command, options)
  }

  /** Runs a command and yields its output as it comes. */
  execStream(
    command: readonly string[],
    options?: ExecStreamOptions & { stdin?: ByteSource },
  ): AsyncGenerator<ExecStreamEvent, void, void> {
    return this.#client.execStream(this.name, command, options)
  }

  /** Starts a command and gives its streams. */
  openExec(command: readonly string[], options?: OpenExecOptions): Promise<ExecSession> {
    return this.#client.openExec(this.name, command, options)
  }

  info(options?: RequestOptions): Promise<SandboxInfo> {
    return this.#client.getSandbox(this.name, options)
  }

  readFile(path: string, options?: RequestOptions): Promise<FileReadResponse> {
    return this.#client.readFile(this.name, path, options)
  }

  writeFile(path: string, content: string, options?: FileWriteOptions): Promise<string> {
    return this.#client.writeFile(this.name, path, content, options)
  }

  /** Writes several files of text, by their path. */
  writeFiles(files: Record<string, string>, options?: RequestOptions): Promise<BatchFileWriteResponse> {
    return this.#client.writeFiles(this.name, files, options)
  }

  /** Removes the sandbox. Calling it again is safe; one that is gone already is a success; after a failure it tries again. */
  remove(): Promise<void> {
    this.#removal ??= this.#remove().catch((error: unknown) => {
      this.#removal = undefined
      throw error
    })
    return this.#removal
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.remove()
  }

  async #remove(): Promise<void> {
    try {
      await this.#client.removeSandbox(this.name)
    } catch (error) {
      if (!(error instanceof NotFoundError) || error.code === 'route_not_found') throw error
    }
  }
}
