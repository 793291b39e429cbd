import { join } from 'node:path'
import { AgentKernel, AgentKernelError } from '../../sdk/typescript/src/index.ts'
import { isAppError } from '../../src/contract/errors.ts'
import type { SandboxOperations } from '../../src/contract/sandbox-operations.ts'
import type { CreateRequest, ExecRequest } from '../../src/contract/sandboxes.ts'
import type { TestDaemon } from '../support/daemon.ts'

/** What every door must be able to do, reduced to what a case can compare. */
export interface Door {
  readonly create: (
    request: CreateRequest,
  ) => Promise<Outcome<{ readonly status: string; readonly image: string; readonly profile: string }>>
  readonly info: (name: string) => Promise<Outcome<{ readonly name: string; readonly status: string; readonly labels: unknown }>>
  readonly list: (labels?: Readonly<Record<string, string>>) => Promise<Outcome<readonly string[]>>
  readonly start: (name: string) => Promise<Outcome<null>>
  readonly stop: (name: string) => Promise<Outcome<null>>
  readonly remove: (name: string) => Promise<Outcome<null>>
  readonly exec: (
    name: string,
    request: ExecRequest,
  ) => Promise<Outcome<{ readonly stdout: string; readonly stderr: string; readonly exit: number }>>
  readonly write: (name: string, path: string, text: string) => Promise<Outcome<null>>
  readonly read: (name: string, path: string) => Promise<Outcome<string>>
  readonly extend: (name: string, by: string) => Promise<Outcome<boolean>>
}

/** The code of the error, or what came. */
export type Outcome<T> = { readonly ok: T } | { readonly code: string }

export const DOORS = ['engine', 'http', 'sdk', 'cli'] as const
export type DoorName = (typeof DOORS)[number]

export function openDoor(name: DoorName, daemon: TestDaemon, operations: SandboxOperations): Door {
  switch (name) {
    case 'engine':
      return engineDoor(operations)
    case 'http':
      return httpDoor(daemon)
    case 'sdk':
      return sdkDoor(daemon)
    default:
      return cliDoor(daemon)
  }
}

const CALLER = { caller: { door: 'socket', authenticated: true } } as const
const never = new AbortController().signal

async function outcome<T>(work: () => Promise<T>): Promise<Outcome<T>> {
  try {
    return { ok: await work() }
  } catch (error) {
    if (isAppError(error) || error instanceof AgentKernelError) return { code: error.code }
    throw error
  }
}

const done = (work: () => Promise<unknown>): Promise<Outcome<null>> =>
  outcome(async () => {
    await work()
    return null
  })

function engineDoor(operations: SandboxOperations): Door {
  return {
    create: (request) => outcome(async () => pick(await operations.create(request, CALLER, never))),
    info: (name) => outcome(async () => shown(await operations.get(name))),
    list: (labels) => outcome(async () => (await operations.list(labels === undefined ? {} : { labels })).map(({ name }) => name)),
    start: (name) => done(() => operations.start(name, never)),
    stop: (name) => done(() => operations.stop(name, never)),
    remove: (name) => done(() => operations.remove(name, never)),
    exec: (name, request) =>
      outcome(async () => {
        const { stdout, stderr, exit_code } = await operations.exec(name, request, CALLER, never)
        return { stdout, stderr, exit: exit_code }
      }),
    write: (name, path, text) => done(() => operations.writeFile(name, path, once(text), {}, never)),
    read: (name, path) => outcome(async () => textOf((await operations.readFile(name, path, {}, never)).bytes)),
    extend: (name, by) => outcome(async () => (await operations.extend(name, by)).expires_at !== null),
  }
}

function httpDoor({ fetch: ask }: TestDaemon): Door {
  const call = async <T>(method: string, path: string, body?: unknown): Promise<Outcome<T>> => {
    const reply = await ask(path, { method, ...(body === undefined ? {} : { body: JSON.stringify(body) }) })
    const answer = (await reply.json()) as { success: boolean; data: T; code: string }
    return answer.success ? { ok: answer.data } : { code: answer.code }
  }
  const mapped = async <A, B>(asked: Promise<Outcome<A>>, map: (value: A) => B): Promise<Outcome<B>> => {
    const got = await asked
    return 'ok' in got ? { ok: map(got.ok) } : got
  }
  return {
    create: (request) => mapped(call<Shown>('POST', '/sandboxes', request), pick),
    info: (name) => mapped(call<Shown>('GET', `/sandboxes/${name}`), shown),
    list: (labels = {}) =>
      mapped(
        call<Shown[]>(
          'GET',
          `/sandboxes?${Object.entries(labels)
            .map(([key, value]) => `label=${encodeURIComponent(`${key}:${value}`)}`)
            .join('&')}`,
        ),
        (all) => all.map(({ name }) => name),
      ),
    start: (name) => mapped(call('POST', `/sandboxes/${name}/start`), () => null),
    stop: (name) => mapped(call('POST', `/sandboxes/${name}/stop`), () => null),
    remove: (name) => mapped(call('DELETE', `/sandboxes/${name}`), () => null),
    exec: async (name, request) => {
      const reply = await ask(`/sandboxes/${name}/exec`, { method: 'POST', body: JSON.stringify(request) })
      const answer = (await reply.json()) as { success: boolean; code?: string; data?: Ended } & Partial<Ended>
      const ended = answer.data ?? (answer.code === 'command_failed' ? answer : undefined)
      if (ended?.exit_code === undefined) return { code: answer.code ?? 'none' }
      return { ok: { stdout: ended.stdout ?? '', stderr: ended.stderr ?? '', exit: ended.exit_code } }
    },
    write: (name, path, text) => mapped(call('PUT', `/sandboxes/${name}/files${path}`, { content: text }), () => null),
    read: (name, path) => mapped(call<{ content: string }>('GET', `/sandboxes/${name}/files${path}`), ({ content }) => content),
    extend: (name, by) =>
      mapped(call<{ expires_at: string | null }>('POST', `/sandboxes/${name}/extend`, { by }), ({ expires_at }) => expires_at !== null),
  }
}

interface Ended {
  readonly exit_code: number
  readonly stdout?: string
  readonly stderr?: string
}

function sdkDoor(daemon: TestDaemon): Door {
  const client = new AgentKernel({
    baseUrl: 'http://localhost',
    apiKey: daemon.token(),
    fetch: (url, init) => fetch(url, { ...init, unix: daemon.socket }),
  })
  return {
    create: ({ name, ...rest }) => outcome(async () => pick((await client.createSandbox(name, rest as object)) as unknown as Shown)),
    info: (name) => outcome(async () => shown((await client.getSandbox(name)) as unknown as Shown)),
    list: (labels) => outcome(async () => (await client.listSandboxes(labels === undefined ? {} : { labels })).map(({ name }) => name)),
    start: (name) => done(() => client.startSandbox(name)),
    stop: (name) => done(() => client.stopSandbox(name)),
    remove: (name) => done(() => client.removeSandbox(name)),
    exec: (name, { command, ...rest }) =>
      outcome(async () => {
        let [stdout, stderr, exit] = ['', '', -1]
        for await (const event of client.execStream(name, command, rest as object)) {
          if (event.type === 'done') exit = event.exit_code
          else if (event.type === 'output' && event.stream === 'stdout') stdout += event.data
          else if (event.type === 'output') stderr += event.data
        }
        return { stdout, stderr, exit }
      }),
    write: (name, path, text) => done(() => client.writeFile(name, path, text)),
    read: (name, path) => outcome(async () => (await client.readFile(name, path)).content),
    extend: (name, by) => outcome(async () => ((await client.extendTtl(name, { by })).expires_at ?? null) !== null),
  }
}

/** The built program, as a user calls it. */
function cliDoor(daemon: TestDaemon): Door {
  const program = join(import.meta.dir, '..', '..', 'build', 'agentkernel')
  const env = {
    PATH: process.env['PATH'] ?? '',
    HOME: daemon.home,
    XDG_DATA_HOME: join(daemon.home, 'xdg-data'),
    XDG_CONFIG_HOME: join(daemon.home, 'xdg-config'),
    XDG_RUNTIME_DIR: daemon.home,
  }
  const call = async (args: readonly string[], stdin?: string) => {
    const child = Bun.spawn([program, ...args], {
      env,
      cwd: '/',
      stdin: stdin === undefined ? 'ignore' : new Blob([stdin]),
      stdout: 'pipe',
      stderr: 'pipe',
    })
    const [stdout, stderr] = await Promise.all([new Response(child.stdout).text(), new Response(child.stderr).text()])
    return { stdout, stderr, exit: await child.exited }
  }
  const json = async <T, R>(args: readonly string[], map: (value: T) => R, command: readonly string[] = []): Promise<Outcome<R>> => {
    const { stdout, stderr, exit } = await call([...args, '--json', ...command])
    if (stdout === '') throw new RangeError(`no JSON from ${args.join(' ')}: ${stderr}`)
    const answer = JSON.parse(stdout) as T & { readonly error?: { readonly code: string } }
    if (exit === 0 || answer.error === undefined) return { ok: map(answer) }
    // What others find wrong in a request, the command line finds wrong in its words.
    return { code: answer.error.code === 'usage' ? 'invalid_argument' : answer.error.code }
  }
  const silent = () => null
  return {
    create: ({ name, profile, labels = {}, start }) =>
      json<Shown, ReturnType<typeof pick>>(
        [
          'sandbox',
          'create',
          name,
          ...(profile === undefined ? [] : ['--profile', profile]),
          ...Object.entries(labels).flatMap(([key, value]) => ['-l', `${key}=${value}`]),
          ...(start === false ? ['--no-start'] : []),
        ],
        pick,
      ),
    info: (name) => json<Shown, ReturnType<typeof shown>>(['sandbox', 'info', name], shown),
    list: (labels = {}) =>
      json<Shown[], string[]>(['sandbox', 'list', ...Object.entries(labels).flatMap(([key, value]) => ['-l', `${key}=${value}`])], (all) =>
        all.map(({ name }) => name),
      ),
    start: (name) => json(['sandbox', 'start', name], silent),
    stop: (name) => json(['sandbox', 'stop', name], silent),
    remove: (name) => json(['sandbox', 'remove', name], silent),
    exec: async (name, { command, env: variables = [], workdir }) => {
      const flags = [...variables.flatMap((text) => ['-e', text]), ...(workdir === undefined ? [] : ['-w', workdir])]
      return json<{ exit_code: number; stdout: string; stderr: string }, { stdout: string; stderr: string; exit: number }>(
        ['exec', name, ...flags],
        ({ stdout, stderr, exit_code }) => ({ stdout, stderr, exit: exit_code }),
        ['--', ...command],
      )
    },
    write: async (name, path, text) => {
      const { exit, stderr } = await call(['sandbox', 'cp', '-', `${name}:${path}`], text)
      return exit === 0 ? { ok: null } : { code: codeIn(stderr) }
    },
    read: async (name, path) => {
      const { exit, stdout, stderr } = await call(['sandbox', 'cp', `${name}:${path}`, '-'])
      return exit === 0 ? { ok: stdout } : { code: codeIn(stderr) }
    },
    extend: (name, by) =>
      json<{ expires_at: string | null }, boolean>(['sandbox', 'extend-ttl', name, '--by', by], ({ expires_at }) => expires_at !== null),
  }
}

/** Without `--json` a failure has no code; the cases that need one look at the words. */
function codeIn(stderr: string): string {
  if (/sandbox not found/i.test(stderr)) return 'sandbox_not_found'
  if (/not running/i.test(stderr)) return 'sandbox_not_running'
  if (/no such|not found/i.test(stderr)) return 'file_not_found'
  return 'path_forbidden'
}

interface Shown {
  readonly name: string
  readonly status: string
  readonly image: string
  readonly profile: string
  readonly labels?: unknown
}
const pick = ({ status, image, profile }: Shown) => ({ status, image, profile })
const shown = ({ name, status, labels }: Shown) => ({ name, status, labels: labels ?? {} })

async function* once(text: string): AsyncGenerator<Uint8Array> {
  yield new TextEncoder().encode(text)
}

async function textOf(bytes: AsyncIterable<Uint8Array>): Promise<string> {
  const parts: Uint8Array[] = []
  for await (const part of bytes) parts.push(part.slice())
  return Buffer.concat(parts).toString('utf8')
}
