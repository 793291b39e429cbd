import { afterAll, afterEach, beforeAll, describe, expect, test } from 'bun:test'
import { connect } from 'node:net'
import { HttpLab, type HttpLabOptions } from '../../../test/support/http-lab.ts'
import { rawServer, type RawConnection } from '../../../test/support/https-server.ts'
import { TlsProgram } from '../../../test/support/tls-program.ts'
import { Secret } from '../../lib/secret.ts'
import { createInjector } from '../inject/injector.ts'

const NAME = 'api.example.test'
const open: (() => void)[] = []
let answer: (connection: RawConnection) => void
let server: ReturnType<typeof rawServer>

beforeAll(() => {
  server = rawServer(NAME, (connection) => answer(connection))
})
afterEach(() => {
  for (const close of open.splice(0)) close()
})
afterAll(() => server.close())

const OK = (connection: RawConnection): void => {
  if (connection.text.includes('\r\n\r\n')) connection.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok')
}

function lab(options: Partial<HttpLabOptions> = {}): HttpLab {
  const made = new HttpLab({
    allow: ['*.example.test', 'GET https://api.example.test/*', 'POST https://api.example.test/*'],
    servers: { [`${NAME}:443`]: server.port },
    ...options,
  })
  open.push(() => made.close())
  return made
}

/** What a program gets for these bytes, and what reached the server. */
async function say(text: string, one: HttpLab = lab()): Promise<{ readonly got: string; readonly reached: string; readonly lab: HttpLab }> {
  answer = OK
  const before = server.connections.length
  const program = new TlsProgram(one.door(NAME, 443), NAME)
  program.send(Buffer.from(text, 'latin1'))
  const got = await program.all()
  const reached = server.connections
    .slice(before)
    .map((connection) => connection.text)
    .join('')
  return { got, reached, lab: one }
}

const head = (...lines: readonly string[]): string =>
  `${['POST / HTTP/1.1', `Host: ${NAME}`, 'Connection: close', ...lines].join('\r\n')}\r\n\r\n`

describe('a request that could be read in two ways never reaches a server', () => {
  test.each([
    ['CL.TE', `${head('Content-Length: 6', 'Transfer-Encoding: chunked')}0\r\n\r\nG`],
    ['TE.CL', `${head('Transfer-Encoding: chunked', 'Content-Length: 4')}5c\r\nGET /x HTTP/1.1\r\n\r\n0\r\n\r\n`],
    ['TE.TE', `${head('Transfer-Encoding: chunked', 'Transfer-Encoding: x')}0\r\n\r\n`],
    ['CL.CL', `${head('Content-Length: 6', 'Content-Length: 0')}abcdef`],
    ['a folded line', head('X-A: b', ' Transfer-Encoding: chunked')],
    ['a bare LF', head('X-A: b\nTransfer-Encoding: chunked')],
    ['a space before the colon', head('Transfer-Encoding : chunked')],
    ['a NUL', head('X-A: \0')],
    ['HTTP/1.0 with a coding', `POST / HTTP/1.0\r\nHost: ${NAME}\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`],
  ])('%s', async (_name, text) => {
    const { got, reached, lab: one } = await say(text)
    expect(got).toMatch(/^HTTP\/1\.1 400 /)
    expect(reached).toBe('')
    expect(one.recorder.events()[0]).toMatchObject({ verdict: 'denied', status: 400 })
  })

  test('a chunk that is longer than it says ends both connections', async () => {
    const { got, reached } = await say(`${head('Transfer-Encoding: chunked')}3\r\nabcdef\r\n0\r\n\r\nGET /smuggled HTTP/1.1\r\n\r\n`)
    expect(got).not.toContain('200 OK')
    expect(reached).not.toContain('smuggled')
  })

  test('what follows a request is a request of its own, with rules of its own', async () => {
    const { got, reached } = await say(
      `POST /1 HTTP/1.1\r\nHost: ${NAME}\r\nContent-Length: 3\r\n\r\nabcDELETE /2 HTTP/1.1\r\nHost: ${NAME}\r\nConnection: close\r\n\r\n`,
    )
    expect(got).toMatch(/^HTTP\/1\.1 200 .*HTTP\/1\.1 403 /s)
    expect(reached).toContain('POST /1 ')
    expect(reached).not.toContain('/2')
  })
})

describe('a request for somebody else never leaves', () => {
  test.each([
    ['another Host', `GET / HTTP/1.1\r\nHost: evil.example.test\r\n\r\n`, 421],
    ['absolute form with another host', `GET https://evil.example.test/ HTTP/1.1\r\nHost: ${NAME}\r\n\r\n`, 421],
    ['absolute form against Host', `GET https://${NAME}/ HTTP/1.1\r\nHost: evil.example.test\r\n\r\n`, 421],
    ['userinfo', `GET https://${NAME}@evil.test/ HTTP/1.1\r\nHost: ${NAME}\r\n\r\n`, 400],
    ['CONNECT', `CONNECT evil.test:443 HTTP/1.1\r\nHost: evil.test\r\n\r\n`, 405],
    ['TRACE', `TRACE / HTTP/1.1\r\nHost: ${NAME}\r\n\r\n`, 405],
    ['two hosts', `GET / HTTP/1.1\r\nHost: ${NAME}\r\nHost: evil.test\r\n\r\n`, 400],
  ])('%s', async (_name, text, status) => {
    const { got, reached } = await say(text)
    expect(got).toMatch(new RegExp(`^HTTP/1\\.1 ${status} `))
    expect(reached).toBe('')
  })
})

test('one that is too large, or has too many headers, is refused', async () => {
  const long = await say(`GET / HTTP/1.1\r\nHost: ${NAME}\r\nX: ${'a'.repeat(80_000)}\r\n\r\n`)
  expect(long.got).toMatch(/^HTTP\/1\.1 431 /)
  const many = await say(`GET / HTTP/1.1\r\nHost: ${NAME}\r\n${'X: 1\r\n'.repeat(200)}\r\n`)
  expect(many.got).toMatch(/^HTTP\/1\.1 431 /)
  expect(long.reached + many.reached).toBe('')
})

test('what reaches the server names its host once, as it is, and nothing of the program’s connection', async () => {
  const { reached } = await say(
    `GET /a HTTP/1.1\r\nhost: API.example.test.\r\nConnection: close, X-Hop\r\nX-Hop: 1\r\nTE: trailers\r\nUpgrade: h2c\r\nX-Kept: 2\r\n\r\n`,
  )
  expect(reached).toBe(`GET /a HTTP/1.1\r\nHost: ${NAME}\r\nX-Kept: 2\r\n\r\n`)
})

test('a head that comes too slowly ends the connection', async () => {
  const one = lab({ engine: { limits: { headMs: 150 } } })
  const program = new TlsProgram(one.door(NAME, 443), NAME)
  program.send('GET / HTTP/1.1\r\n')
  await program.all()
  expect(program.text).toBe('')
})

test('a secret whose value holds a line break is not put into a header', async () => {
  const binding = { name: 'TOKEN', vaultKey: 'TOKEN', hosts: [NAME], how: 'header' } as const
  const injector = createInjector([{ binding, value: () => new Secret('x\r\nX-Injected: 1'), placeholder: 'ak-proxy-managed' }])
  const { got, reached, lab: one } = await say(head('Content-Length: 0'), lab({ gateway: { injector } }))
  expect(got).toMatch(/^HTTP\/1\.1 403 .*line break/s)
  expect(reached).toBe('')
  expect(one.recorder.events()[0]).toMatchObject({ verdict: 'denied', secrets: ['TOKEN'] })
})

describe('an answer that could be read in two ways', () => {
  test.each([
    ['both framings', 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n'],
    ['two lengths', 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nok'],
    ['a folded line', 'HTTP/1.1 200 OK\r\nX-A: b\r\n c\r\nContent-Length: 0\r\n\r\n'],
    ['a bare CR in a header', 'HTTP/1.1 200 OK\r\nX-A: b\rSet-Cookie: c\r\nContent-Length: 0\r\n\r\n'],
    ['another protocol that nobody asked for', 'HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\n'],
    ['no HTTP', 'SSH-2.0-OpenSSH_9.2\r\n\r\n'],
    ['a head without end', `HTTP/1.1 200 OK\r\nX: ${'a'.repeat(100_000)}`],
  ])('with %s becomes a 502', async (_name, text) => {
    const one = lab()
    answer = (connection) => connection.write(text)
    const program = new TlsProgram(one.door(NAME, 443), NAME)
    program.send(`GET / HTTP/1.1\r\nHost: ${NAME}\r\nConnection: close\r\n\r\n`)
    expect(await program.all()).toMatch(/^HTTP\/1\.1 502 /)
    expect(one.recorder.events()[0]).toMatchObject({ verdict: 'failed', status: 502 })
  })

  test('what a server says after its answer does not become the next one', async () => {
    answer = (connection) =>
      connection.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil')
    const program = new TlsProgram(lab().door(NAME, 443), NAME)
    const get = (more: string): string => `GET / HTTP/1.1\r\nHost: ${NAME}\r\n${more}\r\n`
    program.send(get(''))
    await program.until(() => program.text.endsWith('ok'))
    await Bun.sleep(50)
    program.send(get('Connection: close\r\n'))
    expect(await program.all()).not.toContain('evil')
  })
})

describe('a handshake', () => {
  test('of TLS 1.0 is refused with an alert', async () => {
    const one = lab()
    const door = one.door(NAME, 443)
    const args = ['-connect', `127.0.0.1:${door}`, '-servername', NAME, '-tls1', '-cipher', 'ALL:@SECLEVEL=0']
    const child = Bun.spawn(['openssl', 's_client', ...args], { stdin: 'ignore', stdout: 'pipe', stderr: 'pipe' })
    const text = (await new Response(child.stdout).text()) + (await new Response(child.stderr).text())
    expect(text).toMatch(/alert protocol version|no protocols available/)
  })

  test('without a name, or with another, is refused', async () => {
    const one = lab()
    for (const name of ['other.example.test', '']) {
      const program = new TlsProgram(one.door(NAME, 443), name)
      await program.all()
      expect(program.text).toBe('')
    }
    expect(one.recorder.events().map(({ verdict }) => verdict)).toEqual(['denied', 'denied'])
  })

  test('that is never finished does not last', async () => {
    const one = lab({ gateway: { limits: { firstBytesMs: 100 } } })
    const socket = connect(one.door(NAME, 443), '127.0.0.1')
    socket.on('error', () => undefined)
    socket.write(Buffer.of(0x16, 3, 1, 0, 200, 1))
    await new Promise((resolve) => socket.once('close', resolve))
    expect(one.gateway.flows).toBe(0)
  })
})

test('nothing of a body leaves once a placeholder for somebody else is in it', async () => {
  const token = `AGENTKERNEL_PLACEHOLDER_${'0123456789abcdef'.repeat(2)}`
  const binding = { name: 'OTHER', vaultKey: 'OTHER', hosts: ['other.example.test'], how: 'token' } as const
  const injector = createInjector([{ binding, value: () => new Secret('sk-other'), placeholder: token }])
  const { got, reached } = await say(`${head(`Content-Length: ${token.length + 4}`)}a=b&${token}`, lab({ gateway: { injector } }))
  expect(got).toMatch(/^HTTP\/1\.1 403 .*placeholder of OTHER/s)
  expect(reached).toBe('')
})
