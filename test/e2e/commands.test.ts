import { afterAll, describe, expect, test } from 'bun:test'
import { existsSync, mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { User } from './kit.ts'

const user = new User('home', { fresh: true })
afterAll(() => user.remove())

const json = async (args: readonly string[], code = 0): Promise<unknown> => {
  const ended = await user.agentkernel(args)
  expect({ code: ended.code, stderr: ended.stderr }).toEqual({ code, stderr: '' })
  return JSON.parse(ended.stdout)
}

describe('in a fresh home', () => {
  test('doctor finds the sandbox usable and says so', async () => {
    const { code, stdout, stderr } = await user.agentkernel(['doctor'])
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
    expect(stdout).toMatch(/namespace/)
    expect(JSON.stringify(await json(['doctor', '--json']))).toContain('namespace')
    expect(user.leftFolders()).toEqual([])
  })

  test('audit is empty, then tells of a run, and verifies', async () => {
    const fresh = new User('home', { fresh: true })
    try {
      expect((await fresh.agentkernel(['audit'])).code).toBe(0)
      expect((await fresh.agentkernel(['audit', 'verify'])).code).toBe(0)
      await fresh.agentkernel(['run', 'sh', '-c', 'exit 5'])
      const listed = await fresh.agentkernel(['audit', '--json'])
      expect(listed.code).toBe(0)
      expect(listed.stdout).toContain('command_executed')
      expect(listed.stdout).toMatch(/"exit_code": ?5/)
      expect((await fresh.agentkernel(['audit', 'verify'])).code).toBe(0)
      const log = join(fresh.home, '.agentkernel/audit.jsonl')
      expect(statSync(log).mode & 0o777).toBe(0o600)
      writeFileSync(log, readFileSync(log, 'utf8').replace('"exit_code":5', '"exit_code":0'))
      const broken = await fresh.agentkernel(['audit', 'verify'])
      expect(broken.code).toBe(1)
      expect(broken.stdout + broken.stderr).toMatch(/record|line/)
    } finally {
      fresh.remove()
    }
  })

  test('agents lists them', async () => {
    expect((await user.agentkernel(['agents'])).stdout).toContain('claude')
    expect(JSON.stringify(await json(['agents', '--json']))).toContain('claude')
  })

  test('agents starts no program of the project that PATH names', async () => {
    const bin = join(user.project, 'node_modules/.bin')
    const started = join(user.home, 'started')
    mkdirSync(bin, { recursive: true })
    writeFileSync(join(bin, 'claude'), `#!/bin/sh\ntouch '${started}'\necho 1.0.0\n`, { mode: 0o755 })
    const env = { PATH: `${bin}:${user.env['PATH']}` }
    expect((await user.agentkernel(['agents'], { env })).code).toBe(0)
    expect(existsSync(started)).toBe(false)
    // Elsewhere the same entry is the user's own.
    expect((await user.agentkernel(['agents'], { env, cwd: user.home })).code).toBe(0)
    expect(existsSync(started)).toBe(true)
    rmSync(join(user.project, 'node_modules'), { recursive: true })
  })

  test('init writes a config that run accepts, and does not overwrite it', async () => {
    const { code } = await user.agentkernel(['init'])
    expect(code).toBe(0)
    expect(existsSync(join(user.project, 'agentkernel.toml'))).toBe(true)
    expect((await user.agentkernel(['run', 'true'])).code).toBe(0)
    expect((await user.agentkernel(['init'])).code).toBe(1)
  })

  test('trust makes widening keys of a project count until the file changes', async () => {
    const path = join(user.project, 'agentkernel.toml')
    writeFileSync(path, '[security]\nprofile = "permissive"\n')
    const touched = join(user.project, 'written')
    const write = () => user.agentkernel(['run', 'sh', '-c', 'echo x > written'])
    expect((await write()).stderr).toContain('not honoured')
    expect(existsSync(touched)).toBe(false)
    expect((await user.agentkernel(['trust'])).code).toBe(0)
    expect((await write()).code).toBe(0)
    expect(existsSync(touched)).toBe(true)
    writeFileSync(path, '[security]\nprofile = "permissive"\n# edited\n')
    rmSync(touched)
    await write()
    expect(existsSync(touched)).toBe(false)
  })

  for (const shell of ['bash', 'zsh', 'fish']) {
    test(`completions ${shell}`, async () => {
      const { code, stdout } = await user.agentkernel(['completions', shell])
      expect(code).toBe(0)
      expect(stdout).toContain('agentkernel')
      if (shell === 'bash') expect((await user.spawn(['bash', '-n'], { stdin: stdout })).code).toBe(0)
    })
  }

  for (const args of [['--help'], ['run', '--help'], ['doctor', '--help'], ['--version']]) {
    test(args.join(' '), async () => {
      const { code, stdout, stderr } = await user.agentkernel(args)
      expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
      expect(stdout).toContain('agentkernel')
    })
  }
})
