import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { HttpWorld } from './http-kit.ts'

const KEY = 'sk-test-1'
const auth = { authorization: `Bearer ${KEY}` }
const MIB = 1024 ** 2

let open: HttpWorld
let keyed: HttpWorld
beforeAll(() => {
  open = new HttpWorld()
  keyed = new HttpWorld({ keys: [KEY] })
})

afterAll(async () => {
  await Promise.all([open.stop(), keyed.stop()])
})

describe('a body', () => {
  const post = async (path: string, body: string | Uint8Array<ArrayBuffer> | ReadableStream, headers = {}) =>
    open.ask(path, { method: 'POST', body, headers })

  test.each(['{', '', '[]', '"x"', 'null', '7', '{"command":}', 'command=x', '\u0000', '{"command":["a"]} x', '{"a":1'.repeat(1000)])(
    'that is no JSON object is refused: %j',
    async (body) => {
      const answer = await post('/run', body)
      expect([answer.status, answer.body['code']]).toEqual([400, 'invalid_argument'])
      if (body !== '') expect(String(answer.body['error'])).toStartWith('Invalid JSON: ')
    },
  )

  test('that is not UTF-8 is refused', async () => {
    const answer = await post('/run', new Uint8Array([0x7b, 0xff, 0x7d]))
    expect(answer.body['error']).toBe('Invalid JSON: the text is not UTF-8')
  })

  test('of more than 16 MiB is refused, announced or not', async () => {
    const body = Buffer.alloc(16 * MIB + 1, ' ')
    const expected = [413, 'Request body exceeds the maximum size of 16777216 bytes', 'payload_too_large']
    const announced = await post('/run', body)
    expect([announced.status, announced.body['error'], announced.body['code']]).toEqual(expected)
    const unannounced = await post(
      '/run',
      new ReadableStream({ type: 'bytes', start: (to) => void (to.enqueue(new Uint8Array(body)), to.close()) }),
    )
    expect([unannounced.status, unannounced.body['error'], unannounced.body['code']]).toEqual(expected)
  })

  test('of exactly 16 MiB is read', async () => {
    const text = `{"command":["a"],"secrets":["x"],"pad":"`
    const answer = await post('/run', `${text}${'x'.repeat(16 * MIB - text.length - 2)}"}`)
    expect(answer.body['code']).toBe('api_key_required')
  })

  test.each([
    ['/run', { command: 'ls' }, 'command: '],
    ['/run', { command: ['ls'], profile: 'open' }, 'profile: '],
    ['/sandboxes', {}, 'name: '],
    ['/sandboxes', { name: 7 }, 'name: '],
    ['/sandboxes', { name: 'a', memory_mb: '1g' }, 'memory_mb: '],
    ['/sandboxes', { name: 'a', labels: { a: 1 } }, 'labels.a: '],
    ['/sandboxes', { name: 'a', labels: { 'a b': '1' } }, 'labels: '],
    ['/sandboxes', { name: 'a', description: 'x'.repeat(5000) }, 'description: '],
    ['/sandboxes/a/exec', { command: [] }, 'command: '],
    ['/sandboxes/a/exec', { command: ['a', 7] }, 'command[1]: '],
    ['/sandboxes/a/files', { files: ['/a'] }, 'files: '],
    ['/sandboxes/a/extend', { by: 3 }, 'by: '],
  ])('of another type is refused: POST %s %j', async (path, json, begins) => {
    const { status, body } = await open.ask(path, { json })
    expect([status, body['code']]).toEqual([400, 'invalid_argument'])
    expect(String(body['error'])).toStartWith(begins)
  })

  test('that asks for what comes later is refused by name', async () => {
    for (const [json, name] of [
      [{ name: 'a', volumes: ['x:/y'] }, 'volumes'],
      [{ name: 'a', source_url: 'https://example.com/a.git' }, 'source_url'],
      [{ name: 'a', init_script: 'x' }, 'init_script'],
    ] as const) {
      const { status, body } = await open.ask('/sandboxes', { json })
      expect([status, body['code']]).toEqual([501, 'not_available_yet'])
      expect(String(body['error'])).toStartWith(`\`${name}\``)
    }
  })

  test('to be root over the port is refused, and not over the socket', async () => {
    const json = { command: ['id'], sudo: true }
    const { status, body } = await keyed.ask('/sandboxes/a/exec', { json, headers: auth })
    expect([status, body['code']]).toEqual([403, 'policy_denied'])
    for (const query of ['sudo=true', 'sudo=1', 'sudo', 'sudo=false&sudo=yes']) {
      expect((await keyed.ask(`/sandboxes/a/exec?${query}`, { json: { command: ['id'] }, headers: auth })).status).toBe(403)
    }
    expect((await keyed.askLocally('/sandboxes/a/exec', { json })).body['code']).toBe('store_failed')
  })
})

test('what is wrong with a request to /run/stream comes as an event, as clients of the earlier product expect', async () => {
  const { status, text, headers } = await open.ask('/run/stream', { json: { command: [] } })
  expect([status, headers.get('content-type')]).toEqual([200, 'text/event-stream'])
  expect(text).toStartWith(': \n\nevent: error\ndata: {"message":"command: must name a program"')
  expect((await open.ask('/run/stream', { method: 'POST', body: '{' })).status).toBe(400)
})
