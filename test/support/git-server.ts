import { mkdirSync } from 'node:fs'
import { join } from 'node:path'

/** A real git server: `git http-backend`, with a certificate behind TLS. Repositories are below `folder`; anybody may push, also what is no fast-forward. */
export class GitServer {
  readonly folder: string
  /** `METHOD PATH` of each request that arrived. */
  readonly requests: string[] = []
  readonly #server: Bun.Server<undefined>

  constructor(folder: string, tls?: { readonly cert: string; readonly key: string }) {
    this.folder = folder
    this.#server = Bun.serve({
      port: 0,
      hostname: '127.0.0.1',
      ...(tls === undefined ? {} : { tls }),
      idleTimeout: 0,
      fetch: (request) => this.#answer(request),
    })
  }

  get port(): number {
    return this.#server.port!
  }

  /** An empty repository. */
  create(name: string): string {
    const path = join(this.folder, name)
    mkdirSync(path, { recursive: true })
    for (const args of [
      ['init', '-q', '--bare', '-b', 'main', path],
      ['-C', path, 'config', 'http.receivepack', 'true'],
      ['-C', path, 'config', 'receive.denyDeleteCurrent', 'ignore'],
      ['-C', path, 'config', 'receive.advertisePushOptions', 'true'],
    ]) {
      const { exitCode, stderr } = Bun.spawnSync(['git', ...args], { env: gitEnv(this.folder) })
      if (exitCode !== 0) throw new Error(stderr.toString())
    }
    return path
  }

  /** The id that a ref has; undefined: there is none. */
  ref(repo: string, name: string): string | undefined {
    const { exitCode, stdout } = Bun.spawnSync(['git', '-C', join(this.folder, repo), 'rev-parse', '-q', '--verify', name], {
      env: gitEnv(this.folder),
    })
    return exitCode === 0 ? stdout.toString().trim() : undefined
  }

  async close(): Promise<void> {
    await this.#server.stop(true)
  }

  async #answer(request: Request): Promise<Response> {
    const { pathname, search } = new URL(request.url)
    this.requests.push(`${request.method} ${pathname}`)
    const body = new Uint8Array(await request.arrayBuffer())
    const backend = Bun.spawn(['git', 'http-backend'], {
      stdin: body,
      stdout: 'pipe',
      stderr: 'ignore',
      env: {
        ...gitEnv(this.folder),
        GIT_PROJECT_ROOT: this.folder,
        GIT_HTTP_EXPORT_ALL: '1',
        PATH_INFO: pathname,
        QUERY_STRING: search.slice(1),
        REQUEST_METHOD: request.method,
        CONTENT_TYPE: request.headers.get('content-type') ?? '',
        CONTENT_LENGTH: `${body.length}`,
        HTTP_CONTENT_ENCODING: request.headers.get('content-encoding') ?? '',
        GIT_PROTOCOL: request.headers.get('git-protocol') ?? '',
        REMOTE_USER: 'somebody',
        REMOTE_ADDR: '127.0.0.1',
      },
    })
    return fromCgi(Buffer.from(await new Response(backend.stdout).arrayBuffer()))
  }
}

function fromCgi(output: Buffer): Response {
  const end = output.indexOf('\r\n\r\n')
  const headers = new Headers()
  let status = 200
  for (const line of output.toString('latin1', 0, Math.max(0, end)).split('\r\n')) {
    const [name = '', value = ''] = line.split(/: ?(.*)/)
    if (name.toLowerCase() === 'status') status = Number.parseInt(value, 10)
    else if (name !== '') headers.append(name, value)
  }
  return new Response(output.subarray(end + 4), { status, headers })
}

/** Nothing of this machine's own configuration. */
export function gitEnv(home: string): Record<string, string> {
  return {
    PATH: process.env['PATH'] ?? '',
    HOME: home,
    GIT_CONFIG_NOSYSTEM: '1',
    GIT_TERMINAL_PROMPT: '0',
    GIT_AUTHOR_NAME: 'a',
    GIT_AUTHOR_EMAIL: 'a@example.com',
    GIT_COMMITTER_NAME: 'a',
    GIT_COMMITTER_EMAIL: 'a@example.com',
  }
}
