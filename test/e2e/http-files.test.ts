import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { createHash } from 'node:crypto'
import { connect } from 'node:net'
import { HttpDaemon } from './http-daemon.ts'
import { within } from './kit.ts'

const MIB = 1024 ** 2
let http: HttpDaemon
beforeAll(async () => {
  http = await HttpDaemon.start()
  await http.sandbox('box')
})
afterAll(async () => {
  await http.daemon.dispose()
})

const file = (path: string): string => `/sandboxes/box/files${path}`
const raw = (path: string): string => `/sandboxes/box/raw${path}`
const put = (path: string, content: string, encoding?: string) =>
  http.ask(file(path), { method: 'PUT', json: { content, ...(encoding === undefined ? {} : { encoding }) } })
const sh = async (script: string) =>
  (await http.post('/sandboxes/box/exec', { command: ['sh', '-c', script] })).body['data'] as { output: string }

describe('a file', () => {
  test('is written, read and deleted as JSON', async () => {
    expect((await put('/tmp/a.txt', 'héllo')).body).toEqual({ success: true, data: 'Wrote 6 bytes to /tmp/a.txt' })
    expect((await http.ask(file('/tmp/a.txt'))).body['data']).toEqual({ content: 'héllo', encoding: 'utf8', size: 6 })
    expect((await http.ask(file('/tmp/a.txt'), { method: 'DELETE' })).body['data']).toBe('Deleted /tmp/a.txt')
    const gone = await http.ask(file('/tmp/a.txt'))
    expect([gone.status, gone.body['code']]).toEqual([404, 'file_not_found'])
  })

  test('is one and the same with one slash, two, or none', async () => {
    await put('//tmp//slashes', 'x')
    for (const path of ['/tmp/slashes', '//tmp/slashes', '/tmp%2Fslashes']) expect((await http.ask(file(path))).status).toBe(200)
  })

  test('that is no text is base64, both ways', async () => {
    const bytes = Buffer.from([0xff, 0, 1, 0xfe])
    await put('/tmp/b', bytes.toString('base64'), 'base64')
    expect((await http.ask(file('/tmp/b'))).body['data']).toEqual({ content: bytes.toString('base64'), encoding: 'base64', size: 4 })
    expect((await put('/tmp/c', 'not base64!', 'base64')).status).toBe(400)
  })

  test('among several is written with the folders above it', async () => {
    const { body } = await http.post('/sandboxes/box/files', { files: { '/tmp/new/one': '1', '/tmp/new/deep/two': '2' } })
    expect(body['data']).toEqual({ written: 2, message: 'Wrote 2 file(s)' })
    expect((await sh('cat /tmp/new/one /tmp/new/deep/two')).output).toBe('12')
  })

  test('is described, listed, moved, and folders are made', async () => {
    expect((await http.post('/sandboxes/box/mkdir', { path: '/tmp/dir/sub/' })).body['data']).toEqual({ path: '/tmp/dir/sub' })
    await put('/tmp/dir/one', '1')
    expect((await http.post('/sandboxes/box/move', { from: '/tmp/dir/one', to: '/tmp/dir/two' })).body['data']).toEqual({
      from: '/tmp/dir/one',
      to: '/tmp/dir/two',
    })
    expect((await http.ask('/sandboxes/box/stat/tmp/dir/two')).body['data']).toMatchObject({ type: 'file', size: 1, path: '/tmp/dir/two' })
    const names = ((await http.ask('/sandboxes/box/list/tmp/dir')).body['data'] as { name: string }[]).map(({ name }) => name)
    expect(names.toSorted()).toEqual(['sub', 'two'])
  })

  test('that is too large for JSON says where it can be read', async () => {
    await sh(`truncate -s ${16 * MIB + 1} /tmp/large`)
    const { status, body } = await http.ask(file('/tmp/large'))
    expect([status, body['code']]).toEqual([413, 'payload_too_large'])
    expect(String(body['fix'])).toContain('/raw/')
  })

  test('behind a link that leads out of bounds is refused by the agent itself', async () => {
    await sh('ln -sfn /proc /tmp/link')
    const { status } = await http.ask(file('/tmp/link/self/environ'))
    expect([403, 404]).toContain(status)
  })
})

describe('raw bytes', () => {
  test('of a file come whole, in part, or not at all', async () => {
    await sh('printf 0123456789 > /tmp/ten')
    const of = async (range?: string, method = 'GET') => {
      const { status, headers, text } = await http.ask(raw('/tmp/ten'), { method, headers: range === undefined ? {} : { range } })
      return [status, headers.get('x-file-size'), headers.get('content-range'), text]
    }
    expect(await of()).toEqual([200, '10', null, '0123456789'])
    expect(await of('bytes=2-4')).toEqual([206, '10', 'bytes 2-4/10', '234'])
    expect(await of('bytes=-3')).toEqual([206, '10', 'bytes 7-9/10', '789'])
    expect(await of('bytes=8-')).toEqual([206, '10', 'bytes 8-9/10', '89'])
    expect((await of('bytes=10-')).slice(0, 3)).toEqual([416, null, 'bytes */10'])
    expect(await of('bytes=0-1,3-4')).toEqual([200, '10', null, '0123456789'])
    expect(await of(undefined, 'HEAD')).toEqual([200, '10', null, ''])
    expect((await http.send(raw('/tmp/ten'), { method: 'HEAD' })).headers.get('content-length')).toBe('10')
    expect((await http.ask(raw('/tmp/nothing'))).body['code']).toBe('file_not_found')
    expect((await http.ask(raw('/tmp/nothing'), { method: 'HEAD' })).status).toBe(404)
  })

  test('of a file without any come, too', async () => {
    await sh(': > /tmp/empty')
    const { status, text } = await http.ask(raw('/tmp/empty'))
    expect([status, text]).toEqual([200, ''])
    expect((await http.ask(raw('/tmp/none'), { method: 'PUT' })).body['data']).toEqual({ path: '/tmp/none', written: 0 })
    expect((await sh('wc -c < /tmp/none')).output.trim()).toBe('0')
  })

  test('go in and come out as they are, many of them', async () => {
    const bytes = Buffer.alloc(48 * MIB)
    for (let at = 0; at < bytes.length; at += 4) bytes.writeUInt32LE((at * 2654435761) >>> 0, at)
    const sent = await http.ask(raw('/tmp/big'), { method: 'PUT', body: bytes })
    expect(sent.body['data']).toEqual({ path: '/tmp/big', written: bytes.length })
    const back = createHash('sha256')
      .update(new Uint8Array(await (await http.send(raw('/tmp/big'))).arrayBuffer()))
      .digest('hex')
    expect(back).toBe(createHash('sha256').update(bytes).digest('hex'))
  })

  test('that break off leave the file as it was', async () => {
    await put('/tmp/kept', 'before')
    const url = new URL(http.daemon.url)
    const socket = connect({ host: url.hostname, port: Number(url.port) })
    socket.write(`PUT ${raw('/tmp/kept')} HTTP/1.1\r\nHost: ${url.host}\r\nAuthorization: Bearer key\r\nContent-Length: 1000000\r\n\r\n`)
    socket.write(Buffer.alloc(500_000))
    await eventuallyAsync(async () => (await sh('ls -A /tmp | wc -l')).output !== '', 'the sandbox answers')
    socket.destroy()
    await eventuallyAsync(async () => (await sh('cat /tmp/kept')).output === 'before', 'the file is as it was')
    expect((await http.ask(file('/tmp/kept'))).body['data']).toMatchObject({ content: 'before' })
  })

  test('of a folder are a tar stream, which can be unpacked into another', async () => {
    await sh('mkdir -p /tmp/tree/deep && echo a > /tmp/tree/a && echo b > /tmp/tree/deep/b && ln -sf a /tmp/tree/l')
    const tar = await (await http.send('/sandboxes/box/tar/tmp/tree')).arrayBuffer()
    const { body } = await http.ask('/sandboxes/box/tar/tmp/copy', { method: 'PUT', body: tar })
    expect(body['data']).toMatchObject({ files: expect.any(Number) })
    expect((await sh('cd /tmp/copy && find . | sort && cat tree/a tree/deep/b tree/l')).output).toBe(
      ['.', './tree', './tree/a', './tree/deep', './tree/deep/b', './tree/l', 'a', 'b', 'a', ''].join('\n'),
    )
  })
})

describe('changes below a path', () => {
  test('are told as they happen', async () => {
    await sh('mkdir -p /tmp/watched')
    const events = await http.events('/sandboxes/box/watch?path=/tmp/watched')
    // Until the watch stands, changes may be missed: the first one that is told shows that it does.
    const first = events.until('change')
    await eventuallyAsync(async () => {
      await sh('date > /tmp/watched/a')
      return (await Promise.race([first.then(() => true), Bun.sleep(50).then(() => false)])) === true
    }, 'a change is told')
    expect((await within(first, 'a change')).data).toMatchObject({ path: '/tmp/watched/a' })
    await events.cancel()
  })

  test('of a path that is not there are not told', async () => {
    expect((await http.ask('/sandboxes/box/watch?path=/tmp/not-there')).status).toBe(404)
  })
})

async function eventuallyAsync(holds: () => Promise<boolean>, what: string): Promise<void> {
  const deadline = performance.now() + 10_000
  while (!(await holds())) if (performance.now() > deadline) throw new Error(`waited in vain until ${what}`)
}
