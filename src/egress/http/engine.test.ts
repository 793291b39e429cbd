import { afterAll, afterEach, beforeAll, describe, expect, test } from 'bun:test'
import { createHash } from 'node:crypto'
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { HttpLab, type HttpLabOptions, writeAuthority } from '../../../test/support/http-lab.ts'
import { httpsServer, rawServer, type TestServer } from '../../../test/support/https-server.ts'
import { TlsProgram } from '../../../test/support/tls-program.ts'
import { Secret } from '../../lib/secret.ts'
import { createInjector } from '../inject/injector.ts'
import type { MeterTap } from '../types.ts'
import type { SeenRequest } from './exchange.ts'

const NAME = 'api.example.test'
const RULES = ['*.example.test', 'GET https://api.example.test/*', 'PUT https://api.example.test/*', 'POST https://api.example.test/*']
const folder = mkdtempSync(join(tmpdir(), 'ak-engine-'))
const ca = writeAuthority(join(folder, 'ca.pem'))
const large = join(folder, 'large')
let server: TestServer
const open: (() => void)[] = []

beforeAll(async () => {
  writeFileSync(large, Buffer.alloc(20_000_000, 'agentkernel '))
  server = await httpsServer(NAME, (request, response) => {
    const { url = '' } = request
    if (url === '/echo') return void request.pipe(response)
    if (url === '/moved') return void response.writeHead(302, { location: 'http://169.254.169.254/' }).end()
    if (url === '/empty') return void response.writeHead(204).end()
    if (url.startsWith('/secret')) return void response.end(`you said ${request.headers.authorization}`)
    if (url === '/events') {
      response.writeHead(200, { 'content-type': 'text/event-stream' })
      response.write('data: 1\n\n')
      return void setTimeout(() => response.end('data: 2\n\n'), 300)
    }
    response.setHeader('x-seen', JSON.stringify(request.headers))
    response.end(`${request.method} ${url}`)
  })
})
afterEach(() => {
  for (const close of open.splice(0)) close()
})
afterAll(() => {
  server.close()
  rmSync(folder, { recursive: true })
})

function lab(options: Partial<HttpLabOptions> = {}): HttpLab {
  const made = new HttpLab({ allow: RULES, servers: { [`${NAME}:443`]: server.port, [`${NAME}:80`]: server.port }, ...options })
  open.push(() => made.close())
  return made
}

async function run(
  command: readonly string[],
  options: { readonly stdin?: string; readonly env?: Record<string, string> } = {},
): Promise<string> {
  const child = Bun.spawn([...command], {
    stdin: options.stdin === undefined ? 'ignore' : Bun.file(options.stdin),
    stdout: 'pipe',
    stderr: 'pipe',
    env: { PATH: process.env['PATH'] ?? '', ...options.env },
  })
  const [out, err] = await Promise.all([new Response(child.stdout).text(), new Response(child.stderr).text()])
  await child.exited
  return out + (out === '' ? err : '')
}

const curl = (door: number, path: string, ...args: readonly string[]): Promise<string> =>
  run([
    'curl',
    '-s',
    '--max-time',
    '20',
    '--cacert',
    ca,
    '--connect-to',
    `${NAME}:443:127.0.0.1:${door}`,
    ...args,
    `https://${NAME}${path}`,
  ])

describe.each(['--http1.1', '--http2'])('curl %s', (version) => {
  test('gets an answer, and the path is recorded without its query', async () => {
    const one = lab()
    expect(await curl(one.door(NAME, 443), '/a?key=hush', version)).toBe('GET /a?key=hush')
    expect(one.recorder.events()).toEqual([
      expect.objectContaining({
        kind: 'http',
        host: NAME,
        port: 443,
        method: 'GET',
        path: '/a',
        verdict: 'allowed',
        status: 200,
        opened: true,
        bytes_in: 15,
      }),
    ])
    expect(JSON.stringify(one.recorder.events())).not.toContain('hush')
  })

  test('reads why it is denied and what would allow it', async () => {
    const one = lab()
    const text = await curl(one.door(NAME, 443), '/x', version, '-i', '-X', 'DELETE')
    expect(text).toMatch(/^HTTP\/[\d.]+ 403/)
    expect(text).toMatch(/x-agentkernel-denied: no rule allows DELETE/i)
    expect(text).toContain("--allow 'DELETE https://api.example.test/x'")
    expect(JSON.parse(await curl(one.door(NAME, 443), '/x', version, '-X', 'DELETE', '-H', 'Accept: application/json'))).toMatchObject({
      error: { type: 'agentkernel_denied' },
    })
    expect(one.dialed).toEqual([])
    expect(one.recorder.events()[0]).toMatchObject({
      kind: 'http',
      verdict: 'denied',
      status: 403,
      hint: "--allow 'DELETE https://api.example.test/x'",
    })
  })

  test('sends and gets bodies of any size, with a length and without', async () => {
    const door = lab().door(NAME, 443)
    const digest = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex')
    const expected = digest(await Bun.file(large).bytes())
    for (const source of [large, '-']) {
      const out = join(folder, 'out')
      const args = [
        'curl',
        '-s',
        '--max-time',
        '20',
        version,
        '--cacert',
        ca,
        '--connect-to',
        `${NAME}:443:127.0.0.1:${door}`,
        '-T',
        source,
      ]
      await run([...args, '-o', out, `https://${NAME}/echo`], { stdin: large })
      expect(digest(await Bun.file(out).bytes())).toBe(expected)
    }
  })

  test('gets redirects as they are, and answers without a body', async () => {
    const one = lab()
    const door = one.door(NAME, 443)
    expect(await curl(door, '/moved', version, '-w', '%{http_code} %{redirect_url}')).toBe('302 http://169.254.169.254/')
    expect(await curl(door, '/empty', version, '-w', '%{http_code}')).toBe('204')
    expect(await curl(door, '/head', version, '-I', '-o', '/dev/null', '-w', '%{http_code}')).toBe('403')
    expect(one.dialed).toHaveLength(1)
  })

  test('sees events as they come', async () => {
    const text = await curl(lab().door(NAME, 443), '/events', version, '-N', '-w', '%{time_starttransfer} %{time_total}')
    const [first = 0, total = 0] = text.split('\n\n').at(-1)!.split(' ').map(Number)
    expect(text).toContain('data: 1\n\ndata: 2')
    expect(total - first).toBeGreaterThan(0.2)
  })

  test('gets a secret put in, and never sees it come back', async () => {
    const binding = { name: 'TOKEN', vaultKey: 'TOKEN', hosts: [NAME], how: 'header' } as const
    const injector = createInjector([{ binding, value: () => new Secret('sk-very-secret-value'), placeholder: 'ak-proxy-managed' }])
    const one = lab({ gateway: { injector } })
    const text = await curl(one.door(NAME, 443), '/secret', version)
    expect(text).toBe('you said Bearer ak-proxy-managed')
    expect(one.recorder.events()[0]).toMatchObject({ verdict: 'allowed', secrets: ['TOKEN'] })
  })

  test('is told when the server is not who it should be', async () => {
    const other = await httpsServer('other.example.test', (_request, response) => void response.end('no'))
    open.push(() => other.close())
    const one = lab({ servers: { [`${NAME}:443`]: other.port } })
    expect(await curl(one.door(NAME, 443), '/', version, '-w', ' %{http_code}')).toMatch(
      /certificate of api\.example\.test is for another name.* 502$/s,
    )
    expect(one.recorder.events()[0]).toMatchObject({ verdict: 'failed', status: 502 })
  })

  test('that does not trust the authority ends the handshake, which is recorded', async () => {
    const one = lab()
    const door = one.door(NAME, 443)
    await run(['curl', '-s', version, '--connect-to', `${NAME}:443:127.0.0.1:${door}`, `https://${NAME}/`])
    await one.flows[0]!.closed
    expect(one.recorder.events()[0]).toMatchObject({
      host: NAME,
      verdict: 'failed',
      reason: expect.stringContaining('does not trust'),
      opened: false,
    })
  })

  test('gets a 403 over TLS from a host that is not allowed at all', async () => {
    const one = lab()
    const door = one.door('elsewhere.test', 443)
    const args = ['--connect-to', `elsewhere.test:443:127.0.0.1:${door}`, '-w', ' %{http_code}', 'https://elsewhere.test/']
    const text = await run(['curl', '-s', version, '--max-time', '10', '--cacert', ca, ...args])
    expect(text).toMatch(/no rule allows elsewhere\.test.*--allow elsewhere\.test.* 403$/s)
    expect(one.recorder.events()).toHaveLength(1)
  })

  test('uses one connection of ours again', async () => {
    const one = lab()
    const door = one.door(NAME, 443)
    for (const path of ['/1', '/2', '/3']) expect(await curl(door, path, version)).toBe(`GET ${path}`)
    expect(one.dialed).toHaveLength(1)
  })
})

describe('other programs trust the authority and get through', () => {
  const nodes = readdirSync(join(import.meta.dir, '../../../build/tools')).filter((name) => name.startsWith('node-'))
  const script = `
    const https = require('node:https')
    https.get({ host: '127.0.0.1', port: process.argv[1], servername: '${NAME}', path: '/node', headers: { host: '${NAME}' } },
      (answer) => answer.pipe(process.stdout)).on('error', (error) => console.log(error.message))`

  test.each(['node', ...nodes.map((name) => join(import.meta.dir, '../../../build/tools', name))])('%s', async (node) => {
    expect(await run([node, '-e', script, `${lab().door(NAME, 443)}`], { env: { NODE_EXTRA_CA_CERTS: ca } })).toBe('GET /node')
  })

  test('python', async () => {
    const program = `
import http.client, socket, ssl, sys
context = ssl.create_default_context(cafile=sys.argv[2])
connection = http.client.HTTPSConnection('${NAME}', 443, context=context)
connection.sock = context.wrap_socket(socket.create_connection(('127.0.0.1', int(sys.argv[1]))), server_hostname='${NAME}')
for path in ('/py', '/thon'):
    connection.request('GET', path)
    print(connection.getresponse().read().decode())`
    expect(await run(['python3', '-c', program, `${lab().door(NAME, 443)}`, ca])).toBe('GET /py\nGET /thon\n')
  })
})

describe('over a connection', () => {
  test('requests that are sent at once are answered in order', async () => {
    const program = new TlsProgram(lab().door(NAME, 443), NAME)
    const get = (path: string, more = ''): string => `GET ${path} HTTP/1.1\r\nHost: ${NAME}\r\n${more}\r\n`
    program.send(get('/1') + get('/2') + get('/3', 'Connection: close\r\n'))
    const bodies = [...(await program.all()).matchAll(/GET \/\d/g)].map(([body]) => body)
    expect(bodies).toEqual(['GET /1', 'GET /2', 'GET /3'])
  })

  test('a body is asked for only when somebody wants it', async () => {
    const one = lab()
    const program = new TlsProgram(one.door(NAME, 443), NAME)
    const head = (method: string): string =>
      `${method} /echo HTTP/1.1\r\nHost: ${NAME}\r\nContent-Length: 200000\r\nExpect: 100-continue\r\n\r\n`
    program.send(head('POST'))
    await program.until(() => program.text.includes('\r\n\r\n'))
    expect(program.text).toBe('HTTP/1.1 100 Continue\r\n\r\n')
    program.send('x'.repeat(200_000))
    await program.until(() => program.text.length > 200_000)
    program.leave()
    const refused = new TlsProgram(one.door(NAME, 443), NAME)
    refused.send(head('DELETE'))
    await refused.until(() => refused.text.includes('\r\n\r\n'))
    expect(refused.text).toMatch(/^HTTP\/1\.1 403 /)
    refused.leave()
  })

  test('a slow reader holds the server back, and gets everything', async () => {
    let sent = 0
    const source = await httpsServer(NAME, (_request, response) => {
      const more = (): void => {
        while (sent < 64) {
          sent++
          if (!response.write(Buffer.alloc(1_000_000))) return void response.once('drain', more)
        }
        response.end()
      }
      more()
    })
    open.push(() => source.close())
    const program = new TlsProgram(lab({ servers: { [`${NAME}:443`]: source.port } }).door(NAME, 443), NAME)
    program.send(`GET /big HTTP/1.1\r\nHost: ${NAME}\r\nConnection: close\r\n\r\n`)
    await program.until(() => program.text.length > 100_000)
    program.pause()
    await Bun.sleep(300)
    expect(sent).toBeLessThan(40)
    program.resume()
    expect((await program.all()).length).toBeGreaterThan(64_000_000)
  }, 20_000)

  test('a program that leaves takes its request at the server with it', async () => {
    const gone = Promise.withResolvers<void>()
    const slow = await httpsServer(NAME, (request) => request.on('close', () => gone.resolve()))
    open.push(() => slow.close())
    const one = lab({ servers: { [`${NAME}:443`]: slow.port } })
    const program = new TlsProgram(one.door(NAME, 443), NAME)
    program.send(`GET /slow HTTP/1.1\r\nHost: ${NAME}\r\n\r\n`)
    while (one.dialed.length === 0) await Bun.sleep(5)
    await Bun.sleep(100)
    program.leave()
    await gone.promise
  })

  test('a request that is cut off is seen as cut off by the server', async () => {
    const ends: string[] = []
    const watching = await httpsServer(NAME, (request, response) => {
      request.on('end', () => ends.push('end'))
      request.on('close', () => ends.push('close'))
      request.on('error', () => undefined)
      request.resume()
      response.on('error', () => undefined)
    })
    open.push(() => watching.close())
    const one = lab({ servers: { [`${NAME}:443`]: watching.port } })
    for (const framing of ['Content-Length: 200000', 'Transfer-Encoding: chunked']) {
      const program = new TlsProgram(one.door(NAME, 443), NAME)
      program.send(`POST /cut HTTP/1.1\r\nHost: ${NAME}\r\n${framing}\r\n\r\n186a0\r\n${'x'.repeat(100_000)}\r\n`)
      while (one.recorder.events().length === 0 && ends.length === 0 && one.dialed.length === 0) await Bun.sleep(5)
      await Bun.sleep(100)
      program.leave()
      while (!ends.includes('close')) await Bun.sleep(5)
      expect(ends.splice(0)).toEqual(['close'])
    }
  })

  test('a long upload does not count against the time of the answer', async () => {
    const one = lab({ engine: { limits: { responseMs: 150 } } })
    const program = new TlsProgram(one.door(NAME, 443), NAME)
    program.send(`POST /echo HTTP/1.1\r\nHost: ${NAME}\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n`)
    for (const piece of ['a', 'b', 'c', 'd']) {
      await Bun.sleep(80)
      program.send(`1\r\n${piece}\r\n`)
    }
    program.send('0\r\n\r\n')
    expect(await program.all()).toMatch(/^HTTP\/1\.1 200 /)
  })

  test('a server that takes too long is told of', async () => {
    const slow = await httpsServer(NAME, () => undefined)
    open.push(() => slow.close())
    const one = lab({ servers: { [`${NAME}:443`]: slow.port }, engine: { limits: { responseMs: 200 } } })
    expect(await curl(one.door(NAME, 443), '/', '-w', ' %{http_code}')).toMatch(/did not answer in time.* 504$/s)
  })

  test('a connection that the server closed meanwhile is not the program’s trouble', async () => {
    const answers = rawServer(NAME, (connection) => {
      // The second request on a connection is met with a reset.
      if (connection.text.split('GET /').length > 2) return connection.reset()
      connection.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok')
    })
    open.push(() => answers.close())
    const door = lab({ servers: { [`${NAME}:443`]: answers.port } }).door(NAME, 443)
    expect(await curl(door, '/1', '--http1.1')).toBe('ok')
    expect(await curl(door, '/2', '--http1.1')).toBe('ok')
    expect(answers.connections).toHaveLength(2)
  })

  test('an answer that is cut off is seen as cut off', async () => {
    const cut = rawServer(NAME, (connection) => {
      connection.write(`HTTP/1.1 200 OK\r\nContent-Length: 200000\r\n\r\n${'x'.repeat(1_000)}`)
      setTimeout(() => connection.reset(), 50)
    })
    open.push(() => cut.close())
    const one = lab({ servers: { [`${NAME}:443`]: cut.port } })
    for (const version of ['--http1.1', '--http2']) {
      const code = await curl(one.door(NAME, 443), '/', version, '-o', '/dev/null', '-w', '%{exitcode}')
      expect(Number(code)).toBeGreaterThan(0)
    }
    expect(one.recorder.events().map(({ verdict, status }) => [verdict, status])).toEqual([
      ['failed', 200],
      ['failed', 200],
    ])
  })
})

describe('without TLS', () => {
  const plain = (answer: (request: Request) => Response): number => {
    const listening = Bun.serve({ port: 0, hostname: '127.0.0.1', fetch: answer })
    open.push(() => void listening.stop(true))
    return listening.port!
  }
  const get = (door: number, host: string, ...args: readonly string[]): Promise<string> =>
    run(['curl', '-s', '--max-time', '10', '--connect-to', `${host}:80:127.0.0.1:${door}`, ...args, `http://${host}/a?b`])

  test('requests are seen, and go out on the connection that was made for them', async () => {
    const port = plain((request) => new Response(`${request.method} ${new URL(request.url).host}`))
    const one = lab({ allow: ['*.example.test:80'], servers: { [`${NAME}:80`]: port } })
    expect(await get(one.door(NAME, 80), NAME)).toBe(`GET ${NAME}`)
    expect(one.dialed).toHaveLength(1)
    expect(one.recorder.events()).toEqual([
      expect.objectContaining({ kind: 'http', host: NAME, port: 80, path: '/a', status: 200, opened: true }),
    ])
  })

  test('a host that is not allowed is told of, and so is a Host that goes elsewhere', async () => {
    const one = lab({ allow: [`${NAME}:80`], servers: { [`${NAME}:80`]: plain(() => new Response('ok')) } })
    expect(await get(one.door('other.test', 80), 'other.test', '-i')).toMatch(/403.*--allow other\.test/s)
    expect(await get(one.door(NAME, 80), NAME, '-H', 'Host: evil.test', '-w', '%{http_code}')).toEndWith('421')
  })

  test('a program that has said everything still gets its answer', async () => {
    const port = plain(() => new Response('late'))
    const one = lab({ allow: ['*.example.test:80'], servers: { [`${NAME}:80`]: port } })
    const script = `exec 3<>/dev/tcp/127.0.0.1/${one.door(NAME, 80)}; printf 'GET / HTTP/1.0\\r\\nHost: ${NAME}\\r\\n\\r\\n' >&3; cat <&3`
    expect(await run(['bash', '-c', script])).toEndWith('late')
  })
})

test('hooks hear of requests and answers, without query and values', async () => {
  const seen: SeenRequest[] = []
  const one = lab({ engine: { onRequest: (each) => seen.push(each), onResponse: (each) => seen.push(each) } })
  await curl(one.door(NAME, 443), '/a?key=hush')
  expect(seen).toEqual([
    { method: 'GET', url: `https://${NAME}/a`, host: NAME, secretInjected: false },
    { method: 'GET', url: `https://${NAME}/a`, host: NAME, secretInjected: false, status: 200, latencyMs: expect.any(Number) },
  ])
})

test('a meter sees what passes, and may refuse', async () => {
  const seen: string[] = []
  const tap: MeterTap = {
    requestBody: (chunk) => seen.push(`> ${Buffer.from(chunk)}`),
    response: ({ status }) => seen.push(`${status}`),
    responseBody: (chunk) => seen.push(`< ${Buffer.from(chunk)}`),
    end: () => seen.push('end'),
  }
  let isUsedUp = false
  const one = lab({
    gateway: {
      meter: {
        opens: () => true,
        begin: () => (isUsedUp ? { kind: 'refused', reason: 'the budget of 5 dollars is used up' } : { kind: 'tap', tap }),
      },
    },
  })
  const door = one.door(NAME, 443)
  await curl(door, '/echo', '-d', 'hello')
  expect(seen).toEqual(['> hello', '200', '< hello', 'end'])
  isUsedUp = true
  const refused = JSON.parse(await curl(door, '/echo', '-d', 'hello')) as object
  expect(refused).toMatchObject({ type: 'error', error: { code: 'insufficient_quota', message: expect.stringContaining('5 dollars') } })
  expect(await curl(door, '/echo', '-d', 'x', '-o', '/dev/null', '-w', '%{http_code}')).toBe('429')
})
