import { afterEach, beforeEach, describe, expect, test } from 'bun:test'
import { createReadStream } from 'node:fs'
import { chmod, mkdir, mkdtemp, readFile, realpath, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { AgentStatus } from '../contract/reports.ts'
import { agentStatuses, type AgentStatusesInput } from './agent-statuses.ts'
import { AGENTS } from './registry.ts'

let bin = ''
beforeEach(async () => {
  bin = await mkdtemp(join(tmpdir(), 'ak-agents-'))
})
afterEach(() => rm(bin, { recursive: true, force: true }))

/** The search path holds nothing but fakes; a script gets the tools it uses by a path of its own. */
async function fake(name: string, script: string, mode = 0o755): Promise<void> {
  await writeFile(join(bin, name), script.replace('#!/bin/sh\n', '#!/bin/sh\nPATH=/usr/bin:/bin\n'))
  await chmod(join(bin, name), mode)
}
/** The statuses by name; a generous limit, so that only tests about the limit depend on it. */
async function statuses(input: Partial<AgentStatusesInput> = {}): Promise<Record<string, AgentStatus>> {
  const list = await agentStatuses({ env: {}, path: bin, limitMs: 60_000, ...input })
  return Object.fromEntries(list.map((status) => [status.name, status]))
}

describe('agentStatuses', () => {
  test('lists every agent in the order of the registry, installed or not', async () => {
    const list = await agentStatuses({ env: {}, path: bin })
    expect(list.map(({ name }) => name)).toEqual(AGENTS.map(({ name }) => name))
    expect(list.every(({ installed, keySet }) => !installed && !keySet)).toBe(true)
    expect(list[0]).toEqual({
      name: 'claude',
      title: 'Claude Code',
      installed: false,
      keySet: false,
      keyVariables: ['ANTHROPIC_API_KEY'],
      installHint: 'npm i -g @anthropic-ai/claude-code',
    })
  })

  test('counts a program that answers, with its version', async () => {
    await fake('claude', '#!/bin/sh\n[ "$*" = --version ] && echo "2.1.3 (Claude Code)"\n')
    await fake('codex', '#!/bin/sh\necho codex-cli 0.46.0-beta.1\n')
    await fake('amp', '#!/bin/sh\nprintf "\\033[31mhello\\n"\n')
    const found = await statuses()
    expect([found['claude']?.installed, found['claude']?.version]).toEqual([true, '2.1.3'])
    expect(found['codex']?.version).toBe('0.46.0-beta.1')
    expect(found['amp']?.installed).toBe(true)
    expect(found['amp']).not.toHaveProperty('version')
  })

  test('does not count a program that fails, dies or cannot start', async () => {
    await fake('claude', '#!/bin/sh\necho 1.2.3\nexit 1\n')
    await fake('gemini', '#!/bin/sh\necho 1.2.3\nkill -9 $$\n')
    await fake('codex', '#!/nonexistent/interpreter\n')
    await fake('opencode', '#!/bin/sh\necho 1.2.3\n', 0o644)
    await mkdir(join(bin, 'copilot'))
    await symlink('/nonexistent', join(bin, 'amp'))
    await fake('pi', '\0\0\0\0')
    const found = await statuses()
    expect(Object.values(found).filter(({ installed, version }) => installed || version !== undefined)).toEqual([])
  })

  test('gives up on a program that hangs', async () => {
    await fake('claude', '#!/bin/sh\necho 1.2.3\nexec sleep 1000\n')
    const found = await statuses({ limitMs: 100 })
    expect(found['claude']?.installed).toBe(false)
  })

  test('gives up on a program that prints without end', async () => {
    await fake('claude', '#!/bin/sh\nexec yes 1.2.3\n')
    const found = await statuses({ limitMs: 100 })
    expect(found['claude']?.installed).toBe(false)
  })

  test('reads past 10 MB of output and keeps only its start', async () => {
    await fake('claude', '#!/bin/sh\necho 4.5.6\nhead -c 10000000 /dev/zero\necho 7.8.9\n')
    await fake('codex', '#!/bin/sh\nhead -c 10000000 /dev/zero\necho 7.8.9\n')
    const found = await statuses()
    expect([found['claude']?.installed, found['claude']?.version]).toEqual([true, '4.5.6'])
    expect([found['codex']?.installed, found['codex']?.version]).toEqual([true, undefined])
  })

  test('kills the whole process group of a program that hangs', async () => {
    // The FIFO ends for its reader when the last process that holds it open is gone: this test ends only then.
    const fifo = join(bin, 'alive')
    expect(Bun.spawnSync(['mkfifo', fifo]).exitCode).toBe(0)
    await fake('claude', `#!/bin/sh\nexec 3>"${fifo}"\ntrap "" TERM HUP INT\nsleep 1000 &\necho started >&3\nwait\n`)
    const canceled = new AbortController()
    const result = statuses({ signal: canceled.signal })
    for await (const _chunk of createReadStream(fifo)) canceled.abort()
    expect((await result)['claude']?.installed).toBe(false)
  })

  test('kills what a program leaves behind when it ends', async () => {
    const fifo = join(bin, 'alive')
    expect(Bun.spawnSync(['mkfifo', fifo]).exitCode).toBe(0)
    await fake('claude', `#!/bin/sh\nexec 3>"${fifo}"\necho 1.2.3\nsleep 1000 &\n`)
    const held = readFile(fifo)
    expect((await statuses())['claude']?.installed).toBe(true)
    await held
  })

  test('does not start anything once it is canceled', async () => {
    await fake('claude', `#!/bin/sh\ntouch "${bin}/started"\n`)
    expect((await statuses({ signal: AbortSignal.abort() }))['claude']?.installed).toBe(false)
    expect(await Bun.file(join(bin, 'started')).exists()).toBe(false)
  })

  test('closes stdin, stands in / and hands out no keys', async () => {
    await fake('claude', `#!/bin/sh\ncat; pwd >"${bin}/cwd"; env >"${bin}/env"\n`)
    const found = await statuses({ env: { ANTHROPIC_API_KEY: 'k', OPENAI_API_KEY: 'k', HOME: '/home/x', GONE: undefined } })
    expect(found['claude']?.installed).toBe(true)
    expect(await readFile(join(bin, 'cwd'), 'utf8')).toBe('/\n')
    const env = await readFile(join(bin, 'env'), 'utf8')
    expect(env).toContain('HOME=/home/x\n')
    expect(env).not.toMatch(/API_KEY|GONE/)
  })

  test('never starts a program of the project, however it is reached', async () => {
    const started = join(bin, 'started')
    const script = `#!/bin/sh\necho 6.6.6 >>"${started}"\n`
    const project = join(await realpath(bin), 'project')
    await mkdir(join(project, 'bin'), { recursive: true })
    for (const folder of ['host', 'elsewhere']) await mkdir(join(bin, folder))
    await fake('project/bin/claude', script)
    await fake('elsewhere/claude', script)
    // Folders and files of the host that lead in, one of the project that leads out, and one that goes in and out again.
    await symlink(join(project, 'bin'), join(bin, 'in'))
    await symlink('../project/bin/claude', join(bin, 'host/claude'))
    await symlink(join(bin, 'elsewhere'), join(project, 'out'))
    await symlink(join(project, 'out'), join(bin, 'through'))
    const entries = [`${project}/bin`, `${project}/bin/../bin/`, ...['in', 'host', 'project/out', 'through'].map((name) => join(bin, name))]
    for (const path of entries) expect([path, (await statuses({ path, project }))['claude']?.installed]).toEqual([path, false])
    // Nor does a program of the host take its interpreter from there.
    await fake('project/bin/tool', script)
    await mkdir(join(bin, 'env'))
    await writeFile(join(bin, 'env/claude'), '#!/usr/bin/env tool\n', { mode: 0o755 })
    const path = [...entries, join(bin, 'env'), '/usr/bin', '/bin'].join(':')
    expect((await statuses({ path, project }))['claude']?.installed).toBe(false)
    expect(await Bun.file(started).exists()).toBe(false)
    // What lies behind is found, also where its name only begins like the project's.
    await mkdir(`${project}-two`)
    await fake('project-two/claude', '#!/bin/sh\necho 1.0.0\n')
    expect((await statuses({ path: [...entries, `${project}-two`].join(':'), project }))['claude']?.version).toBe('1.0.0')
  })

  test('looks in absolute directories only, in order', async () => {
    await fake('claude', '#!/bin/sh\necho 1.0.0\n')
    await mkdir(join(bin, 'late'))
    await fake('late/claude', '#!/bin/sh\necho 2.0.0\n')
    expect((await statuses({ path: `::.:/nonexistent:${bin}:${bin}/late` }))['claude']?.version).toBe('1.0.0')
    const relative = join('..', '..', '..', '..', '..', '..', bin)
    expect((await statuses({ path: `${relative}:` }))['claude']?.installed).toBe(false)
    expect((await statuses({ path: '' }))['claude']?.installed).toBe(false)
  })

  test('says a key is set when any of its variables has a value', async () => {
    const found = await statuses({ path: '', env: { GEMINI_API_KEY: 'k', GOOGLE_API_KEY: '', GITHUB_TOKEN: '', OPENAI_API_KEY: '  ' } })
    expect(
      Object.values(found)
        .filter(({ keySet }) => keySet)
        .map(({ name }) => name),
    ).toEqual(['gemini'])
  })

  test('asks the runner it is given', async () => {
    await fake('pi', 'not run')
    const found = await statuses({ run: (path) => Promise.resolve({ exitCode: 0, output: `${path} v0.9` }) })
    expect(found['pi']?.version).toBe('0.9')
  })
})
