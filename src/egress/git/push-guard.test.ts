import { afterAll, beforeEach, describe, expect, test } from 'bun:test'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { type AddressInfo, connect, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { GitServer, gitEnv } from '../../../test/support/git-server.ts'
import { certificateFor, HttpLab, sandboxAuthority, writeAuthority } from '../../../test/support/http-lab.ts'
import { type GitRule, parseGitRule } from '../../contract/git-rules.ts'
import { compilePolicy } from '../../policy/network/index.ts'
import { withGitRules } from './git-policy.ts'
import { PushGuard, type PushLimits } from './push-guard.ts'

const HOST = 'git.example.test'
const folder = mkdtempSync(join(tmpdir(), 'ak-git-'))
const server = new GitServer(join(folder, 'server'), certificateFor(HOST))
const authority = writeAuthority(join(folder, 'ca.pem'))
let count = 0
let lab: HttpLab
let work: string
let repo: string
let url: string

/** A gateway with these rules, and a clone with one commit on `main` that the server has too. */
async function begin(rules: readonly string[], limits: Partial<PushLimits> = {}): Promise<void> {
  lab?.close()
  repo = `org/app${++count}`
  server.create(`${repo}.git`)
  const parsed = rules.flatMap((text) => parseGitRule(text) as GitRule[])
  const policy = compilePolicy({ allow: ['*.example.test', '203.0.113.1/32'], block: [] }, { ownAddresses: [] })
  lab = new HttpLab({
    servers: { [`${HOST}:443`]: server.port },
    engine: { guard: new PushGuard(parsed, limits) },
    gateway: { policy: withGitRules(policy, parsed) },
  })
  work = join(folder, `work${count}`)
  const origin = `file://${server.folder}/${repo}.git`
  await git(folder, 'clone', '-q', origin, work)
  await commit('one')
  await git(work, 'push', '-q', origin, 'HEAD:main', 'HEAD:agent/old')
  url = `https://${HOST}/${repo}.git`
}

async function git(cwd: string, ...args: string[]): Promise<{ readonly code: number; readonly out: string; readonly err: string }> {
  const child = Bun.spawn(['git', ...args], { cwd, stdout: 'pipe', stderr: 'pipe', env: gitEnv(folder) })
  const [out, err] = await Promise.all([new Response(child.stdout).text(), new Response(child.stderr).text()])
  return { code: await child.exited, out, err }
}

async function commit(name: string, content: string | Uint8Array = name): Promise<string> {
  writeFileSync(join(work, name), content)
  await git(work, 'add', '.')
  await git(work, 'commit', '-q', '-m', name)
  return (await git(work, 'rev-parse', 'HEAD')).out.trim()
}

/** Every `CONNECT` leads into the gateway. */
const proxy = createServer().on('connect', (_request, socket: Socket) => {
  const door = connect(lab.door(HOST, 443), '127.0.0.1', () => socket.write('HTTP/1.1 200 OK\r\n\r\n'))
  socket.pipe(door).pipe(socket)
  for (const each of [socket, door]) each.on('error', () => [socket, door].forEach((one) => one.destroy()))
})
await new Promise<void>((resolve) => proxy.listen(0, '127.0.0.1', resolve))

function push(...args: string[]): ReturnType<typeof git> {
  const { port } = proxy.address() as AddressInfo
  return git(work, '-c', `http.proxy=http://127.0.0.1:${port}`, '-c', `http.sslCAInfo=${authority}`, 'push', url, ...args)
}

afterAll(async () => {
  lab.close()
  proxy.close()
  await server.close()
  rmSync(folder, { recursive: true, force: true })
})

describe('a push through the gateway', () => {
  beforeEach(() => begin([`${HOST}/org/*=agent/*`]))

  test('of a new branch that a rule names arrives', async () => {
    const id = await commit('two')
    expect(await push('HEAD:agent/new')).toMatchObject({ code: 0 })
    expect(server.ref(`${repo}.git`, 'refs/heads/agent/new')).toBe(id)
  })

  test('to another branch is refused, and git shows why', async () => {
    const before = server.ref(`${repo}.git`, 'main')
    await commit('two')
    const { code, err } = await push('HEAD:main')
    expect(code).not.toBe(0)
    expect(err).toContain('[remote rejected] HEAD -> main (only refs/heads/agent/* may be pushed here)')
    expect(err).toContain('remote: agentkernel did not let this push through.')
    expect(server.ref(`${repo}.git`, 'main')).toBe(before)
    expect(server.requests.filter((line) => line === `POST /${repo}.git/git-receive-pack`)).toEqual([])
    expect(lab.recorder.denials().map(({ reason }) => reason)).toEqual([
      'a push of refs/heads/main: only refs/heads/agent/* may be pushed here',
    ])
  })

  test('with one bad ref leaves the others out too', async () => {
    await commit('two')
    const { code, err } = await push('HEAD:agent/new', 'HEAD:main')
    expect(code).not.toBe(0)
    expect(err).toContain('HEAD -> main (only refs/heads/agent/* may be pushed here)')
    expect(err).toContain('HEAD -> agent/new (not pushed, because another ref of this push may not be)')
    expect(server.ref(`${repo}.git`, 'refs/heads/agent/new')).toBeUndefined()
  })

  test('of several good refs arrives', async () => {
    const id = await commit('two')
    expect(await push('HEAD:agent/a', 'HEAD:agent/b', 'HEAD:agent/old')).toMatchObject({ code: 0 })
    expect(['a', 'b', 'old'].map((name) => server.ref(`${repo}.git`, `refs/heads/agent/${name}`))).toEqual([id, id, id])
  })

  test('that goes forward by many commits and a merge arrives', async () => {
    for (let index = 0; index < 30; index++) await commit(`file${index}`, `${index}\n`.repeat(500))
    await git(work, 'checkout', '-q', '-b', 'side', 'HEAD~10')
    await commit('side')
    await git(work, 'merge', '-q', '-m', 'merge', 'main')
    const id = (await git(work, 'rev-parse', 'HEAD')).out.trim()
    expect(await push('HEAD:agent/old')).toMatchObject({ code: 0 })
    expect(server.ref(`${repo}.git`, 'refs/heads/agent/old')).toBe(id)
  })

  test('that is no fast-forward is refused', async () => {
    const before = server.ref(`${repo}.git`, 'refs/heads/agent/old')
    await git(work, 'commit', '-q', '--amend', '-m', 'another')
    const { code, err } = await push('--force', 'HEAD:agent/old')
    expect(code).not.toBe(0)
    expect(err).toContain('[remote rejected] HEAD -> agent/old (no fast-forward)')
    expect(server.ref(`${repo}.git`, 'refs/heads/agent/old')).toBe(before)
  })

  test('that goes back is refused, for nothing shows that it goes forward', async () => {
    await commit('two')
    expect(await push('HEAD:agent/old')).toMatchObject({ code: 0 })
    const { code, err } = await push('--force', 'HEAD~1:agent/old')
    expect(code).not.toBe(0)
    expect(err).toContain('the push does not bring the new commit along')
  })

  test('that deletes is refused', async () => {
    const { code, err } = await push('--delete', 'agent/old')
    expect(code).not.toBe(0)
    expect(err).toContain('[remote rejected] agent/old (it may not be deleted)')
    expect(server.ref(`${repo}.git`, 'refs/heads/agent/old')).toBeDefined()
  })

  test('with options is refused', async () => {
    await commit('two')
    const { code, err } = await push('-o', 'merge_request.create', 'HEAD:agent/new')
    expect(code).not.toBe(0)
    expect(err).toContain('push options are not passed on')
  })

  test('larger than the buffers of git, in chunks, arrives when it is new and when it goes forward', async () => {
    for (const [name, ref] of [
      ['big', 'agent/big'],
      ['big2', 'agent/big'],
    ] as const) {
      const id = await commit(name, randomText(3_000_000))
      expect(await push(`HEAD:${ref}`)).toMatchObject({ code: 0 })
      expect(server.ref(`${repo}.git`, `refs/heads/${ref}`)).toBe(id)
    }
    expect(server.requests.filter((line) => line.startsWith('POST')).length).toBeGreaterThan(2)
  })

  test('of a repository that no rule names is refused; fetching it is not', async () => {
    server.create('other/app.git')
    await commit('two')
    url = `https://${HOST}/other/app.git`
    const { code, err } = await push('HEAD:agent/new')
    expect(code).not.toBe(0)
    expect(err).toContain('no git rule names this repository')
  })
})

describe('other rules', () => {
  test('force and delete are let through where they are allowed', async () => {
    await begin([`${HOST}=+agent/*`])
    await git(work, 'commit', '-q', '--amend', '-m', 'another')
    expect(await push('--force', 'HEAD:agent/old')).toMatchObject({ code: 0 })
    expect((await push('--delete', 'agent/old')).code).not.toBe(0)
  })

  test('what is too large to be looked into is refused, and says so', async () => {
    await begin([`${HOST}=agent/*`], { packBytes: 2 * 1024 ** 2 })
    await commit('big', randomText(3_000_000))
    const { code, err } = await push('HEAD:agent/old')
    expect(code).not.toBe(0)
    expect(err).toContain('an update of 2 MiB or more cannot be looked into: push in smaller steps')
    expect(await push('HEAD:agent/new')).toMatchObject({ code: 0 })
  })

  test('that says a branch is new which is there gets nowhere: the server compares', async () => {
    await begin([`${HOST}=agent/*`])
    const before = server.ref(`${repo}.git`, 'refs/heads/agent/old')
    await git(work, 'commit', '-q', '--amend', '-m', 'another')
    const id = (await git(work, 'rev-parse', 'HEAD')).out.trim()
    await git(work, 'pack-objects', '-q', '--all', 'pack')
    const pack = readFileSync(join(work, [...new Bun.Glob('pack-*.pack').scanSync(work)][0]!))
    const line = `${'0'.repeat(40)} ${id} refs/heads/agent/old\0 report-status`
    const head = Buffer.from(`${(line.length + 4).toString(16).padStart(4, '0')}${line}0000`)
    const answer = await (await post(Buffer.concat([head, pack]), 'identity')).text()
    expect(answer).toContain('unpack ok')
    expect(answer).toContain('ng refs/heads/agent/old')
    expect(server.ref(`${repo}.git`, 'refs/heads/agent/old')).toBe(before)
  })

  test('an encoded push is looked into as well, and leaves without its encoding', async () => {
    await begin([`${HOST}=agent/*`])
    const line = (ref: string) => `${'0'.repeat(40)} ${'1'.repeat(40)} ${ref}\0 report-status`
    const bodyOf = (ref: string) => gzipSync(Buffer.from(`${(line(ref).length + 4).toString(16).padStart(4, '0')}${line(ref)}0000`))
    const refused = await post(bodyOf('refs/heads/main'))
    expect(await refused.text()).toContain('ng refs/heads/main only refs/heads/agent/* may be pushed here')
    // There is no pack: the server says so, which shows that it could read the commands.
    expect(await (await post(bodyOf('refs/heads/agent/x'))).text()).toContain('ng refs/heads/agent/x unpacker error')
    expect((await post(bodyOf('refs/heads/main'), 'br')).status).toBe(403)
    expect((await post(Buffer.from('no gzip'))).status).toBe(403)
    expect((await post(bodyOf('refs/heads/main'), 'gzip', `/${repo}.git/git%2dreceive-pack`)).status).toBe(403)
    expect((await post(bodyOf('refs/heads/main'), 'gzip', `/x/../${repo}.git//git-receive-pack`)).status).toBe(403)
  })
})

const post = (body: Uint8Array, encoding = 'gzip', path = `/${repo}.git/git-receive-pack`) =>
  fetch(`https://${HOST}:443${path}`, {
    method: 'POST',
    body,
    headers: { 'content-encoding': encoding, 'content-type': 'application/x-git-receive-pack-request' },
    proxy: `http://127.0.0.1:${(proxy.address() as AddressInfo).port}`,
    tls: { ca: sandboxAuthority.cert },
  })

function randomText(bytes: number): string {
  return Buffer.from(Array.from({ length: bytes / 50_000 }, () => [...crypto.getRandomValues(new Uint8Array(37_500))]).flat()).toString(
    'base64',
  )
}
