import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from 'bun:test'
import { clientHello } from '../support/client-hello.ts'
import { LONGEST_MS, NetworkWorld, NO_LAB, RAW, SKIPPED } from './network-kit.ts'

setDefaultTimeout(LONGEST_MS)

describe.skipIf(NO_LAB !== undefined)(`attacks on HTTP and TLS from inside${SKIPPED}`, () => {
  let world: NetworkWorld
  beforeAll(async () => {
    world = await NetworkWorld.start()
  })
  afterAll(() => world?.close())

  const SECRET = ['-S', 'TESTKEY:api.lab.test'] as const
  const inside = async (flags: readonly string[], text: string): Promise<unknown[]> => world.python(flags, RAW + text)
  /** Exit status and output of a shell line, whatever it is. */
  const shell = async (flags: readonly string[], text: string): Promise<string> => {
    const { stdout, stderr } = await world.run([...flags, '--', 'sh', '-c', text])
    return stdout + stderr
  }

  describe('HTTP', () => {
    test.concurrent('S45 a request has one target: Host, absolute form and connection must agree', async () => {
      const [codes] = await inside(
        ['--allow', 'api.lab.test', '--allow', 'other.lab.test'],
        `say([
  raw(b"GET http://other.lab.test/echo?target HTTP/1.1\\r\\n" + H + b"\\r\\n"),
  raw(b"GET /echo?target HTTP/1.1\\r\\nHost: other.lab.test\\r\\n\\r\\n"),
  raw(b"GET /echo?target HTTP/1.1\\r\\n" + H + b"Host: other.lab.test\\r\\n\\r\\n"),
  raw(b"GET /echo?target HTTP/1.1\\r\\n\\r\\n"),
  raw(b"GET http://user:pass@api.lab.test/echo?target HTTP/1.1\\r\\n" + H + b"\\r\\n"),
  raw(b"GET http://api.lab.test@other.lab.test/echo?target HTTP/1.1\\r\\n" + H + b"\\r\\n"),
  raw(b"GET /echo?target HTTP/1.1\\r\\nHost: 172818442\\r\\n\\r\\n"),
  raw(b"CONNECT other.lab.test:443 HTTP/1.1\\r\\n" + H + b"\\r\\n"),
  raw(b"TRACE /echo?target HTTP/1.1\\r\\n" + H + b"\\r\\n"),
  raw(b"GET http://api.lab.test/echo?same HTTP/1.1\\r\\n" + H + b"\\r\\n")])`,
      )
      expect(codes).toEqual([[421], [421], [400], [400], [400], [expect.any(Number)], [421], [405], [405], [200]])
      expect(world.seen('?target')).toEqual([])
      expect(world.seen('?same')).toHaveLength(1)
    })

    test.concurrent('S45 over TLS as well, when it is opened: another Host or SNI gets nowhere, over HTTP/1 and 2', async () => {
      const said = await shell(
        [...SECRET, '--allow', 'other.lab.test'],
        `for version in 1.1 2; do
          curl -s -o /dev/null -w '%{http_code}\\n' --http$version -H 'Host: other.lab.test' https://api.lab.test/echo?fronted
          curl -s -o /dev/null -w '%{http_code} %{exitcode}\\n' --http$version --connect-to ::api.lab.test: https://other.lab.test/echo?fronted
        done`,
      )
      expect(said.split('\n').slice(0, 4)).toEqual(['421', '000 35', '421', '000 35'])
      expect(world.seen('?fronted')).toEqual([])
    })

    test.concurrent('S45 smuggling: what has two lengths, or one that can be read in two ways, is not sent', async () => {
      const [codes] = await inside(
        ['--allow', 'api.lab.test'],
        `G = b"GET /echo?smuggled HTTP/1.1\\r\\nHost: api.lab.test\\r\\n\\r\\n"
n = str(len(G)).encode()
P = b"POST /sum?outer HTTP/1.1\\r\\n" + H
say([raw(*parts) for parts in [
  (P + b"Content-Length: 6\\r\\nTransfer-Encoding: chunked\\r\\n\\r\\n0\\r\\n\\r\\n" + G,),
  (P + b"Transfer-Encoding: chunked\\r\\nContent-Length: " + n + b"\\r\\n\\r\\n" + G,),
  (P + b"Content-Length: 0\\r\\nContent-Length: " + n + b"\\r\\n\\r\\n" + G,),
  (P + b"Content-Length: 0, " + n + b"\\r\\n\\r\\n" + G,),
  (P + b"Content-Length: +" + n + b"\\r\\n\\r\\n" + G,),
  (P + b"Transfer-Encoding: xchunked\\r\\n\\r\\n" + G,),
  (P + b"Transfer-Encoding: chunked, identity\\r\\n\\r\\n" + G,),
  (P + b"Transfer-Encoding : chunked\\r\\n\\r\\n0\\r\\n\\r\\n" + G,),
  (P + b"Transfer-Encoding:\\x0bchunked\\r\\n\\r\\n0\\r\\n\\r\\n" + G,),
  (P + b"X: y\\r\\n Transfer-Encoding: chunked\\r\\n\\r\\n" + G,),
  (P + b"X: y\\nTransfer-Encoding: chunked\\r\\n\\r\\n0\\r\\n\\r\\n" + G,),
  (P + b"X: y\\rTransfer-Encoding: chunked\\r\\n\\r\\n0\\r\\n\\r\\n" + G,),
  (P + b"Transfer-Encoding: chunked\\r\\n\\r\\n0x5\\r\\nabcde\\r\\n0\\r\\n\\r\\n" + G,),
  (P + b"Transfer-Encoding: chunked\\r\\n\\r\\n-1\\r\\n\\r\\n" + G,),
  (b"GET /echo?smuggled HTTP/0.9\\r\\n\\r\\n",),
]])`,
      )
      const firsts = (codes as number[][]).map(([first]) => first)
      expect(firsts.filter((code) => code !== 400 && code !== 505 && code !== undefined && code !== 501)).toEqual([])
      expect(world.seen('smuggled')).toEqual([])
    })

    test.concurrent('S51 heads without end are cut off; the next request is served', async () => {
      const [codes] = await inside(
        ['--allow', 'api.lab.test'],
        `say([
  raw(b"GET / HTTP/1.1\\r\\n" + H + b"X: " + b"a" * 5_000_000 + b"\\r\\n\\r\\n"),
  raw(b"GET / HTTP/1.1\\r\\n" + H, *[b"X%d: a\\r\\n" % i for i in range(20000)]),
  raw(b"GET /" + b"a" * 1_000_000 + b" HTTP/1.1\\r\\n" + H + b"\\r\\n"),
  raw(b"GET /bytes/1 HTTP/1.1\\r\\n" + H + b"\\r\\n")])`,
      )
      const [large, many, long, good] = codes as number[][]
      // A program that does not stop sending may find a reset before it has read the answer.
      for (const refused of [large, many, long]) expect([[], [431], [414], [400]]).toContainEqual(refused!)
      expect(good).toEqual([200])
    })

    test.concurrent('a server that is silent, or breaks off, concerns its own request only; a cut body is never a whole one', async () => {
      const said = await shell(
        [...SECRET, '--allow', 'other.lab.test'],
        `curl -s -m 2 -o /dev/null https://api.lab.test/slow & curl -s -m 2 -o /dev/null http://other.lab.test/slow &
        for host in api other; do for version in 1.1 2; do
          curl -sf -m 10 -o /dev/null --http$version https://$host.lab.test/broken; test $? != 0 && echo broken
          curl -sf -m 10 -o /dev/null --http$version https://$host.lab.test/reset; test $? != 0 && echo reset
          curl -s -m 10 --http$version https://$host.lab.test/bytes/4; echo
        done; done
        curl -sf -m 10 -o /dev/null http://other.lab.test/broken; test $? != 0 && echo broken
        wait`,
      )
      expect(said.split('\n').slice(0, 13).join(' ')).toBe([...Array.from({ length: 4 }, () => 'broken reset xxxx'), 'broken'].join(' '))
    })
  })

  describe('TLS', () => {
    test.concurrent('S46 without a server name, with another, or older than TLS 1.2 it is not opened and not passed on', async () => {
      const said = await shell(
        [...SECRET, '--allow', 'other.lab.test'],
        `for host in api other; do
          for how in -noservername '-servername db.lab.test' '-tls1 -cipher ALL:@SECLEVEL=0'; do
            echo "$host $how: $(openssl s_client -connect $host.lab.test:443 $how </dev/null 2>&1 | grep -o 'SSL alert number [0-9]*' | head -1)"
          done
        done`,
      )
      const lines = said.split('\n').slice(0, 6)
      expect(lines.every((line) => /SSL alert number (112|70)$/.test(line))).toBe(true)
      expect(lines[2]).toContain('number 70')
    })

    test.concurrent('S47 bytes that only begin like TLS or HTTP, or come one by one, do not get past rules about requests', async () => {
      const said = await inside(
        ['--allow', 'GET http://api.lab.test/bytes/*'],
        `def slowly(data):
    with socket.create_connection(("api.lab.test", 80), 5) as s:
        s.settimeout(8)
        # A reset may come while there is still something to send.
        try:
            for byte in data: s.sendall(bytes([byte]))
            return s.recv(12).decode("latin1")
        except OSError: return ""
say(slowly(b"GET /bytes/1 HTTP/1.1\\r\\n" + H + b"\\r\\n"))
say(slowly(b"POST /sum?sneaked HTTP/1.1\\r\\n" + H + b"\\r\\n"))
say(slowly(b"\\r\\n\\r\\nPOST /sum?sneaked HTTP/1.1\\r\\n" + H + b"\\r\\n"))
say(slowly(b"\\x16\\x03\\x01\\x00\\x05GET /sum?sneaked HTTP/1.1\\r\\n" + H + b"\\r\\n"))
say(slowly(b"\\x00POST /sum?sneaked HTTP/1.1\\r\\n" + H + b"\\r\\n"))`,
      )
      expect(said[0]).toBe('HTTP/1.1 200')
      expect(said.slice(1).filter((text) => `${text as string}`.includes(' 200'))).toEqual([])
      expect(world.seen('sneaked')).toEqual([])
    })

    test.concurrent('S46 an encrypted ClientHello hides who is asked for, and is refused where a rule names the host', async () => {
      const hello = Buffer.from(clientHello({ name: 'api.lab.test', ech: true })).toString('hex')
      const said = await inside(
        ['--allow', 'api.lab.test'],
        `with socket.create_connection(("api.lab.test", 443), 5) as s:
    s.settimeout(5); s.sendall(bytes.fromhex("${hello}")); say(list(s.recv(7)))`,
      )
      // A fatal alert: access denied.
      expect(said).toEqual([[21, 3, expect.any(Number), 0, 2, 2, 49]])
    })
  })
})
