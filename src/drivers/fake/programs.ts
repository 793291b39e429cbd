import { constants } from 'node:os'
import type { Life } from './life.ts'
import { parseScript } from './script.ts'

/** What a pretended program can see and do. */
export interface Machine {
  readonly env: Readonly<Record<string, string>>
  readonly cwd: string
  readonly life: Life
  readonly input: () => AsyncIterable<Uint8Array>
  readonly write: (to: 'out' | 'err', bytes: Uint8Array) => Promise<void>
  readonly wait: (ms: number) => Promise<void>
  /** Work started with `&`. */
  readonly jobs: Promise<unknown>[]
}

/** A pretended program: from its arguments to its exit status. `out` is where its standard output goes. */
type Program = (machine: Machine, args: readonly string[], out: 'out' | 'err') => Promise<number>

const text = (value: string): Uint8Array => new TextEncoder().encode(value)

const programs: Readonly<Record<string, Program>> = {
  true: () => Promise.resolve(0),
  false: () => Promise.resolve(1),
  echo: async (machine, args, out) => {
    await machine.write(out, text(`${args.join(' ')}\n`))
    return 0
  },
  printf: async (machine, [format = '', ...args], out) => {
    await machine.write(out, formatted(format, args))
    return 0
  },
  cat: async (machine, _args, out) => {
    for await (const bytes of machine.input()) await machine.write(out, bytes)
    return 0
  },
  sleep: async (machine, [seconds]) => {
    await machine.wait(Number(seconds) * 1000)
    return 0
  },
  pwd: async (machine, _args, out) => {
    await machine.write(out, text(`${machine.cwd}\n`))
    return 0
  },
  env: async (machine, _args, out) => {
    const lines = Object.entries(machine.env).map(([key, value]) => `${key}=${value}\n`)
    await machine.write(out, text(lines.join('')))
    return 0
  },
  printenv: async (machine, [name = ''], out) => {
    const value = machine.env[name]
    if (value === undefined) return 1
    await machine.write(out, text(`${value}\n`))
    return 0
  },
  sh: async (machine, args) => {
    if (args[0] !== '-c') return 2
    return runScript(machine, args[1] ?? '')
  },
}

/** Words that only a script knows. */
const builtins: Readonly<Record<string, Program>> = {
  exit: (machine, [status = '0']) => {
    machine.life.end({ ended: 'exited', status: Number(status) & 0xff })
    return Promise.resolve(0)
  },
  // Only `kill -N $$` and `kill -NAME $$`: there is no other process.
  kill: (machine, [signal = '-TERM']) => {
    machine.life.deliver(signalNumber(signal.slice(1)))
    return Promise.resolve(0)
  },
  trap: (machine, [action = '', ...signals]) => {
    for (const signal of signals) machine.life.handle(signalNumber(signal), () => void machine.jobs.push(runScript(machine, action)))
    return Promise.resolve(0)
  },
  exec: (machine, [word = '', ...args], out) => {
    const program = lookUp(word)
    return typeof program === 'string' ? Promise.resolve(127) : program(machine, args, out)
  },
  wait: async (machine) => {
    await Promise.race([Promise.all(machine.jobs), machine.life.ended])
    return 0
  },
}

/** Files that exist in every root file system and cannot be executed. */
const NOT_EXECUTABLE: readonly string[] = ['/', '/etc/passwd', '/usr', '/tmp']

/** Finds out what a program word stands for, as the kernel would at exec. */
export function lookUp(word: string): Program | 'missing' | 'not_executable' {
  if (NOT_EXECUTABLE.includes(word)) return 'not_executable'
  const folder = word.slice(0, word.lastIndexOf('/') + 1)
  const name = word.slice(folder.length)
  if (!['', '/bin/', '/usr/bin/'].includes(folder) || !Object.hasOwn(programs, name)) return 'missing'
  return programs[name]!
}

/** Runs a script and resolves with the status of its last command, or at the end of the life. */
async function runScript(machine: Machine, script: string): Promise<number> {
  let status = 0
  for (const { words, background, toError } of parseScript(script)) {
    if (machine.life.over.aborted) break
    const [word = '', ...args] = words
    const program = Object.hasOwn(builtins, word) ? builtins[word]! : lookUp(word)
    if (typeof program === 'string') {
      await machine.write('err', text(`sh: ${word}: not found\n`))
      status = program === 'missing' ? 127 : 126
      continue
    }
    const running = program(machine, args, toError ? 'err' : 'out')
    if (background) machine.jobs.push(running)
    else status = await running
  }
  return status
}

function signalNumber(name: string): number {
  const signals: Readonly<Record<string, number>> = constants.signals
  return signals[`SIG${name}`] ?? Number(name)
}

/** `printf`: `%s`, `\n`, `\t`, `\\` and `\NNN` (octal, a raw byte), the format repeated while arguments are left. */
function formatted(format: string, args: readonly string[]): Uint8Array {
  const left = [...args]
  const parts: Uint8Array[] = []
  do {
    for (const [piece] of format.matchAll(/%s|%%|\\[0-7]{1,3}|\\.|[^%\\]+|./gs)) parts.push(formattedPiece(piece, left))
  } while (left.length > 0 && format.includes('%s'))
  return new Uint8Array(Buffer.concat(parts))
}

const ESCAPES: Readonly<Record<string, string>> = { '\\n': '\n', '\\t': '\t', '\\\\': '\\', '%%': '%' }

function formattedPiece(piece: string, args: string[]): Uint8Array {
  if (piece === '%s') return text(args.shift() ?? '')
  if (/^\\[0-7]/.test(piece)) return Uint8Array.of(Number.parseInt(piece.slice(1), 8) & 0xff)
  return text(ESCAPES[piece] ?? piece)
}
