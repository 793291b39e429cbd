import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { DaemonStatus } from '../contract/daemon.ts'
import type { DetachedCommand, SandboxInfo } from '../contract/sandboxes.ts'
import { runCli } from './app.ts'
import { candidates } from './completion.ts'
import { COMPLETION_SCRIPTS } from './completion-scripts.ts'
import { recordingContext } from './recording-context.ts'

const NAMES: Readonly<Record<string, readonly string[]>> = { backend: ['alpha', 'beta'], profile: ['moderate'], agent: ['claude'] }
const { context } = recordingContext({ names: async (kind) => NAMES[kind]! }, { env: { TOKEN: 'x', TZ: 'y' } })

async function words(...typed: readonly string[]): Promise<readonly string[]> {
  return (await candidates(typed, context)).split('\n').flatMap((line) => (line === '' ? [] : [line.split('\t')[0]!]))
}

describe('candidates', () => {
  test('commands, without the hidden one', async () => {
    expect(await words('')).toContain('run')
    expect(await words('')).not.toContain('__complete')
    expect(await words('a')).toEqual(['attach', 'agents', 'audit'])
    expect(await words('--v')).toEqual(['--version'])
  })

  test('flags that are not given yet, and those that repeat', async () => {
    expect(await words('run', '--pro')).toEqual(['--profile'])
    expect(await words('run', '--json', '--env', 'A=b', '--')).not.toContain('--json')
    expect(await words('run', '--json', '--env', 'A=b', '--')).toContain('--env')
  })

  test('values of flags, fixed ones and those the engine knows', async () => {
    expect(await words('run', '--profile', '')).toEqual(['permissive', 'moderate', 'restrictive'])
    expect(await words('run', '--workspace=c')).toEqual(['--workspace=copy'])
    expect(await words('run', '--workspace', '=', 'c')).toEqual(['--workspace=copy'])
    expect(await words('run', '--workspace', '=')).toEqual(['--workspace=none', '--workspace=copy', '--workspace=mount'])
    expect(await words('run', '-B', '')).toEqual(['alpha', 'beta'])
    expect(await words('init', '--agent', 'c')).toEqual(['claude'])
    expect(await words('run', '-e', 'TO')).toEqual(['TOKEN'])
    expect(await words('run', '--config', '')).toEqual([':files'])
  })

  test("the program's own words are left to the shell", async () => {
    expect(await words('run', '')).toEqual([':command'])
    expect(await words('run', '-p', 'moderate', '--', 'py')).toEqual([':command'])
    expect(await words('run', 'python3', '--pro')).toEqual([':files'])
  })

  test('arguments and subcommands', async () => {
    expect(await words('audit', '')).toEqual(['verify'])
    expect(await words('completions', '')).toEqual(['bash', 'zsh', 'fish'])
    expect(await words('completions', 'bash', '')).toEqual([])
    expect(await words('help', 'ru')).toEqual(['run'])
    expect(await words('nothing', '')).toEqual([])
  })

  describe('names of what exists', () => {
    const info = (name: string, status: string) => ({ name, status }) as SandboxInfo
    const command = { id: 'abc', status: 'running', command: ['sleep', '5'] } as unknown as DetachedCommand
    const sandboxes = { list: async () => [info('dev', 'running'), info('old', 'stopped')], execList: async () => [command] }
    const running: DaemonStatus = { running: true, version: '1.2.3', log: '' }
    const ask = async (status: () => Promise<DaemonStatus>, ...typed: readonly string[]): Promise<string> =>
      candidates(typed, recordingContext({}, { sandboxes, daemon: { status } }).context)

    test('are offered where a sandbox, a command or a side of a copy is meant', async () => {
      const status = async () => running
      for (const words of [
        ['exec', ''],
        ['attach', ''],
        ['sb', 'rm', 'x', ''],
        ['sandbox', 'exec-logs', ''],
        ['stats', ''],
      ]) {
        expect(await ask(status, ...words)).toBe('dev\trunning\nold\tstopped\n')
      }
      expect(await ask(status, 'sandbox', 'exec-kill', 'dev', '')).toBe('abc\trunning: sleep 5\n')
      expect(await ask(status, 'sandbox', 'cp', 'd')).toBe('dev:\trunning\n:files\n')
      expect(await ask(status, 'exec', 'dev', '')).toBe(':command\n')
      expect(await ask(status, 'exec', 'dev', '--js')).toBe('--json\tPrint one object: exit_code, ended, duration_ms, stdout, stderr\n')
    })

    test('are not when no daemon runs, an older one does, or it does not answer', async () => {
      expect(await ask(async () => ({ running: false, log: '' }), 'exec', '')).toBe('')
      expect(await ask(async () => ({ ...running, version: '1.0.0' }), 'exec', '')).toBe('')
      expect(await ask(async () => Promise.reject(new Error('no')), 'exec', '')).toBe('')
      expect(await ask(() => new Promise<DaemonStatus>(() => undefined), 'exec', '')).toBe('')
    })
  })

  test('a failure behind them is silent', async () => {
    const broken = recordingContext({ names: async () => Promise.reject(new Error('no')) })
    expect(await runCli(['__complete', '--', 'run', '-B', ''], broken.context)).toBe(0)
    expect(broken.stdout() + broken.stderr()).toBe('')
  })
})

describe('scripts in real shells', () => {
  let dir: string
  let program: string
  beforeAll(() => {
    dir = mkdtempSync(join(tmpdir(), 'completion-'))
    program = join(dir, 'agentkernel')
    const source = `
      import { writeSync } from 'node:fs'
      import { runCli } from ${JSON.stringify(join(import.meta.dir, 'app.ts'))}
      import { recordingContext } from ${JSON.stringify(join(import.meta.dir, 'recording-context.ts'))}
      const { context } = recordingContext({ names: async (kind) => (${JSON.stringify(NAMES)})[kind] })
      process.exitCode = await runCli(process.argv.slice(2), { ...context, stdout: { write: (text) => writeSync(1, text), isTTY: false } })
    `
    writeFileSync(join(dir, 'main.ts'), source)
    writeFileSync(program, `#!/bin/sh\nexec '${process.execPath}' '${join(dir, 'main.ts')}' "$@"\n`)
    chmodSync(program, 0o755)
    for (const shell of ['bash', 'zsh', 'fish'] as const) writeFileSync(join(dir, shell), COMPLETION_SCRIPTS[shell])
    mkdirSync(join(dir, 'files'))
    writeFileSync(join(dir, 'files', 'one two.toml'), '')
  })
  afterAll(() => rmSync(dir, { recursive: true }))

  function shell(name: string, args: readonly string[]): { readonly out: readonly string[]; readonly status: number } {
    const path = `${dir}:${process.env['PATH'] ?? ''}`
    const { stdout, exitCode } = Bun.spawnSync([name, ...args], {
      cwd: join(dir, 'files'),
      env: { PATH: path, HOME: dir, LANG: 'C.UTF-8' },
    })
    return {
      out: stdout
        .toString()
        .split('\n')
        .filter((line) => line !== ''),
      status: exitCode,
    }
  }
  const without = (name: string): boolean => Bun.which(name) === null

  function bash(...typed: readonly string[]): readonly string[] {
    const script = `source "$0"; COMP_WORDS=(agentkernel "$@"); COMP_CWORD=$#; _agentkernel agentkernel; printf '%s\\n' "\${COMPREPLY[@]}"`
    return shell('bash', ['--norc', '-c', script, join(dir, 'bash'), ...typed]).out
  }

  test.skipIf(without('bash'))('bash offers commands, values after a space and after =, files and programs', () => {
    expect(bash('a')).toEqual(['attach', 'agents', 'audit'])
    expect(bash('run', '-B', '')).toEqual(['alpha', 'beta'])
    expect(bash('run', '--workspace', '=', 'c')).toEqual(['copy'])
    expect(bash('run', '--config', 'o')).toEqual(['one two.toml'])
    expect(bash('run', 'agentker')).toContain('agentkernel')
  })

  test.skipIf(without('zsh'))('zsh accepts the script and registers it', () => {
    const script = 'autoload -Uz compinit; compinit -u -D; source "$0"; print -r -- $_comps[agentkernel]'
    expect(shell('zsh', ['-f', '-c', script, join(dir, 'zsh')])).toEqual({ out: ['_agentkernel'], status: 0 })
  })

  test.skipIf(without('fish'))('fish offers commands and values with their descriptions', () => {
    const ask = (line: string): readonly string[] =>
      shell('fish', ['--no-config', '-c', 'source $argv[1]; complete -C $argv[2]', join(dir, 'fish'), line]).out
    expect(ask('agentkernel ag')).toEqual(['agents\tList coding agents and whether they are installed'])
    expect(ask('agentkernel run -B ')).toEqual(['alpha', 'beta'])
    expect(ask('agentkernel run --config o')).toEqual(['one two.toml'])
  })
})
