import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from 'bun:test'
import { createHash } from 'node:crypto'
import { appendFileSync, chmodSync, chownSync, copyFileSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { noise } from '../support/lab/site.ts'
import { LAB_TOKEN, LONGEST_MS, NetworkWorld, NO_LAB, SKIPPED, TOOLS, WAYS } from './network-kit.ts'
import { ROOT } from '../support/source-files.ts'

const LARGE_BYTES = 12_000_000
const needs = (...programs: string[]): string | undefined => {
  const missing = programs.filter((name) => Bun.which(name) === null)
  return missing.length === 0 ? undefined : `no ${missing.join(', ')} here`
}

setDefaultTimeout(LONGEST_MS)

describe.skipIf(NO_LAB !== undefined)(`real programs through the gateway${SKIPPED}`, () => {
  let world: NetworkWorld
  beforeAll(async () => {
    world = await NetworkWorld.start()
    const { project } = world.user
    const files = join(world.lab.folder, 'files')
    mkdirSync(files)
    Bun.spawnSync(['python3', join(ROOT, 'test/fixtures/network/packages.py'), files, 'https://api.lab.test/files'])
    writeFileSync(join(project, 'Fetch.java'), JAVA)
    if (needs('javac') === undefined) Bun.spawnSync(['javac', 'Fetch.java'], { cwd: project })
    world.bringTools()
  })
  afterAll(() => world?.close())

  /** Declares a test for each way. The body gets flags for the site's host, and where the site is. */
  const bothWays = (
    title: string,
    problem: string | undefined,
    body: (way: { readonly name: string; readonly flags: readonly string[]; readonly site: string }) => Promise<void>,
  ): void => {
    for (const { way, name, flags, site } of WAYS) {
      const reason = problem === undefined ? '' : ` (skipped: ${problem})`
      test.concurrent.skipIf(problem !== undefined)(`${title}, ${way}${reason}`, () => body({ name, flags: flags('api.lab.test'), site }))
    }
  }

  bothWays('curl over HTTP/1.1 and HTTP/2', needs('curl'), async ({ name, flags, site }) => {
    const said = await world.script(
      flags,
      `for version in 1.1 2; do curl -sS --http$version ${site}/echo?curl-${name}-$version; echo; done`,
    )
    const replies = said.trimEnd().split('\n')
    expect(replies.map((line) => (JSON.parse(line) as { httpVersion: string }).httpVersion)).toEqual(['1.1', '2.0'])
    const expected = name === 'plain' ? undefined : `Bearer ${LAB_TOKEN}`
    expect(world.seen(`curl-${name}`).map(({ authorization }) => authorization)).toEqual([expected, expected])
  })

  bothWays('curl sends and takes what is large', needs('curl'), async ({ flags, site }) => {
    const hash = createHash('sha256')
    for (const chunk of noise(LARGE_BYTES)) hash.update(chunk)
    const sha256 = hash.digest('hex')
    const said = await world.script(
      flags,
      `for version in 1.1 2; do
        curl -sS --http$version -o large ${site}/noise/${LARGE_BYTES}; sha256sum <large
        curl -sS --http$version -T large ${site}/sum; echo
      done`,
    )
    const sum = JSON.stringify({ sizeBytes: LARGE_BYTES, sha256 })
    expect(said.trimEnd().split('\n')).toEqual([`${sha256}  -`, sum, `${sha256}  -`, sum])
  })

  bothWays('curl sees events of a stream as they come', needs('curl'), async ({ flags, site }) => {
    const said = await world.script(
      flags,
      `curl -sSN ${site}/sse | while read -r line; do test -z "$line" || echo "$line $(date +%s%N)"; done`,
    )
    const events = said.trimEnd().split('\n')
    expect(events.map((line) => line.split(' ').slice(0, 2).join(' '))).toEqual([1, 2, 3, 4, 5].map((count) => `data: ${count}`))
    const times = events.map((line) => Number(line.split(' ')[2]))
    expect(times[4]! - times[0]!).toBeGreaterThan(100e6)
  })

  bothWays('git clones, fetches and pushes', needs('git'), async ({ name, flags, site }) => {
    const bare = join(world.lab.folder, 'git', `${name}.git`)
    const git = (...args: string[]): string => Bun.spawnSync(['git', ...args]).stdout.toString()
    git('init', '-q', '--bare', '-b', 'main', bare)
    git('-C', bare, 'config', 'http.receivepack', 'true')
    const said = await world.script(
      flags,
      `export GIT_AUTHOR_NAME=a GIT_AUTHOR_EMAIL=a@example.com GIT_COMMITTER_NAME=a GIT_COMMITTER_EMAIL=a@example.com
      git clone -q ${site}/git/${name}.git one 2>&1 && cd one && git checkout -q -b main
      head -c 3000000 /dev/urandom >large && git add large && git commit -qm first && git push -q origin main
      git clone -q ${site}/git/${name}.git ../two
      echo more >more && git add more && git commit -qm second && git push -q origin main
      cd ../two && git fetch -q && git merge -q origin/main && git log --format=%s && sha256sum large <../one/large | wc -l`,
    )
    expect(said).toContain('second\nfirst\n')
    expect(git('-C', bare, 'log', '--format=%s', 'main')).toBe('second\nfirst\n')
  })

  bothWays('npm installs', needs('npm', 'node'), async ({ name, flags, site }) => {
    const said = await world.script(
      flags,
      `mkdir app && cd app && echo '{}' >package.json
      npm install --no-audit --no-fund --no-update-notifier --registry ${site}/files/npm/ lab-${name} >&2
      node -p 'require("lab-${name}")'`,
    )
    expect(said).toBe('from the registry\n')
  })

  bothWays('pip installs', needs('pip3') ?? needs('python3'), async ({ flags, site }) => {
    const said = await world.script(
      flags,
      `/usr/bin/python3 -m pip install -q --disable-pip-version-check --target site --index-url ${site}/files/pypi/ labwheel
      PYTHONPATH=site /usr/bin/python3 -c 'import labwheel; print(labwheel.SAYS)'`,
    )
    expect(said).toBe('from the index\n')
  })

  bothWays('go downloads a module', needs('/usr/local/go/bin/go'), async ({ flags, site }) => {
    const said = await world.script(
      flags,
      `export GOPROXY=${site}/files/go GOSUMDB=off GOFLAGS=-mod=mod GOTOOLCHAIN=local GOPATH=$PWD/gopath
      go mod download -json lab.test/hello@v1.0.0`,
    )
    expect(JSON.parse(said)).toMatchObject({ Path: 'lab.test/hello', Version: 'v1.0.0' })
  })

  bothWays('cargo fetches a crate', TOOLS.rust === undefined ? 'no cargo here' : undefined, async ({ name, flags, site }) => {
    const said = await world.script(
      flags,
      `mkdir -p app/src app/.cargo && cd app && export CARGO_HOME=$PWD/home && echo 'fn main() {}' >src/main.rs
      printf '[registries.lab]\\nindex = "sparse+${site}/files/cargo-${name}/"\\n' >.cargo/config.toml
      printf '[package]\\nname = "app"\\nversion = "0.1.0"\\n[dependencies]\\nlabcrate = { version = "1", registry = "lab" }\\n' >Cargo.toml
      cargo fetch -q && ls home/registry/src/*/`,
    )
    expect(said).toBe('labcrate-1.0.0\n')
  })

  bothWays('node fetches, with fetch and with https', needs('node'), async ({ name, flags, site }) => {
    const said = await world.script(
      flags,
      `node -e '
        fetch("${site}/echo?node-${name}").then((r) => r.json()).then(({ url }) => {
          console.log(url)
          require("https").get("${site}/bytes/7", (r) => r.on("data", (d) => console.log(String(d))))
        })'`,
    )
    expect(said).toMatch(/\/echo\?node-\w+\nxxxxxxx\n$/)
    expect(world.seen(`node-${name}`)).toHaveLength(1)
  })

  bothWays('python fetches, with urllib and with ssl', needs('python3'), async ({ flags, site }) => {
    const path = new URL(`${site}/bytes/7`).pathname
    const said = await world.python(
      flags,
      `say(urllib.request.urlopen("${site}/bytes/5").read().decode())
with ssl.create_default_context().wrap_socket(socket.create_connection(("api.lab.test", 443)), server_hostname="api.lab.test") as s:
    s.sendall(b"GET ${path} HTTP/1.1\\r\\nHost: api.lab.test\\r\\nConnection: close\\r\\n\\r\\n")
    text = b""
    while chunk := s.recv(9999): text += chunk
    say([s.version() >= "TLSv1.2", text.split(b"\\r\\n\\r\\n")[1].decode()[-7:] if b"chunked" not in text else "chunked"])`,
    )
    expect(said).toEqual(['xxxxx', [true, 'xxxxxxx']])
  })

  bothWays('java fetches with its HttpClient', needs('java', 'javac'), async ({ flags, site }) => {
    expect(await world.script(flags, `java -Xshare:auto -XX:TieredStopAtLevel=1 Fetch ${site}/bytes/5`)).toMatch(/^HTTP_2 200 xxxxx\n$/)
  })

  bothWays('deno fetches', TOOLS.deno === undefined ? 'no deno here' : undefined, async ({ flags, site }) => {
    expect(await world.script(flags, `deno eval 'console.log(await (await fetch("${site}/bytes/5")).text())'`)).toBe('xxxxx\n')
  })

  const noPostgres = needs('postgres', 'initdb', 'psql', 'setpriv')
  describe.skipIf(noPostgres !== undefined)(`a real PostgreSQL${noPostgres === undefined ? '' : ` (skipped: ${noPostgres})`}`, () => {
    let stop: (() => Promise<void>) | undefined
    beforeAll(async () => {
      const data = join(world.lab.folder, 'pg')
      const asNobody = ['setpriv', '--reuid', '65534', '--regid', '65534', '--clear-groups']
      mkdirSync(data)
      chmodSync(world.lab.folder, 0o755)
      chownSync(data, 65534, 65534)
      Bun.spawnSync([...world.lab.far, ...asNobody, 'initdb', '-D', data, '-U', 'lab', '-A', 'trust', '--no-sync'])
      for (const name of ['cert.pem', 'key.pem']) {
        copyFileSync(join(world.lab.folder, name), join(data, name))
        chownSync(join(data, name), 65534, 65534)
        chmodSync(join(data, name), 0o600)
      }
      appendFileSync(join(data, 'pg_hba.conf'), 'host all all all trust\n')
      const settings = ['listen_addresses=44.44.44.12', 'ssl=on', 'ssl_cert_file=cert.pem', 'ssl_key_file=key.pem', 'fsync=off']
      const flags = settings.flatMap((setting) => ['-c', setting])
      stop = await world.serve([...asNobody, 'postgres', '-D', data, '-k', data, ...flags], 5432)
    })
    afterAll(() => stop?.())

    for (const { way, flags } of WAYS) {
      // With a secret bound to its port, what is no HTTP passes as it is.
      test.concurrent(`psql asks it, ${way}`, async () => {
        const said = await world.script(
          flags('db.lab.test:5432'),
          `ask() { psql "host=db.lab.test user=lab dbname=postgres sslmode=$1" -AtXc "$2"; }
          ask disable 'select 40 + 2'
          ask require "select length(repeat('x', 3000000)), ssl from pg_stat_ssl where pid = pg_backend_pid()"`,
        )
        expect(said).toBe('42\n3000000|t\n')
      })
    }
  })

  const noRedis = needs('redis-server', 'redis-cli')
  describe.skipIf(noRedis !== undefined)(`a real Redis${noRedis === undefined ? '' : ` (skipped: ${noRedis})`}`, () => {
    let stop: (() => Promise<void>) | undefined
    beforeAll(async () => {
      const flags = ['--port', '6379', '--bind', '44.44.44.12', '--protected-mode', 'no', '--save', '', '--dir', world.lab.folder]
      stop = await world.serve(['redis-server', ...flags], 6379)
    })
    afterAll(() => stop?.())

    for (const { way, name, flags } of WAYS) {
      test.concurrent(`redis-cli asks it, ${way}`, async () => {
        const said = await world.script(
          flags('db.lab.test:6379'),
          `head -c 1000000 /dev/zero | tr '\\0' x | redis-cli -h db.lab.test -x set ${name}
          redis-cli -h db.lab.test strlen ${name}
          printf 'get missing\nping\n' | redis-cli -h db.lab.test`,
        )
        expect(said).toBe('OK\n1000000\n\nPONG\n')
      })
    }
  })

  test.concurrent('programs need no proxy variables, and are given none', async () => {
    const { stdout } = await world.run(['--allow', 'api.lab.test', '--', 'env'])
    expect(stdout.split('\n').filter((line) => /^[^=]*proxy[^=]*=/i.test(line))).toEqual([])
  })

  for (const { way, flags } of WAYS) {
    test.concurrent(`bun talks over a web socket, ${way}`, async () => {
      const said = await world.script(
        flags('api.lab.test:8443'),
        `bun -e '
          const socket = new WebSocket("wss://api.lab.test:8443/")
          const large = "x".repeat(300000)
          socket.onopen = () => { socket.send("hello"); socket.send(large) }
          socket.onmessage = ({ data }) => {
            console.log(data.length, data === large || data)
            if (data === large) socket.close()
          }
          socket.onclose = ({ code }) => console.log("closed", code)'`,
      )
      expect(said).toMatch(/^5 hello\n300000 true\nclosed \d+\n$/)
    })

    test.concurrent(`dig asks over UDP and TCP, ${way}`, async () => {
      const said = await world.script(
        flags('api.lab.test'),
        'dig +short api.lab.test; dig +short +tcp api.lab.test; dig +short -x 44.44.44.10; dig missing.api.lab.test | grep -o "status: [A-Z]*"',
      )
      const [udp, tcp, ...rest] = said.trimEnd().split('\n')
      expect(udp).toMatch(/^198\.1[89]\.\d+\.\d+$/)
      expect(tcp).toBe(udp)
      expect(rest).toEqual(['status: NOERROR'])
    })
  }
})

const JAVA = `
import java.net.URI;
import java.net.http.*;
public class Fetch {
  public static void main(String[] args) throws Exception {
    var reply = HttpClient.newHttpClient().send(HttpRequest.newBuilder(URI.create(args[0])).build(), HttpResponse.BodyHandlers.ofString());
    System.out.println(reply.version() + " " + reply.statusCode() + " " + reply.body());
  }
}
`
