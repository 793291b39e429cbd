import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { createHash, randomBytes } from 'node:crypto'
import {
  AgentKernel,
  AuthError,
  CommandFailedError,
  type ExecSession,
  type LifecycleEvent,
  NotAvailableError,
  NotFoundError,
  ValidationError,
} from '../../sdk/typescript/src/index.ts'
import { startDaemon, type TestDaemon } from '../support/daemon.ts'
import { within } from './kit.ts'

/** The SDK against a real server with real sandboxes. */
let daemon: TestDaemon
let client: AgentKernel
beforeAll(async () => {
  daemon = await startDaemon({ keys: ['key-1'] })
  client = new AgentKernel({ baseUrl: daemon.url, apiKey: 'key-1' })
})
afterAll(() => daemon.dispose())

const text = (bytes: Uint8Array): string => Buffer.from(bytes).toString()
const failureOf = (promise: Promise<unknown>): Promise<unknown> =>
  promise.then(
    () => 'no failure',
    (error: unknown) => error,
  )

async function outputOf(session: ExecSession): Promise<string> {
  let all = ''
  for await (const chunk of session.output) if ('bytes' in chunk) all += text(chunk.bytes)
  return all
}

/** Reads until the output so far matches. */
async function outputUntil(session: ExecSession, pattern: RegExp): Promise<void> {
  let all = ''
  for await (const chunk of session.output) {
    if ('bytes' in chunk) all += text(chunk.bytes)
    if (pattern.test(all)) return
  }
  throw new Error(`${pattern} never came: ${all}`)
}

describe('a run', () => {
  test('gives what the command wrote, by channel and together', async () => {
    const result = await client.run(['sh', '-c', 'echo out; echo err >&2'])
    expect(result).toMatchObject({ stdout: 'out\n', stderr: 'err\n', exit_code: 0, ended: 'exited' })
  })

  test('of a failing command throws its exit code and output', async () => {
    const error = await failureOf(client.run(['sh', '-c', 'echo half; exit 3'], { profile: 'restrictive' }))
    expect(error).toBeInstanceOf(CommandFailedError)
    expect(error).toMatchObject({ exitCode: 3, output: 'half\n', status: 409, code: 'command_failed' })
  })

  test('can be followed', async () => {
    const seen = await Array.fromAsync(client.runStream(['sh', '-c', 'echo hi; exit 4']))
    expect(seen.find(({ type }) => type === 'output')?.data).toMatchObject({ data: 'hi\n', stream: 'stdout' })
    expect(seen.at(-1)).toMatchObject({ type: 'done', data: { exit_code: 4 } })
  })

  test('beside others has its own result', async () => {
    const { results } = await client.batchRun([{ command: ['echo', 'a'] }, { command: ['false'] }, { command: ['echo', 'c'] }])
    expect(results.map(({ output }) => output)).toEqual(['a\n', expect.anything(), 'c\n'])
    expect(results[1]!.error).toBeString()
  })

  test('that the server refuses throws what is wrong', async () => {
    expect(await failureOf(client.run([]))).toBeInstanceOf(ValidationError)
    expect(await failureOf(client.run(['no-such-program']))).toMatchObject({ code: 'command_not_found' })
    expect(await failureOf(client.run(['true'], { image: 'alpine:3.20' }))).toBeInstanceOf(NotAvailableError)
    expect(await failureOf(client.listSnapshots())).toBeInstanceOf(NotAvailableError)
    expect(await failureOf(client.getSandbox('nobody'))).toBeInstanceOf(NotFoundError)
  })
})

describe('a wrong key', () => {
  test('is told in the same way by requests and WebSockets', async () => {
    const stranger = new AgentKernel({ baseUrl: daemon.url, apiKey: 'wrong' })
    expect(await stranger.health()).toBe('ok')
    expect(await failureOf(stranger.listSandboxes())).toBeInstanceOf(AuthError)
    expect(await failureOf(stranger.openExec('box', ['true']))).toBeInstanceOf(AuthError)
    expect(await failureOf(new AgentKernel({ baseUrl: daemon.url }).status())).toBeInstanceOf(AuthError)
  })
})

describe('a sandbox', () => {
  test('lives from create to remove', async () => {
    const made = await client.createSandbox('life', { labels: { team: 'a', n: '1' }, description: 'first', ttl: '1h', memory_mb: 256 })
    expect(made).toMatchObject({ name: 'life', status: 'running', labels: { team: 'a', n: '1' }, description: 'first', memory_mb: 256 })
    expect(await failureOf(client.createSandbox('life'))).toMatchObject({ code: 'already_exists', status: 409 })
    expect((await client.getSandboxByUuid(made.uuid!)).name).toBe('life')
    expect((await client.listSandboxes({ labels: { team: 'a', n: '1' } })).map(({ name }) => name)).toEqual(['life'])
    expect(await client.listSandboxes({ labels: { team: 'a', n: '2' } })).toEqual([])
    expect(await client.patchSandbox('life', { labels: { team: 'b' }, description: null })).toMatchObject({ labels: { team: 'b' } })
    expect((await client.getSandbox('life')).description).toBeUndefined()
    const end = Date.parse(made.expires_at!)
    expect(Date.parse((await client.extendTtl('life', { by: '1h' })).expires_at!)).toBeGreaterThan(end)
    expect(await client.extendTtl('life', { by: '0' })).toEqual({})
    await client.writeFile('life', '/tmp/kept.txt', 'kept')
    expect((await client.stopSandbox('life')).status).toBe('stopped')
    expect(await failureOf(client.execInSandbox('life', ['true']))).toMatchObject({ code: 'sandbox_not_running' })
    expect((await client.startSandbox('life')).status).toBe('running')
    expect((await client.resizeSandbox('life', { memory_mb: 128 })).memory_mb).toBe(128)
    expect((await client.sandboxStats('life')).sandbox).toBe('life')
    expect(await client.exportConfig('life')).toContain('memory')
    expect((await client.getSandboxLogs('life')).length).toBeGreaterThan(0)
    await client.removeSandbox('life')
    expect(await failureOf(client.getSandbox('life'))).toBeInstanceOf(NotFoundError)
  })

  test('is made once however often the same key asks', async () => {
    const [first, second] = [
      await client.createSandbox('once', { idempotencyKey: 'k1' }),
      await client.createSandbox('once', { idempotencyKey: 'k1' }),
    ]
    expect(second.uuid).toBe(first.uuid!)
    expect(await failureOf(client.createSandbox('other', { idempotencyKey: 'k1' }))).toMatchObject({ code: 'idempotency_mismatch' })
    await client.removeSandbox('once')
  })

  test('of a session is gone when its holder has left', async () => {
    {
      await using session = await client.sandbox('held')
      await session.writeFiles({ '/tmp/a': 'one', '/tmp/b': 'two' })
      expect((await session.exec(['cat', '/tmp/a', '/tmp/b'])).output).toBe('onetwo')
    }
    expect(await failureOf(client.getSandbox('held'))).toBeInstanceOf(NotFoundError)
  })

  test('tells what happens to it, and tells it again from any event on', async () => {
    const seen: LifecycleEvent[] = []
    const stop = new AbortController()
    const names = (): string[] => seen.map(({ event }) => event)
    const follow = async (lastEventId: number | undefined, until: string): Promise<void> => {
      seen.length = 0
      const from = lastEventId === undefined ? {} : { lastEventId }
      for await (const event of client.events({ sandbox: 'watched', signal: stop.signal, ...from })) {
        seen.push(event)
        if (event.event === until) return
      }
    }
    const live = follow(0, 'sandbox.deleted')
    await client.createSandbox('watched', { labels: { a: 'b' } })
    await client.execInSandbox('watched', ['true'])
    await client.removeSandbox('watched')
    await within(live, 'the event of the removal')
    const all = names()
    expect(all).toContain('sandbox.created')
    expect(all).toContain('sandbox.exec.completed')
    const second = seen[1]!.id
    await within(follow(second, 'sandbox.deleted'), 'the event of the removal again')
    expect(names()).toEqual(all.slice(2))
    stop.abort()
  })
})

describe('in a sandbox', () => {
  beforeAll(async () => {
    await client.createSandbox('box')
  })

  test('a command gets environment and directory', async () => {
    const { output } = await client.execInSandbox('box', ['sh', '-c', 'echo $A in $PWD'], { env: ['A=1'], workdir: '/tmp' })
    expect(output).toBe('1 in /tmp\n')
  })

  test('output comes before the command has ended', async () => {
    const script = 'echo waiting; while [ ! -e /tmp/go ]; do sleep 0.01; done; echo gone >&2'
    const seen: string[] = []
    for await (const event of client.execStream('box', ['sh', '-c', script])) {
      if (event.type === 'output') seen.push(`${event.stream}:${event.data}`)
      if (event.type === 'output' && event.data === 'waiting\n') await client.writeFile('box', '/tmp/go', '')
      if (event.type === 'done') expect(event).toMatchObject({ exit_code: 0, ended: 'exited' })
    }
    expect(seen).toEqual(['stdout:waiting\n', 'stderr:gone\n'])
  })

  test('a command ends with the loop that followed it', async () => {
    for await (const event of client.execStream('box', ['sh', '-c', 'echo $$ >/tmp/pid; echo here; exec sleep 1000'])) {
      if (event.type === 'output') break
    }
    const { output } = await client.execInSandbox('box', [
      'sh',
      '-c',
      'while kill -0 "$(cat /tmp/pid)" 2>/dev/null; do sleep 0.01; done; echo over',
    ])
    expect(output).toBe('over\n')
  })

  test('a command is written to, and answers', async () => {
    const sent = randomBytes(3_000_000)
    await using session = await client.openExec('box', ['sh', '-c', 'sha256sum; exit 5'])
    const [output] = await Promise.all([outputOf(session), session.pipe(new Blob([sent]).stream())])
    expect(output.split(' ')[0]).toBe(createHash('sha256').update(sent).digest('hex'))
    expect(await session.result).toMatchObject({ exit_code: 5, ended: 'exited' })
  })

  test('a terminal has the size it is given, and is signalled', async () => {
    await using session = await client.openExec('box', ['sh'], { tty: { cols: 80, rows: 24 } })
    await session.write('stty size\n')
    await outputUntil(session, /24 80/)
    session.resize(100, 40)
    await session.write('stty size; exit 0\n')
    await outputUntil(session, /40 100/)
    await outputOf(session)
    expect(await session.result).toMatchObject({ exit_code: 0 })
    await using other = await client.openExec('box', ['sleep', '1000'])
    other.signal('SIGTERM')
    await outputOf(other)
    expect(await other.result).toMatchObject({ ended: 'signaled', signal: 15, exit_code: 143 })
  })

  test('a command that was left is come back to', async () => {
    const { id } = await client.execDetached('box', [
      'sh',
      '-c',
      'printf 0123456789; while [ ! -e /tmp/end ]; do sleep 0.01; done; echo end',
    ])
    expect((await client.detachedList('box')).map((command) => command.id)).toContain(id)
    await using visit = await client.attachExec('box', id, { stdout: 4 })
    const rest = outputOf(visit)
    rest.catch(() => undefined)
    const followed = client.detachedOutput('box', id, { follow: true }).then(async (log) => text(Buffer.concat(await Array.fromAsync(log))))
    await client.writeFile('box', '/tmp/end', '')
    expect(await rest).toBe('456789end\n')
    expect(await followed).toBe('0123456789end\n')
    expect(await client.detachedLogs('box', id)).toEqual({ stdout: '0123456789end\n' })
    expect(await client.detachedStatus('box', id)).toMatchObject({ status: 'completed', exit_code: 0 })
    expect(await failureOf(client.detachedStatus('box', 'nobody'))).toMatchObject({ code: 'exec_not_found' })
    const sleeper = await client.execDetached('box', ['sleep', '1000'])
    await client.detachedKill('box', sleeper.id)
    expect((await client.detachedStatus('box', sleeper.id)).status).not.toBe('running')
  })

  test('files are written, read, listed, moved and deleted', async () => {
    await client.makeDir('box', '/tmp/dir/deep')
    await client.writeFile('box', 'tmp/dir/a.txt', 'héllo', { mode: 0o600 })
    await client.writeFile('box', '//tmp//dir/b.bin', Buffer.from([0, 255]).toString('base64'), { encoding: 'base64' })
    expect(await client.readFile('box', '/tmp/dir/a.txt')).toEqual({ content: 'héllo', encoding: 'utf8', size: 6 })
    expect(await client.readFile('box', '/tmp/dir/b.bin')).toEqual({ content: 'AP8=', encoding: 'base64', size: 2 })
    expect(await client.statFile('box', '/tmp/dir/a.txt')).toMatchObject({ type: 'file', size: 6, mode: 0o600 })
    expect((await client.listFiles('box', '/tmp/dir')).map(({ name }) => name).toSorted()).toEqual(['a.txt', 'b.bin', 'deep'])
    await client.moveFile('box', '/tmp/dir/a.txt', '/tmp/dir/deep/c.txt')
    expect(await failureOf(client.readFile('box', '/tmp/dir/a.txt'))).toMatchObject({ code: 'file_not_found' })
    await client.deleteFile('box', '/tmp/dir', { recursive: true })
    expect(await failureOf(client.statFile('box', '/tmp/dir'))).toBeInstanceOf(NotFoundError)
    expect(await failureOf(client.readFile('box', '/proc/1/environ'))).toMatchObject({ code: 'path_forbidden' })
  })

  test('large files travel as they are, whole and in part', async () => {
    const content = randomBytes(20_000_000)
    expect(await client.writeStream('box', '/tmp/big', new Blob([content]).stream(), { mode: 0o640 })).toMatchObject({
      written: content.length,
    })
    const back = await client.readStream('box', '/tmp/big')
    expect(Buffer.concat(await Array.fromAsync(back)).equals(content)).toBe(true)
    const part = await client.readStream('box', '/tmp/big', { offset: 1_000_000, length: 100 })
    expect(part).toMatchObject({ offset: 1_000_000, size: 100, totalSize: content.length })
    expect(Buffer.concat(await Array.fromAsync(part)).equals(content.subarray(1_000_000, 1_000_100))).toBe(true)
  })

  test('folders travel as tar streams', async () => {
    await client.writeFiles('box', { '/tmp/from/a': '1', '/tmp/from/sub/b': '2' })
    expect((await client.tarIn('box', '/tmp/to', await client.tarOut('box', '/tmp/from'))).files).toBeGreaterThanOrEqual(2)
    expect((await client.readFile('box', '/tmp/to/from/sub/b')).content).toBe('2')
  })

  test('changes of files are told', async () => {
    await client.makeDir('box', '/tmp/seen')
    const changes = client.watchFiles('box', '/tmp/seen', { recursive: true })
    const first = changes.next()
    // Nothing says when the watch has begun: change until it is seen.
    let done = false
    const change = async (): Promise<void> => {
      for (let n = 0; !done; n += 1) await client.writeFile('box', `/tmp/seen/${n}`, 'x')
    }
    const changing = change()
    const { value } = await within(first, 'a change')
    done = true
    await changing
    expect(value).toMatchObject({ path: expect.stringMatching(/^\/tmp\/seen/) })
    await changes.return()
  })
})
