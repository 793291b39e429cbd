import { readFileSync } from 'node:fs'
import { BINARY, within } from './kit.ts'
import type { User } from './kit.ts'

/** A program on a real terminal, and a person who types and waits for what appears. */
export class TerminalSession {
  screen = ''
  #bytes = Buffer.alloc(0)
  #waiting: (() => void)[] = []
  readonly child: ReturnType<typeof Bun.spawn>

  constructor(user: User, command: readonly string[], env: Readonly<Record<string, string>> = {}) {
    const decoder = new TextDecoder()
    this.child = Bun.spawn([...command], {
      cwd: user.project,
      env: { ...user.env, TERM: 'xterm', ...env },
      terminal: {
        cols: 100,
        rows: 30,
        data: (_, bytes) => {
          this.#bytes = Buffer.concat([this.#bytes, bytes])
          this.screen += decoder.decode(bytes, { stream: true })
          this.#waiting.splice(0).forEach((look) => look())
        },
      },
    })
  }

  /** A shell of the host on the terminal, in which `ak` is the program. */
  static shell(user: User, script: string): TerminalSession {
    return new TerminalSession(user, ['bash', '-c', `ak() { '${BINARY}' "$@"; }\n${script}`])
  }

  static run(user: User, args: readonly string[]): TerminalSession {
    return new TerminalSession(user, [BINARY, 'run', ...args])
  }

  write(text: string): void {
    this.child.terminal!.write(text)
  }

  resize(cols: number, rows: number): void {
    this.child.terminal!.resize(cols, rows)
  }

  /** Resolves when `text` appears behind what was waited for before. */
  async until(text: string | RegExp): Promise<RegExpExecArray> {
    const pattern = typeof text === 'string' ? new RegExp(RegExp.escape(text)) : text
    let found: RegExpExecArray | null
    const look = async (): Promise<RegExpExecArray> => {
      while ((found = pattern.exec(this.screen)) === null) await new Promise<void>((resolve) => this.#waiting.push(resolve))
      this.screen = this.screen.slice(found.index + found[0].length)
      return found
    }
    try {
      return await within(look(), String(text))
    } catch (error) {
      throw new Error(`${String(error)} on the screen ${JSON.stringify(this.screen.slice(-2_000))}`, { cause: error })
    }
  }

  /** Types `text` again and again until its answer appears. */
  async typeUntil(text: string, answer: RegExp): Promise<void> {
    const typing = setInterval(() => this.write(text), 200)
    try {
      await this.until(answer)
    } finally {
      clearInterval(typing)
    }
  }

  async ended(): Promise<number> {
    return within(this.child.exited, 'the end of the program')
  }

  /** Everything that was ever written to the terminal. */
  bytes(): Buffer {
    return this.#bytes
  }

  /** `S`, `R`, `T`, ... of a process. */
  state(pid = this.child.pid): string {
    return /^State:\s+(\w)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? '?'
  }

  close(): void {
    this.child.kill('SIGKILL')
    this.child.terminal?.close()
  }
}
