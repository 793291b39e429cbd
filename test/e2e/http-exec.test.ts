import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { HttpDaemon } from './http-daemon.ts'
import { eventually, processesWith, within } from './kit.ts'

const MIB = 1024 ** 2
const PARENT = '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01'
let http: HttpDaemon
beforeAll(async () => {
  http = await HttpDaemon.start()
  await http.sandbox('box')
})
afterAll(async () => {
  await http.daemon.dispose()
})

const sh = (script: string): string[] => ['sh', '-c', script]
const exec = (command: readonly string[], more: object = {}, headers = {}) =>
  http.post('/sandboxes/box/exec', { command, ...more }, headers)
const marked = (): string => `sleep ${985_000_000 + Math.floor(Math.random() * 1_000_000)}`

describe('a command in a sandbox', () => {
  test('has its output as data, or is 409 with all that is known of it', async () => {
    expect((await exec(['echo', 'hi'])).body).toMatchObject({ success: true, data: { output: 'hi\n', exit_code: 0, ended: 'exited' } })
    const failed = await exec(sh('echo out; echo err >&2; exit 7'))
    expect(failed.status).toBe(409)
    expect(failed.body).toMatchObject({ success: false, code: 'command_failed', exit_code: 7, output: 'out\nerr\n', stderr: 'err\n' })
  })

  test('gets variables and folder, and the trace of its caller whatever variables say', async () => {
    const { body } = await exec(
      sh('echo "$A $PWD $TRACEPARENT $TRACESTATE"'),
      { env: ['A=1', 'TRACEPARENT=forged', 'TRACESTATE=forged'], workdir: '/tmp' },
      { traceparent: PARENT, tracestate: 'x=1' },
    )
    expect(body).toMatchObject({ data: { output: `1 /tmp ${PARENT} x=1\n` } })
    expect((await exec(sh('echo "[$TRACEPARENT]"'), { env: ['TRACEPARENT=forged'] })).body).toMatchObject({ data: { output: '[]\n' } })
  })

  test('is ended when its client leaves', async () => {
    const marker = marked()
    const leaving = new AbortController()
    const sent = http.send('/sandboxes/box/exec', { json: { command: marker.split(' ') }, signal: leaving.signal })
    sent.catch(() => undefined)
    await eventually(() => processesWith(marker).length > 0, 'the command runs')
    leaving.abort()
    await eventually(() => processesWith(marker).length === 0, 'the command has ended')
  })

  test('that writes more than JSON holds says where all of it is', async () => {
    const { body } = await exec(sh(`head -c ${20 * MIB} /dev/zero | tr '\\0' x`))
    const data = body['data'] as { output: string; truncated: boolean; output_url: string }
    expect([data.output.length, data.truncated]).toEqual([16 * MIB, true])
    const all = await http.send(data.output_url)
    expect((await all.arrayBuffer()).byteLength).toBe(20 * MIB)
  })

  test('in a sandbox that is not there is not found', async () => {
    for (const path of ['exec', 'exec/stream', 'exec/detach']) {
      const { status, body } = await http.post(`/sandboxes/nobody/${path}`, { command: ['true'] })
      expect([path, status, body['error']]).toEqual([path, 404, 'Sandbox not found'])
    }
  })

  test('that is followed tells what it writes when it writes it', async () => {
    const marker = marked()
    const events = await http.events('/sandboxes/box/exec/stream', { json: { command: sh(`echo first; ${marker}`) } })
    expect((await events.next())!.event).toBe('started')
    expect((await within(events.until('output'), 'the first output')).data).toEqual({
      data: 'first\n',
      content: 'first\n',
      stream: 'stdout',
    })
    await events.cancel()
    await eventually(() => processesWith(marker).length === 0, 'the command has ended')
  })

  test('that is followed ends with how it ended', async () => {
    const events = await (await http.events('/sandboxes/box/exec/stream', { json: { command: sh('echo a; exit 3') } })).rest()
    expect(events.map(({ event }) => event)).toEqual(['started', 'output', 'done'])
    expect(events.at(-1)!.data).toMatchObject({ exit_code: 3, success: false, output: 'a\n' })
  })
})

describe('a command that is left alone', () => {
  test('is listed, its output read from any offset, and its end known', async () => {
    const { body } = await http.post('/sandboxes/box/exec/detach', { command: sh('printf 0123456789; printf err >&2') })
    const { id } = body['data'] as { id: string }
    const at = `/sandboxes/box/exec/detached/${id}`
    const follow = await http.send(`${at}/output?offset=4&follow=true`)
    expect([await follow.text(), follow.headers.get('x-log-offset')]).toEqual(['456789', '4'])
    expect((await http.ask(at)).body['data']).toMatchObject({ id, status: 'completed', exit_code: 0 })
    expect((await http.ask('/sandboxes/box/exec/detached')).body['data']).toContainEqual(expect.objectContaining({ id }))
    expect((await http.ask(`${at}/logs`)).body['data']).toEqual({ stdout: '0123456789' })
    expect((await http.ask(`${at}/logs?stream=stderr`)).body['data']).toEqual({ stderr: 'err' })
    expect((await http.ask(`${at}/output?stream=stderr`)).text).toBe('err')
    const head = await http.send(`${at}/output`, { method: 'HEAD' })
    expect([head.status, head.headers.get('x-log-end')]).toEqual([200, '10'])
  })

  test('can be ended', async () => {
    const marker = marked()
    const { body } = await http.post('/sandboxes/box/exec/detach', { command: marker.split(' ') })
    const { id } = body['data'] as { id: string }
    expect((await http.ask(`/sandboxes/box/exec/detached/${id}`, { method: 'DELETE' })).body).toEqual({
      success: true,
      data: 'Command killed',
    })
    await eventually(() => processesWith(marker).length === 0, 'the command has ended')
    const unknown = await http.ask('/sandboxes/box/exec/detached/nobody')
    expect([unknown.status, unknown.body['code']]).toEqual([404, 'exec_not_found'])
  })
})

describe('events', () => {
  test('are numbered, told as they happen, and told again to whoever missed them', async () => {
    const all = await http.events('/events')
    await http.sandbox('watched')
    const created = await within(all.until('sandbox.created'), 'the creation')
    expect(created.data).toMatchObject({ event: 'sandbox.created', sandbox: 'watched', id: created.id })
    await http.post('/sandboxes/watched/exec', { command: ['true'] })
    const completed = await within(all.until('sandbox.exec.completed'), 'the command')
    expect(completed.data).toMatchObject({ metadata: { command: ['true'], success: true, exit_code: 0 } })
    await all.cancel()

    await http.ask('/sandboxes/watched', { method: 'DELETE' })
    const again = await http.events('/events?sandbox=watched', { headers: { 'last-event-id': String(created.id) } })
    const missed = await within(again.until('sandbox.deleted'), 'the removal')
    expect(missed.id).toBeGreaterThan(completed.id!)
    await again.cancel()
    const first = await http.events(`/events?after=${created.id! - 1}&sandbox=watched`)
    expect((await within(first.next(), 'the first'))!.id).toBe(created.id!)
    await first.cancel()
    expect((await http.ask('/events', { headers: { 'last-event-id': 'x' } })).status).toBe(400)
  })
})
