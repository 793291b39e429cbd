import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { readdirSync, readFileSync } from 'node:fs'
import { HttpDaemon } from './http-daemon.ts'
import { eventually, processesWith, within } from './kit.ts'
import type { Answer } from './http-kit.ts'

const MIB = 1024 ** 2
let http: HttpDaemon
beforeAll(async () => {
  http = await HttpDaemon.start()
})
afterAll(async () => {
  await http.daemon.dispose()
})

const run = (command: readonly string[], more: object = {}): Promise<Answer> => http.post('/run', { command, ...more })
const sh = (script: string): string[] => ['sh', '-c', script]

describe('a run', () => {
  test('that succeeds has its output as data, and says what its image was', async () => {
    const { status, body } = await run(['python3', '-c', 'print(1+1)'])
    expect(status).toBe(200)
    expect(body).toMatchObject({
      success: true,
      data: { output: '2\n', stdout: '2\n', stderr: '', exit_code: 0, ended: 'exited', image: 'host' },
    })
  })

  test('that fails is 409, with everything that is known of it beside the error', async () => {
    const { status, body } = await run(sh('echo out; echo err >&2; exit 3'))
    expect(status).toBe(409)
    expect(body).toMatchObject({
      success: false,
      error: 'Command exited with code 3',
      code: 'command_failed',
      exit_code: 3,
      output: 'out\nerr\n',
      stdout: 'out\n',
      stderr: 'err\n',
    })
  })

  test('that a signal or its time limit ended says so', async () => {
    expect((await run(sh('kill -9 $$'))).body).toMatchObject({ exit_code: 137, ended: 'signaled', signal: 9 })
    expect((await run(['sleep', '100'], { timeout_ms: 50 })).body).toMatchObject({ exit_code: 124, ended: 'timed_out' })
  })

  test('of a program that is not there is a failure of the request', async () => {
    const { status, body } = await run(['no-such-program'])
    expect([status, body['code']]).toEqual([400, 'command_not_found'])
  })

  test('gets the environment, folder and profile that it asks for', async () => {
    const { body } = await run(sh('echo "$A|$PWD"'), { env: ['A=1=2'], workdir: '/tmp', profile: 'restrictive' })
    expect(body).toMatchObject({ data: { output: '1=2|/tmp\n' } })
  })

  test('with unknown fields names them, whether it succeeds or fails', async () => {
    const warnings = ['unknown field ignored: colour']
    expect((await run(['true'], { colour: 1 })).body).toMatchObject({ data: { warnings } })
    expect((await run(['false'], { colour: 1 })).body).toMatchObject({ warnings })
  })

  test('with an image or backend that cannot be used is refused by name', async () => {
    const image = await run(['true'], { image: 'alpine:3.20' })
    expect([image.status, image.body['code']]).toEqual([501, 'not_available_yet'])
    expect(String(image.body['error'])).toContain('alpine:3.20')
    expect((await run(['true'], { backend: 'nonsense' })).body['code']).toBe('backend_unknown')
  })

  test('sees no folder of the host unless the request names one', async () => {
    const { body } = await run(sh('ls -A /workspace 2>/dev/null | wc -l'))
    expect(body).toMatchObject({ data: { output: '0\n' } })
  })

  test('that writes more than JSON holds gives the beginning and says that there was more', async () => {
    const { body } = await run(sh(`head -c ${17 * MIB} /dev/zero | tr '\\0' x`))
    const data = body['data'] as { output: string; truncated?: boolean; exit_code: number }
    expect([data.output.length, data.truncated, data.exit_code]).toEqual([16 * MIB, true, 0])
  })

  test('whose client goes away is ended', async () => {
    const marker = `sleep ${987_000_000 + Math.floor(Math.random() * 1_000_000)}`
    const left = new AbortController()
    const sent = http.send('/run', { json: { command: marker.split(' ') }, signal: left.signal })
    sent.catch(() => undefined)
    await eventually(() => processesWith(marker).length > 0, 'the command runs')
    left.abort()
    await eventually(() => processesWith(marker).length === 0, 'the command has ended')
  })
})

describe('a batch', () => {
  test('gives a result for each command, in order, whatever became of the others', async () => {
    const commands = [['echo', '1'], ['false'], ['no-such-program'], sh('echo 4; exit 2')].map((command) => ({ command }))
    const { body } = await http.post('/batch/run', { commands })
    expect(body).toMatchObject({
      data: {
        results: [
          { output: '1\n', error: null, exit_code: 0 },
          { output: '', error: 'Command exited with code 1', exit_code: 1 },
          { output: null, error: expect.stringContaining('no-such-program') },
          { output: '4\n', error: 'Command exited with code 2', exit_code: 2 },
        ],
      },
    })
  })
})

describe('a run that is followed', () => {
  const follow = (command: readonly string[]) => http.events('/run/stream', { json: { command } })

  test('says what happens in order, and ends with how it ended', async () => {
    const reader = await follow(sh('echo out; exit 4'))
    const events = await reader.rest()
    expect(reader.response.headers.get('content-type')).toBe('text/event-stream')
    expect(events.map(({ event }) => event)).toEqual(['started', 'progress', 'progress', 'progress', 'output', 'done'])
    expect(events[0]!.data).toMatchObject({ command: sh('echo out; exit 4'), fast: true })
    expect(events[4]!.data).toEqual({ data: 'out\n', content: 'out\n', stream: 'stdout' })
    expect(events[5]!.data).toMatchObject({ exit_code: 4, success: false, ended: 'exited', output: 'out\n' })
  })

  test('tells what is written when it is written, and is ended when its client leaves', async () => {
    const marker = `sleep ${986_000_000 + Math.floor(Math.random() * 1_000_000)}`
    const reader = await follow(sh(`echo first; ${marker}; echo never`))
    const first = await within(reader.until('output'), 'the first output')
    expect(first.data).toMatchObject({ data: 'first\n' })
    expect(processesWith(marker).length).toBeGreaterThan(0)
    await reader.cancel()
    await eventually(() => processesWith(marker).length === 0, 'the command has ended')
  })

  test('keeps bytes that are no text as they are', async () => {
    const reader = await follow(sh(`printf '\\377\\376'`))
    expect((await reader.until('output')).data).toEqual({ data: '//4=', content: '//4=', stream: 'stdout', encoding: 'base64' })
    await reader.rest()
  })

  test('with unknown fields names them when it starts', async () => {
    const reader = await http.events('/run/stream', { json: { command: ['true'], colour: 1 } })
    expect((await reader.until('started')).data).toMatchObject({ warnings: ['unknown field ignored: colour'] })
    await reader.rest()
  })

  test('that cannot begin ends with an error', async () => {
    const events = await (await follow(['no-such-program'])).rest()
    expect(events.at(-1)).toMatchObject({ event: 'error', data: { code: 'command_not_found' } })
  })

  test('whose reader stops is held up, takes no memory, and loses nothing', async () => {
    const total = 96 * MIB
    const reader = await follow(sh(`head -c ${total} /dev/zero | tr '\\0' x; echo`))
    let size = ((await reader.until('output')).data as { data: string }).data.length
    const before = residentMiB(http.daemon.pid)
    const isAtRest = restOf(`head -c ${total}`)
    await eventually(isAtRest, 'the command is held up')
    expect(residentMiB(http.daemon.pid) - before).toBeLessThan(64)
    for (const { event, data } of await reader.rest()) if (event === 'output') size += (data as { data: string }).data.length
    expect(size).toBe(total + 1)
  })
})

/** Tells whether a process is there that has done nothing since it was asked the last time. */
function restOf(marker: string): () => boolean {
  let last = ''
  let same = 0
  return () => {
    const [pid] = readdirSync('/proc').filter(
      (name) => /^\d+$/.test(name) && textOf(`/proc/${name}/cmdline`).replaceAll('\0', ' ').startsWith(marker),
    )
    const now = pid === undefined ? '' : textOf(`/proc/${pid}/io`)
    same = now !== '' && now === last ? same + 1 : 0
    last = now
    return same >= 5
  }
}

function textOf(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    // It ended while we looked.
    return ''
  }
}

function residentMiB(pid: number): number {
  return Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? 0) / 1024
}
