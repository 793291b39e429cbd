import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { spawn, spawnSync } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { publint } from 'publint'
import * as sdk from '../src/index.ts'
import { data, events, FixtureServer, refusal, type Seen } from './fixture-server.ts'
import { type InstalledPackage, installPackage } from './installed-package.ts'
import { runtimes } from './runtimes.ts'

const ROOT = join(import.meta.dir, '../../..')
const RUN_LIMIT_MS = 20_000

let installed: InstalledPackage
beforeAll(async () => {
  installed = await installPackage()
})
afterAll(() => installed[Symbol.dispose]())

describe('the package', () => {
  test('has nothing that publint would say', async () => {
    const { messages } = await publint({ pkgDir: installed.folder, strict: true })
    expect(messages).toEqual([])
  })

  test('installs nothing besides itself and runs nothing', () => {
    const fields = JSON.parse(readFileSync(join(installed.folder, 'package.json'), 'utf8')) as Record<string, unknown>
    for (const field of ['dependencies', 'peerDependencies', 'optionalDependencies', 'bundleDependencies'])
      expect(fields).not.toContainKey(field)
    // Neither is run by those who install it.
    expect(Object.keys(fields['scripts'] as object)).toEqual(['build', 'prepack'])
    expect(fields).toMatchObject({ name: 'agentkernel', license: 'MIT', engines: { node: '>=20' } })
  })

  test('holds code, types and what is to be read, no tests and no sources', () => {
    expect(installed.files.filter((file) => !file.endsWith('.d.ts'))).toEqual([
      'LICENSE',
      'README.md',
      'dist/cjs/index.js',
      'dist/cjs/package.json',
      'dist/index.js',
      'package.json',
    ])
    expect(installed.files).toContain('dist/index.d.ts')
    expect(installed.files).toContain('dist/cjs/index.d.ts')
  })

  test('names no runtime’s own modules', () => {
    for (const file of ['dist/index.js', 'dist/cjs/index.js']) {
      expect(readFileSync(join(installed.folder, file), 'utf8')).not.toMatch(/\b(?:require\(|from\s+["']|import\()/)
    }
  })
})

/** The answers that `consumers/behaviour.mjs` expects. */
function reply({ method, path, body, headers }: Seen): Response | Promise<Response> {
  if (headers.get('authorization') !== 'Bearer key-1') return refusal(401, { error: 'Invalid API key', code: 'unauthorized' })
  const route = `${method} ${path}`
  if (path === '/never') return new Promise(() => undefined)
  if (route === 'GET /health') return data('ok')
  if (route === 'POST /run') return data({ output: 'hi\n', exit_code: 0 })
  if (route === 'GET /sandboxes/missing') return refusal(404, { error: 'Sandbox not found', code: 'sandbox_not_found' })
  if (path === '/snapshots') return refusal(501, { error: 'snapshots come later', code: 'not_available_yet' })
  if (path.endsWith('/exec'))
    return body.includes('false') ? refusal(409, { error: 'exit 1', exit_code: 1, output: 'no' }) : data({ output: 'yes' })
  const done = ['done', { exit_code: 0, success: true, ended: 'exited', duration_ms: 1 }] as const
  if (path.endsWith('/stream'))
    return events([['started', { exec_id: 'e1' }], ': ping\n\n', ['output', { data: 'hé', stream: 'stdout' }], done])
  if (path === '/events') {
    const last = Number(headers.get('last-event-id') ?? 0)
    return events(['retry: 1\n', `id: ${last + 1}\nevent: sandbox.created\ndata: {"id":${last + 1}}\n\n`])
  }
  if (route === 'PUT /sandboxes/box/raw/big') return data({ path: '/big', written: body.length })
  if (path === '/sandboxes/box/raw/big') return new Response(new Uint8Array(1 << 22))
  if (path === '/sandboxes/box/raw/digits') {
    const range = headers.has('range')
    return new Response(range ? '234' : '0123456789', range ? { status: 206, headers: { 'Content-Range': 'bytes 2-4/10' } } : {})
  }
  return data({ name: 'box', status: 'running', backend: 'b' })
}

function fixture(): FixtureServer {
  return new FixtureServer(reply, {
    protocol: 'agentkernel.v1',
    socket: {
      message: (socket, message) => {
        if (typeof message !== 'string') socket.send(Buffer.concat([Buffer.from([1]), message.subarray(1)]))
        else if (message.includes('"exec"')) socket.send('{"type":"started","id":"e1","pid":42}')
        else if (message.includes('stdin_eof')) socket.send('{"type":"exit","exit_code":0,"ended":"exited","duration_ms":1}')
      },
    },
  })
}

const EXPECTED = {
  exports: Object.keys(sdk).toSorted(),
  health: 'ok',
  run: { output: 'hi\n', exit_code: 0 },
  notFound: ['NotFoundError', 404, 'sandbox_not_found', true],
  notFoundClass: true,
  later: true,
  failed: [true, 1, 'no'],
  timeout: true,
  abort: 'enough',
  unreachable: ['NetworkError', 0, 'daemon_unreachable', true],
  runStream: ['started', 'output', 'done'],
  execStream: ['started', 'hé', 'done'],
  events: 6,
  upload: { path: '/big', written: 1 << 22 },
  download: 1 << 22,
  part: '234',
  stream: '0123456789',
  session: ['box', 'yes'],
  socket: [42, 'hello', 0],
}

async function run(command: readonly string[], cwd: string): Promise<unknown> {
  const child = spawn(command[0]!, command.slice(1), { cwd, env: { PATH: process.env['PATH'], NO_COLOR: '1' }, timeout: RUN_LIMIT_MS })
  const said = { out: '', err: '' }
  child.stdout.on('data', (text) => (said.out += String(text)))
  child.stderr.on('data', (text) => (said.err += String(text)))
  const code = await new Promise((resolve, reject) => child.on('error', reject).on('close', resolve))
  expect({ code, err: said.err }).toEqual({ code: 0, err: '' })
  return JSON.parse(said.out)
}

const RUNTIMES = runtimes()
/** The key, in a header or in base64url among the protocols. */
const KEY = /^Bearer key-1$|(?:^|, ?)agentkernel\.bearer\.a2V5LTE$/

for (const { title, command, missing } of RUNTIMES) {
  describe.skipIf(missing !== undefined)(missing === undefined ? title : `${title} (${missing})`, () => {
    const hasSocket = title !== 'Node 20'

    test('does everything that the package can', async () => {
      using server = fixture()
      const expected = hasSocket ? EXPECTED : { ...EXPECTED, socket: ['ValidationError', 400, 'usage', true] }
      expect(await run([...command, 'behaviour.mjs', server.url], installed.project)).toEqual(expected)
      // A page of another site would name its origin; a program that does is refused.
      expect(server.seen.filter(({ headers }) => headers.has('origin')).map(({ path }) => path)).toEqual([])
      const [sockets, requests] = [true, false].map((is) => server.seen.filter(({ headers }) => headers.has('upgrade') === is))
      expect(new Set(requests!.map(({ headers }) => headers.get('user-agent')))).toEqual(new Set([`agentkernel-nodejs-sdk/${sdk.VERSION}`]))
      expect(sockets).toHaveLength(hasSocket ? 1 : 0)
      for (const { headers } of sockets!) expect(headers.get('authorization') ?? headers.get('sec-websocket-protocol')).toMatch(KEY)
    })

    // Deno has its own, and would ask for the permission to read what that package reads.
    test.skipIf(title.startsWith('Deno'))('opens WebSockets with the package ws (not on Deno, which has its own)', async () => {
      using server = fixture()
      expect(await run([...command, 'behaviour.mjs', server.url, 'ws'], installed.project)).toEqual(EXPECTED)
    })

    test('loads it with require', async () => {
      using server = fixture()
      expect(await run([...command, 'commonjs.cjs', server.url], installed.project)).toEqual(['hi\n', true, true])
    })
  })
}

describe('types', () => {
  const compile = (name: string, files: readonly string[], options: object): string => {
    const config = join(installed.project, `tsconfig.${name}.json`)
    const base = { strict: true, noEmit: true, skipLibCheck: false, target: 'es2022', module: 'nodenext' }
    writeFileSync(config, JSON.stringify({ compilerOptions: { ...base, ...options }, files }))
    const child = spawnSync(join(ROOT, 'node_modules/.bin/tsc'), ['-p', config], { encoding: 'utf8', cwd: installed.project })
    return child.stdout
  }
  const program = (): string => readFileSync(join(installed.project, 'as-published.ts'), 'utf8')

  test('accept a program of the published package, as an ES module and as CommonJS', () => {
    writeFileSync(join(installed.project, 'module.mts'), program())
    writeFileSync(join(installed.project, 'script.cts'), program())
    expect(compile('node', ['module.mts', 'script.cts'], { lib: ['es2022'], types: ['node'] })).toBe('')
  })

  test('need no types of Node where there are those of the web', () => {
    writeFileSync(join(installed.project, 'web.mts'), program())
    const lib = ['es2022', 'dom', 'dom.iterable', 'dom.asynciterable']
    expect(compile('web', ['web.mts'], { lib, types: [] })).toBe('')
  })

  test('hold under the strictest options', () => {
    writeFileSync(
      join(installed.project, 'strict.mts'),
      program()
        .replaceAll(/event\.data\.(\w+)/g, "event.data['$1']")
        .replaceAll(/\b(created|object|schedule|store)\.id/g, "$1['id']"),
    )
    const strictest = { exactOptionalPropertyTypes: true, noUncheckedIndexedAccess: true, noPropertyAccessFromIndexSignature: true }
    expect(compile('strict', ['strict.mts'], { lib: ['es2022'], types: ['node'], ...strictest })).toBe('')
  })

  test('work for bundlers', () => {
    writeFileSync(join(installed.project, 'bundled.ts'), program())
    expect(compile('bundler', ['bundled.ts'], { lib: ['es2022'], types: ['node'], module: 'esnext', moduleResolution: 'bundler' })).toBe('')
  })

  test('refuse what the package does not do', () => {
    writeFileSync(
      join(installed.project, 'wrong.mts'),
      "import { AgentKernel } from 'agentkernel'\nvoid new AgentKernel().run('echo hi')\nvoid new AgentKernel().createSandbox('a', { vcpu: 1 })\n",
    )
    const said = compile('wrong', ['wrong.mts'], { lib: ['es2022'], types: ['node'] })
    expect(said.match(/wrong\.mts\((?:2|3),/g)).toHaveLength(2)
  })
})
