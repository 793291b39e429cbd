import { afterEach, beforeEach, describe, expect, test } from 'bun:test'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { runCli } from '../cli/app.ts'
import { recordingContext } from '../cli/recording-context.ts'
import { networkOperations } from './network-operations.ts'

let dir: string
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'network-'))
  mkdirSync(join(dir, 'config'))
})
afterEach(() => rmSync(dir, { recursive: true }))

/** The command line over the real operations, with a home of its own. */
async function agentkernel(...argv: readonly string[]) {
  const paths = {
    home: dir,
    dataDir: join(dir, 'data'),
    configDir: join(dir, 'config'),
    stateDir: join(dir, 'state'),
    helperPath: join(dir, 'none'),
  }
  const recording = recordingContext(networkOperations(paths), { cwd: dir })
  const code = await runCli(argv, recording.context)
  return { code, stdout: recording.stdout(), stderr: recording.stderr() }
}

const event = (host: string, more: object = {}) =>
  `${JSON.stringify({ time: 't', sandbox: 's', kind: 'tcp', host, port: 443, verdict: 'allowed', ...more })}\n`
function log(): string {
  const path = join(dir, 'net.jsonl')
  writeFileSync(
    path,
    event('a.example') + event('b.example') + event('b.example') + 'garbage\n' + event('c.example', { verdict: 'denied', reason: 'no' }),
  )
  return path
}

describe('network explain', () => {
  test('answers by the rules that a run here would have', async () => {
    expect((await agentkernel('network', 'explain', 'example.com')).stdout).toBe(
      'example.com:443: allowed\n' +
        'Rule:          public\nAllowed here:  public (profile moderate)\n' +
        'Note: the addresses that the name has are checked each time it is reached: private ones need a rule of their own.\n',
    )
    writeFileSync(join(dir, 'config', 'config.toml'), '[security.domains]\nallow = ["a.example"]\nallowlist_only = true')
    const denied = await agentkernel('network', 'explain', 'example.com:22')
    expect(denied).toMatchObject({ code: 0, stderr: '' })
    expect(denied.stdout).toContain(
      'denied\nReason:        no rule allows example.com\nTo allow it:   --allow example.com:22\nAllowed here:  a.example (config security.domains)',
    )
  })

  test('takes rules and prints JSON', async () => {
    const { stdout } = await agentkernel(
      'network',
      'explain',
      '--json',
      '--allow',
      'GET https://a.example/x/*',
      '--method',
      'POST',
      'https://a.example/x/y',
    )
    expect(JSON.parse(stdout)).toMatchObject({
      allowed: false,
      level: 'listed',
      source: 'flag --allow',
      hint: "--allow 'POST https://a.example/x/y'",
    })
  })

  test('names what is wrong', async () => {
    expect(await agentkernel('network', 'explain')).toMatchObject({ code: 2, stderr: expect.stringContaining('name a host') })
    expect(await agentkernel('network', 'explain', 'a b')).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('no host that could be reached'),
    })
    expect(await agentkernel('network', 'explain', 'a.example', '--allow', '*.co.uk')).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('--allow: network rule "*.co.uk"'),
    })
  })
})

describe('network simulate', () => {
  test('says what other rules would change', async () => {
    const { code, stdout } = await agentkernel('network', 'simulate', log(), '--allow', 'a.example', '--allow', 'c.example')
    expect(code).toBe(0)
    expect(stdout).toBe(
      '4 events: 2 allowed, 2 denied, 1 line was no event\n' +
        'Newly denied:\n  b.example:443  2 times: no rule allows b.example; --allow b.example\n' +
        'Newly allowed:\n  c.example:443  once: by c.example\n',
    )
  })

  test('tells each event with --verbose, and reads the rules of a file', async () => {
    writeFileSync(join(dir, 'strict.toml'), '[security.domains]\nallow = ["a.example"]\nallowlist_only = true')
    const { stdout } = await agentkernel('network', 'simulate', log(), '--config', join(dir, 'strict.toml'), '--verbose', '--json')
    const lines = stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line))
    expect(lines[1]).toEqual({
      line: 2,
      was: 'allowed',
      now: 'denied',
      allowed: false,
      reason: 'no rule allows b.example',
      hint: '--allow b.example',
    })
    expect(lines.at(-1)).toMatchObject({ events: 4, denied: 3, newly_denied: [{ target: 'b.example:443', count: 2 }], newly_allowed: [] })
  })

  test('a log that is not there is named', async () => {
    expect(await agentkernel('network', 'simulate', 'nope.jsonl')).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('nope.jsonl" cannot be read: ENOENT'),
    })
    expect(await agentkernel('network', 'learn', dir)).toMatchObject({ code: 1, stderr: expect.stringContaining('cannot be read: EISDIR') })
  })
})

describe('network learn', () => {
  test('prints the rules as arguments, as TOML and as JSON', async () => {
    expect((await agentkernel('network', 'learn', log())).stdout).toBe(
      '# 2 rules for 3 connections to 2 hosts\n--allow b.example:443  # 2 connections\n--allow a.example:443  # 1 connection\n# refused even so, once: c.example:443 (no)\n',
    )
    const toml = (await agentkernel('network', 'learn', log(), '--toml')).stdout
    expect(Bun.TOML.parse(toml)).toEqual({ security: { domains: { allowlist_only: true, allow: ['b.example:443', 'a.example:443'] } } })
    expect(JSON.parse((await agentkernel('network', 'learn', log(), '--json')).stdout)).toMatchObject({ connections: 3, hosts: 2 })
  })
})
