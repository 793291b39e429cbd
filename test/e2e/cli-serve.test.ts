import { afterAll, beforeAll, expect, test } from 'bun:test'
import { spawn } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { BINARY, SandboxUser } from './cli-kit.ts'
import { within } from './kit.ts'

let user: SandboxUser
beforeAll(() => {
  user = new SandboxUser()
})
afterAll(async () => {
  await user.dispose()
})

test('serve answers until Ctrl-C, tells a taken port, and leaves sandboxes alone', async () => {
  await user.out(['sandbox', 'create', 'box'])
  await user.out(['exec', 'box', '--detach', '--', 'sleep', '1000'])
  writeFileSync(join(user.project, 'keys'), '# mine\nsesame-open-now\n')
  const child = spawn(BINARY, ['serve', '--port', '0', '--api-key-file', 'keys'], {
    cwd: user.project,
    env: user.env,
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const ended = new Promise<number | null>((resolve) => child.on('close', resolve))
  try {
    let said = ''
    await within(
      new Promise<void>((resolve) => {
        child.stderr.setEncoding('utf8').on('data', (text: string) => {
          said += text
          if (said.includes('Ctrl-C ends it')) resolve()
        })
      }),
      'the address',
    )
    const url = /serving (http:\/\/127\.0\.0\.1:\d+)/.exec(said)?.[1] ?? ''
    expect(said).toContain('took over from the daemon that ran')
    expect((await fetch(`${url}/sandboxes`)).status).toBe(401)
    const listed = await fetch(`${url}/sandboxes`, { headers: { authorization: 'Bearer sesame-open-now' } })
    expect(await listed.json()).toMatchObject({ success: true, data: [{ name: 'box', status: 'running' }] })
    expect(await user.json(['daemon', 'status'])).toMatchObject({ running: true, url })
    const other = new SandboxUser('other')
    try {
      const taken = await other.ak(['serve', '--port', new URL(url).port])
      expect([taken.code, taken.stderr]).toEqual([1, expect.stringMatching(/^Error: .*\nFix: Choose another port with --port\.\n$/s)])
    } finally {
      await other.dispose()
    }
  } finally {
    child.kill('SIGINT')
  }
  expect(await within(ended, 'the end of the server')).toBe(0)
  expect(await user.json(['sandbox', 'exec-list', 'box'])).toEqual([expect.objectContaining({ status: 'running' })])
})

test('serve refuses what it cannot do', async () => {
  const table: readonly (readonly [readonly string[], number, string])[] = [
    [['--host', '0.0.0.0'], 1, 'no key is set'],
    [['--port', '99999'], 2, '--port "99999" is no port'],
    [['--require-tls'], 2, 'need --tls'],
    [['--api-key-file', 'missing'], 1, 'missing'],
    [['--webhook-url', 'ftp://x'], 2, 'no http or https address'],
    [['--otel-endpoint', 'http://x'], 2, 'not available yet'],
  ]
  for (const [words, code, sentence] of table) {
    const result = await user.ak(['serve', ...words])
    expect([words, result.code, result.stderr]).toEqual([words, code, expect.stringContaining(sentence)])
  }
})
