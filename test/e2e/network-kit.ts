import { constants, copyFileSync, existsSync, mkdirSync, readdirSync, readFileSync } from 'node:fs'
import { homedir } from 'node:os'
import { join } from 'node:path'
import type { NetworkEvent } from '../../src/contract/network.ts'
import { labProblem, type NetworkLab, startLab } from '../support/lab/network-lab.ts'
import { LAB_TOKEN } from '../support/lab/site.ts'
import { ROOT } from '../support/source-files.ts'
import { BINARY, type Ended, eventually, type SpawnOptions, User } from './kit.ts'

export { LAB_TOKEN }

/** Why there is no network to test here; undefined: there is. */
export const NO_LAB = labProblem() ?? missing()
export const SKIPPED = NO_LAB === undefined ? '' : ` (skipped: ${NO_LAB})`

function missing(): string | undefined {
  if (!existsSync('/dev/net/tun')) return 'no /dev/net/tun here'
  const programs = ['/usr/bin/python3', 'curl', 'dig', 'openssl'].filter((name) => Bun.which(name) === null)
  return programs.length === 0 ? undefined : `no ${programs.join(', ')} here`
}

/** More would only wait for a processor, and make time limits meaningless. */
const MOST_AT_ONCE = 3
const PATIENCE_MS = 60_000
/** Tests that run at once wait for each other. */
export const LONGEST_MS = 120_000

/** A request as the lab's servers saw it. */
export interface Seen {
  readonly host: string
  readonly method: string
  readonly url: string
  readonly authorization?: string
  readonly headers: Readonly<Record<string, string>>
  /** The server's own address. */
  readonly at: string
}

/** A user who lives in the lab's near side: what their sandboxes reach is the far side. */
export class NetworkWorld {
  readonly lab: NetworkLab
  readonly user: User
  #running = 0
  readonly #waiting: (() => void)[] = []

  private constructor(lab: NetworkLab) {
    this.lab = lab
    this.user = new User()
    this.user.env['TESTKEY'] = LAB_TOKEN
  }

  static async start(): Promise<NetworkWorld> {
    return new NetworkWorld(await startLab())
  }

  async close(): Promise<void> {
    await this.lab.close()
    this.user.remove()
  }

  /** Arguments that start a program of the near side in the project. */
  near(command: readonly string[]): string[] {
    return [...this.lab.near, 'sh', '-c', 'cd "$0" && exec "$@"', this.user.project, ...command]
  }

  /** `agentkernel run`. The token is nowhere in what it writes, whatever the test is about. */
  async run(args: readonly string[], options: SpawnOptions = {}): Promise<Ended> {
    return this.agentkernel(['run', ...args], options)
  }

  async agentkernel(args: readonly string[], options: SpawnOptions = {}): Promise<Ended> {
    if (this.#running >= MOST_AT_ONCE) await new Promise<void>((resolve) => this.#waiting.push(resolve))
    this.#running++
    try {
      const ended = await this.user.spawn(this.near([BINARY, ...args]), { ms: PATIENCE_MS, ...options })
      if ((ended.stdout + ended.stderr).includes(LAB_TOKEN)) throw new Error(`the token came out of: ${args.join(' ')}`)
      return ended
    } finally {
      this.#running--
      this.#waiting.shift()?.()
    }
  }

  /** A shell script in a sandbox; throws unless it succeeds. */
  async script(flags: readonly string[], text: string, options: SpawnOptions = {}): Promise<string> {
    const { code, stdout, stderr } = await this.run([...flags, '--', 'sh', '-ec', text], options)
    if (code !== 0) throw new Error(`exit status ${code}\n${stdout}\n${stderr}`)
    return stdout
  }

  /** Runs Python with `say(value)` in a sandbox, and gives what it said. */
  async python(flags: readonly string[], text: string, options: SpawnOptions = {}): Promise<unknown[]> {
    const prelude = 'import json, socket, ssl, sys, time, urllib.request, errno\nsay = lambda value: print(json.dumps(value), flush=True)\n'
    const { code, stdout, stderr } = await this.run([...flags, '--', '/usr/bin/python3', '-c', prelude + text], options)
    if (code !== 0) throw new Error(`exit status ${code}\n${stdout}\n${stderr}`)
    return stdout
      .trimEnd()
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => JSON.parse(line) as unknown)
  }

  /** Requests that the lab's servers saw and that hold `mark` in their URL. */
  seen(mark: string): Seen[] {
    return this.lab
      .requests()
      .map((line) => JSON.parse(line) as Seen)
      .filter(({ url }) => url?.includes(mark) === true)
  }

  /** Names that the lab's DNS server was asked for and that hold `mark`. */
  asked(mark: string): string[] {
    return this.lab
      .requests()
      .map((line) => (JSON.parse(line) as { dns?: string }).dns ?? '')
      .filter((name) => name.includes(mark))
  }

  /** Puts tools of this machine that are no system's programs over a folder of the near side's system, where sandboxes see them. */
  bringTools(): void {
    const folder = join(this.lab.folder, 'tools')
    mkdirSync(join(folder, 'rust'), { recursive: true })
    for (const [name, source] of Object.entries({ bun: TOOLS.bun, deno: TOOLS.deno })) {
      if (source !== undefined) copyFileSync(source, join(folder, name), constants.COPYFILE_FICLONE)
    }
    const near = (...command: string[]) => Bun.spawnSync([...this.lab.near, ...command])
    if (TOOLS.rust !== undefined) near('mount', '-o', 'bind,ro', TOOLS.rust, join(folder, 'rust'))
    near('mount', '--rbind', folder, TOOLS_INSIDE)
    this.user.env['PATH'] = [TOOLS_INSIDE, `${TOOLS_INSIDE}/rust/bin`, '/usr/local/go/bin', this.user.env['PATH']].join(':')
  }

  /** Starts a server in the far side and waits until its port answers. What stops it. */
  async serve(command: readonly string[], port: number): Promise<() => Promise<void>> {
    const server = Bun.spawn([...this.lab.far, ...command], { stdin: 'ignore', stdout: 'ignore', stderr: 'ignore' })
    const answers = (): boolean =>
      Bun.spawnSync([...this.lab.far, 'bash', '-c', `exec 3<>/dev/tcp/44.44.44.12/${port}`], { stderr: 'ignore' }).exitCode === 0
    await eventually(answers, `port ${port} of the far side answers`)
    return async () => {
      server.kill('SIGINT')
      await server.exited
    }
  }
}

/** Through the gateway as it is, and opened, with the token put in. */
export const WAYS = [
  { way: 'passed through', name: 'plain', flags: (host: string) => ['--allow', host], site: 'https://api.lab.test' },
  {
    way: 'opened, with a secret',
    name: 'private',
    flags: (host: string) => ['-S', `TESTKEY:${host}`],
    site: 'https://api.lab.test/private',
  },
] as const

/** A folder of every system, empty as a rule. */
const TOOLS_INSIDE = '/usr/local/games'
/** A toolchain of Rust, a Bun and a Deno of this machine. */
export const TOOLS = {
  rust: folders(join(homedir(), '.rustup/toolchains')).find((folder) => existsSync(join(folder, 'bin/cargo'))),
  bun: process.execPath,
  deno: folders(join(ROOT, 'build/tools')).find((path) => /\/deno-[\d.]+$/.test(path)) ?? Bun.which('deno') ?? undefined,
}

function folders(path: string): string[] {
  return existsSync(path) ? readdirSync(path).map((name) => join(path, name)) : []
}

/** Each file below a folder that has these bytes in it. */
export function filesWith(folder: string, bytes: string): string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .filter((path) => readFileSync(path).includes(bytes))
}

/** Lines of a `--network-log`. */
export function readLog(path: string): NetworkEvent[] {
  return readFileSync(path, 'utf8')
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as NetworkEvent)
}

/** Python that asks many targets at once; see where it is used for what it answers. */
export const TRY_HOSTS = `
import concurrent.futures
def try_host(target, mark):
    host, port = target
    try:
        with socket.create_connection((host, port), 4) as s:
            name = f"[{host}]" if ":" in host else host
            s.sendall(f"GET /echo?{mark} HTTP/1.1\\r\\nHost: {name}\\r\\nConnection: close\\r\\n\\r\\n".encode())
            status = s.recv(99).split(b" ")[1:2]
            return "open" if status == [b"200"] else status[0].decode() if status else "closed"
    except OSError as error:
        return errno.errorcode.get(error.errno, str(error))
def try_hosts(targets, mark):
    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        return dict(zip([host for host, _ in targets], pool.map(try_host, targets, [mark] * len(targets))))
`

/** Python: `raw` sends bytes to port 80 of the allowed host, and gives the status of each answer; `attempt` gives the name of an error. */
export const RAW = `
def raw(*parts, host="api.lab.test"):
    with socket.create_connection((host, 80), 5) as s:
        s.settimeout(8)
        text = b""
        try:
            for part in parts: s.sendall(part)
            while chunk := s.recv(65536): text += chunk
        except OSError: pass
        return [int(line.split(b" ")[1]) for line in text.split(b"\\r\\n") if line.startswith(b"HTTP/1.1 ")]
H = b"Host: api.lab.test\\r\\nConnection: close\\r\\n"
def attempt(what):
    try: return what()
    except OSError as error: return errno.errorcode.get(error.errno, str(error))
`
