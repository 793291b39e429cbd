import { BenchError } from './world.ts'
import type { Answer, Task } from './network-client.ts'
import { cpuMs } from './process-usage.ts'

/** A task may take so long, in ms. */
const TASK_LIMIT_MS = 240_000
const LAST_WORDS = 400

/** What a task cost the process that passed its bytes on. */
export interface Measured<T> {
  readonly answer: T
  /** Processor time of the gateway in ms; 0 where there is none. */
  readonly gatewayMs: number
}

/** The client in some place: beside the sandboxes, in a `run`, in a sandbox that stays. */
export class Place {
  readonly name: string
  /** Of the process that has the gateway. */
  readonly gateway: number | undefined
  readonly pid: number
  readonly #process: Bun.Subprocess<'pipe', 'pipe', 'pipe'>
  readonly #lines: AsyncIterator<string>
  readonly #said: Promise<string>

  private constructor(name: string, process: Bun.Subprocess<'pipe', 'pipe', 'pipe'>, gateway: number | 'itself' | undefined) {
    this.name = name
    this.pid = process.pid
    this.gateway = gateway === 'itself' ? process.pid : gateway
    this.#process = process
    this.#lines = linesOf(process.stdout)
    this.#said = new Response(process.stderr).text()
  }

  /** Resolves when the client is there. `gateway`: the process that has the gateway; `itself` is the one that is started. */
  static async start(
    name: string,
    command: readonly string[],
    { env, gateway }: { readonly env: Readonly<Record<string, string>>; readonly gateway?: number | 'itself' },
  ): Promise<Place> {
    const child = Bun.spawn([...command], { env, stdin: 'pipe', stdout: 'pipe', stderr: 'pipe' })
    const place = new Place(name, child, gateway)
    await place.#next()
    return place
  }

  async ask<T extends Task>(task: T): Promise<Measured<Answer<T>>> {
    const before = this.#gatewayMs()
    void this.#process.stdin.write(`${JSON.stringify(task)}\n`)
    await this.#process.stdin.flush()
    const answer = await this.#next<Answer<T> & { error?: string }>()
    if (answer.error !== undefined) throw new BenchError(`${this.name}, ${task.task}: ${answer.error}`)
    return { answer, gatewayMs: this.#gatewayMs() - before }
  }

  /** Resolves when the client and what was around it have ended. */
  async end(): Promise<void> {
    await this.#process.stdin.end()
    const limit = setTimeout(() => this.#process.kill('SIGKILL'), 5_000)
    await this.#process.exited
    clearTimeout(limit)
  }

  #gatewayMs(): number {
    return this.gateway === undefined ? 0 : cpuMs(this.gateway)
  }

  async #next<T>(): Promise<T> {
    const limit = setTimeout(() => this.#process.kill('SIGKILL'), TASK_LIMIT_MS)
    const { value, done } = await this.#lines.next()
    clearTimeout(limit)
    if (done !== true) return JSON.parse(value) as T
    throw new BenchError(`${this.name} ended: ${(await this.#said).trim().slice(-LAST_WORDS) || 'it said nothing'}`)
  }
}

async function* linesOf(stream: ReadableStream<Uint8Array>): AsyncGenerator<string, void> {
  const decoder = new TextDecoder()
  let rest = ''
  for await (const bytes of stream) {
    const lines = (rest + decoder.decode(bytes, { stream: true })).split('\n')
    rest = lines.pop() ?? ''
    yield* lines
  }
}
