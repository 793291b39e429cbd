import { afterAll, afterEach, beforeEach, describe, expect, test } from 'bun:test'
import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseSecret } from '../../src/secrets/binding.ts'
import { HttpWorld } from './http-kit.ts'
import { BINARY, User } from './kit.ts'
import { TerminalSession } from './terminal-session.ts'

const VALUE = 'sk-a-value-that-nobody-sees'
const page = readFileSync(join(import.meta.dir, '../../docs/secrets.md'), 'utf8')

let user: User
beforeEach(() => {
  user = new User('home', { fresh: true })
  // Nothing of a test goes into the keychain of whoever runs it.
  user.env['DBUS_SESSION_BUS_ADDRESS'] = 'disabled:'
})
afterEach(() => user.remove())

const secret = async (...args: string[]) => user.agentkernel(['secret', ...args])
const stored = async (name: string, value: string) => user.agentkernel(['secret', 'set', name], { stdin: value })

describe('the vault at the command line', () => {
  test('stores, lists, gives and deletes', async () => {
    expect(await stored('KEY', `${VALUE}\n`)).toEqual({ code: 0, stdout: 'Secret KEY stored\n', stderr: '' })
    expect((await secret('get', 'KEY')).stdout).toBe(`${VALUE}\n`)
    const listed = JSON.parse((await secret('list', '--json')).stdout) as unknown[]
    expect(listed).toEqual([{ name: 'KEY', backend: 'file', created_at: expect.any(String), updated_at: expect.any(String) }])
    expect((await secret('delete', 'KEY', '--json')).stdout).toBe('{"name":"KEY","deleted":true}\n')
    expect(await secret('get', 'KEY')).toMatchObject({ code: 1, stdout: '' })
    expect((await secret('delete', 'KEY')).code).toBe(1)
  })

  test('takes a value as it is: lines, spaces, nothing but a last line break is left out', async () => {
    await stored('KEY', ' two\nlines \n\n')
    expect((await secret('get', 'KEY')).stdout).toBe(' two\nlines \n\n')
  })

  test('warns once about a value on the command line', async () => {
    expect((await secret('set', 'KEY', VALUE)).stderr).toContain('list of processes')
    expect((await secret('set', 'KEY', VALUE)).stderr).toBe('')
  })

  test('asks on a terminal and shows nothing of what is typed', async () => {
    const session = new TerminalSession(user, [BINARY, 'secret', 'set', 'KEY'])
    try {
      await session.until('(not shown):')
      session.write(`wrong\x15${VALUE}x\x7f\r`)
      await session.until('stored')
      expect(await session.ended()).toBe(0)
      expect(session.bytes().toString()).not.toContain(VALUE.slice(0, 5))
      expect(session.bytes().toString()).not.toContain('wrong')
    } finally {
      session.close()
    }
    expect((await secret('get', 'KEY')).stdout).toBe(`${VALUE}\n`)
  })

  test('stores nothing when the question is broken off', async () => {
    const session = new TerminalSession(user, [BINARY, 'secret', 'set', 'KEY'])
    try {
      await session.until('(not shown):')
      session.write('abc\x03')
      expect(await session.ended()).toBe(1)
    } finally {
      session.close()
    }
    expect((await secret('list', '--json')).stdout).toBe('[]\n')
  })

  test('refuses what cannot be, without saying the value', async () => {
    for (const [args, stdin] of [
      [['set'], ''],
      [['set', 'a b'], VALUE],
      [['set', `KEY=${VALUE}`], ''],
      [['set', 'KEY'], ''],
      [['set', 'KEY'], 'x'.repeat(70_000)],
      [['get', '../KEY'], ''],
      [['get', 'sandbox/a/KEY'], ''],
    ] as const) {
      const { code, stdout, stderr } = await user.agentkernel(['secret', ...args], { stdin })
      expect([args, code, stdout]).toEqual([args, 2, ''])
      expect(stderr).not.toContain(VALUE)
    }
  })

  test('says what is wrong with a damaged vault and a lost key, and overwrites nothing', async () => {
    await stored('KEY', VALUE)
    const folder = join(user.dataDir, 'secrets')
    const file = join(folder, 'vault.json')
    const whole = readFileSync(file)
    writeFileSync(file, whole.subarray(0, 100))
    const damaged = await user.agentkernel(['secret', 'set', 'KEY', '--json'], { stdin: 'new' })
    expect(JSON.parse(damaged.stdout)).toMatchObject({ error: { code: 'vault_damaged', message: expect.stringContaining(file) } })
    expect(readFileSync(file).length).toBe(100)
    writeFileSync(file, whole)
    chmodSync(folder, 0o755)
    expect((await secret('get', 'KEY')).stderr).toContain(folder)
    chmodSync(folder, 0o700)
    expect((await secret('get', 'KEY')).stdout).toBe(`${VALUE}\n`)
  })

  test('loses nothing to writers at once', async () => {
    const names = Array.from({ length: 8 }, (_, index) => `KEY_${index}`)
    await Promise.all(names.map((name) => stored(name, name)))
    const listed = JSON.parse((await secret('list', '--json')).stdout) as { name: string }[]
    expect(listed.map(({ name }) => name)).toEqual(names)
  })

  test('takes over the secrets of the earlier product, and says so once', async () => {
    mkdirSync(join(user.home, '.agentkernel'))
    writeFileSync(join(user.home, '.agentkernel/secrets.json'), JSON.stringify({ OLD: Buffer.from(VALUE).toString('base64') }))
    const { stdout, stderr } = await secret('get', 'OLD')
    expect([stdout, stderr.includes('taken over'), stderr.includes(VALUE)]).toEqual([`${VALUE}\n`, true, false])
    expect((await secret('list')).stderr).toBe('')
  })

  test('completes the names that it has', async () => {
    await stored('MY_KEY', VALUE)
    expect((await user.agentkernel(['__complete', '--', 'secret', 'get', 'M'])).stdout).toBe('MY_KEY\n')
  })

  test('leaves the value in no file, and the name in the audit log', async () => {
    await stored('KEY', VALUE)
    await secret('get', 'KEY')
    await secret('set', 'KEY', VALUE)
    await secret('list')
    await secret('delete', 'KEY')
    const log = (await user.agentkernel(['audit', '--json'])).stdout
    expect([...log.matchAll(/"type":"(secret_\w+)"/g)].map((match) => match[1])).toEqual([
      'secret_set',
      'secret_read',
      'secret_set',
      'secret_deleted',
    ])
    const forms = [VALUE, Buffer.from(VALUE).toString('base64'), Buffer.from(VALUE).toString('hex')]
    for (const path of filesBelow(user.home)) {
      const text = readFileSync(path, 'latin1')
      expect([path, forms.some((form) => text.includes(form))]).toEqual([path, false])
    }
    expect(log).not.toContain(VALUE)
  })
})

function filesBelow(folder: string): string[] {
  return readdirSync(folder, { withFileTypes: true, recursive: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
}

describe('the vault over HTTP', () => {
  const world = new HttpWorld({ keys: ['key-12345'] })
  const open = new HttpWorld()
  const headers = { authorization: 'Bearer key-12345' }
  afterAll(async () => {
    await world.stop()
    await open.stop()
  })
  const post = (name: unknown, value: unknown, to = world) =>
    to.ask('/secrets', {
      method: 'POST',
      headers: { ...headers, 'content-type': 'application/json' },
      body: JSON.stringify({ name, value }),
    })

  test('takes values and never gives them back', async () => {
    expect(await post('KEY', VALUE)).toMatchObject({ status: 200, body: { success: true, data: 'Secret stored' } })
    const listed = await world.ask('/secrets', { headers })
    expect(listed).toMatchObject({ status: 200, body: { data: [{ name: 'KEY', backend: 'file', created_at: expect.any(String) }] } })
    expect(JSON.stringify(listed) + JSON.stringify(world.log)).not.toContain(VALUE)
    expect((await world.ask('/secrets/KEY', { headers })).status).toBe(405)
    expect(await world.ask('/secrets/KEY', { method: 'DELETE', headers })).toMatchObject({ status: 200, body: { data: 'Secret deleted' } })
    expect(await world.ask('/secrets/KEY', { method: 'DELETE', headers })).toMatchObject({ status: 404, body: { code: 'not_found' } })
  })

  test('refuses names and values that cannot be, without saying the value', async () => {
    for (const [name, value] of [
      ['a b', VALUE],
      ['sandbox/a/KEY', VALUE],
      ['', VALUE],
      ['KEY', ''],
      ['KEY', 'x'.repeat(65_537)],
      ['KEY', 5],
      [5, VALUE],
    ]) {
      const answer = await post(name, value)
      expect([name, answer.status]).toEqual([name, 400])
      expect(JSON.stringify(answer)).not.toContain(VALUE)
    }
  })

  test('is closed to whoever has no key', async () => {
    for (const answer of [
      await open.ask('/secrets'),
      await post('KEY', VALUE, open),
      await open.ask('/secrets/KEY', { method: 'DELETE' }),
    ]) {
      expect(answer).toMatchObject({ status: 403, body: { code: 'api_key_required' } })
    }
    expect(existsSync(join(open.root, '.local/share/agentkernel/secrets'))).toBe(false)
    expect(statSync(open.root).isDirectory()).toBe(true)
  })
})

describe('docs/secrets.md', () => {
  test('shows what the commands do', async () => {
    const said: string[] = []
    const expected: string[] = []
    for (const [, block] of page.matchAll(/^```console\n([^]*?)^```$/gm)) {
      for (const [, command, answer] of block!.matchAll(/^\$ (.*)\n((?:(?!\$ ).*\n)*)/gm)) {
        const { stdout, stderr } = await user.script(`agentkernel() { ak "$@"; }\n${command}`)
        said.push(`$ ${command}\n${stdout}${stderr}`)
        expected.push(`$ ${command}\n${answer}`)
      }
    }
    expect(expected.length).toBeGreaterThan(8)
    expect(said.map((text, at) => (expected[at]!.includes('…') ? text.replace(/\d{4}-\d\d-\d\dT\S+/, '…') : text))).toEqual(expected)
  })

  test('has bindings that are understood', () => {
    const words = [...page.matchAll(/ -S (\S+)/g)].map((match) => match[1]!)
    expect(words.length).toBeGreaterThan(3)
    for (const word of words) expect(parseSecret(word).targets.length).toBeGreaterThan(0)
  })
})
