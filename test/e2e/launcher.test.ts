import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import {
  chmodSync,
  copyFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import type { Readable } from 'node:stream'
import { ROOT } from '../support/source-files.ts'

/** A checkout in miniature: the real launcher and scripts around a program that prints what it was given. */
const PROGRAM = `
async function main(): Promise<void> {
  if (process.argv[2] === 'wait') {
    process.on('SIGTERM', () => process.exit(7))
    console.log('ready')
    setInterval(() => undefined, 60_000)
    return
  }
  console.log(JSON.stringify({ version: 1, args: process.argv.slice(2), hostile: process.env['HOSTILE'], audit: process.env['AGENTKERNEL_AUDIT'] }))
}
void main()
`

// A space and a quote, because people have such folders.
const parent = mkdtempSync(join(tmpdir(), "launcher it's "))
const checkout = join(parent, 'a checkout')
const launcher = join(checkout, 'agentkernel')
const built = join(checkout, 'build/agentkernel')
const mainFile = join(checkout, 'src/main/main.ts')

beforeAll(() => {
  makeCheckout(checkout)
  const first = run(['doctor'])
  expect(first.stderr).toContain('building agentkernel')
  expect(first.status).toBe(0)
}, 120_000)
afterAll(() => rmSync(parent, { recursive: true, force: true }))

function makeCheckout(folder: string): void {
  for (const sources of ['src/main', 'sdk/typescript/src']) mkdirSync(join(folder, sources), { recursive: true })
  copyFileSync(join(ROOT, 'agentkernel'), join(folder, 'agentkernel'))
  cpSync(join(ROOT, 'scripts'), join(folder, 'scripts'), { recursive: true })
  writeFileSync(join(folder, 'package.json'), '{ "name": "miniature", "private": true }')
  writeFileSync(join(folder, 'tsconfig.json'), '{}')
  writeFileSync(join(folder, 'bun.lock'), '')
  // It needs no libraries: the mark of set-up says they are there.
  mkdirSync(join(folder, 'node_modules'))
  writeFileSync(join(folder, 'node_modules/.agentkernel-production'), '')
  writeFileSync(join(folder, 'src/main/main.ts'), PROGRAM)
  for (const name of ['agentkernel-guest', 'agentkernel-guest-net']) {
    mkdirSync(join(folder, 'guest/cmd', name), { recursive: true })
    writeFileSync(join(folder, 'guest/cmd', name, 'main.go'), 'package main\n\nfunc main() {}\n')
  }
  writeFileSync(join(folder, 'guest/go.mod'), 'module miniature\n\ngo 1.24\n')
}

interface Options {
  readonly cwd?: string
  readonly env?: NodeJS.ProcessEnv
  readonly through?: string
  readonly uid?: number
}

function run(args: readonly string[], { cwd = checkout, env = {}, through = launcher, ...user }: Options = {}) {
  // The same Bun as this test, so that set-up fetches nothing.
  const path = `${dirname(process.execPath)}:${process.env['PATH']}`
  return spawnSync(through, args, { cwd, env: { ...process.env, PATH: path, ...env }, encoding: 'utf8', timeout: 60_000, ...user })
}

const newer = (path: string) => utimesSync(path, new Date(Date.now() + 5_000), new Date(Date.now() + 5_000))

describe('a built checkout', () => {
  test('starts the program with its arguments untouched and says nothing else', () => {
    const ran = run(['run', 'a b', '', '*', "it's", '--', '-x'])
    expect(JSON.parse(ran.stdout)).toEqual({ version: 1, args: ['run', 'a b', '', '*', "it's", '--', '-x'] })
    expect(ran.stderr).toBe('')
  })

  test('starts through a chain of symlinks, one of them relative, found on PATH', () => {
    mkdirSync(join(parent, 'bin'))
    symlinkSync(launcher, join(parent, 'bin/first'))
    symlinkSync('first', join(parent, 'bin/agentkernel'))
    const ran = run(['x'], { through: 'agentkernel', cwd: parent, env: { PATH: `${join(parent, 'bin')}:${process.env['PATH']}` } })
    expect(JSON.parse(ran.stdout).args).toEqual(['x'])
    expect(ran.stderr).toBe('')
  })

  test('starts from a folder that was deleted', () => {
    const gone = join(parent, 'gone')
    mkdirSync(gone)
    const ran = run(['-c', 'rmdir "$PWD"; exec "$0" x', launcher], { through: '/bin/sh', cwd: gone })
    expect(ran.stderr).toContain('the current folder was deleted')
    expect(JSON.parse(ran.stdout).args).toEqual(['x'])
  })

  test('reads no settings of the folder it is started in', () => {
    const hostile = join(parent, 'hostile')
    mkdirSync(hostile)
    const evil = join(hostile, 'evil.ts')
    writeFileSync(evil, `require('node:fs').writeFileSync(${JSON.stringify(join(hostile, 'ran'))}, '')`)
    const settings = 'HOSTILE=1\nAGENTKERNEL_AUDIT=0\nBUN_OPTIONS=--preload ./evil.ts\nNODE_OPTIONS=--require ./evil.ts\n'
    for (const name of ['.env', '.env.local', '.env.production', '.env.development', '.env.test'])
      writeFileSync(join(hostile, name), settings)
    writeFileSync(join(hostile, 'bunfig.toml'), 'preload = ["./evil.ts"]\n[run]\npreload = ["./evil.ts"]\n')
    writeFileSync(join(hostile, 'tsconfig.json'), '{ "compilerOptions": { "paths": { "*": ["./evil.ts"] } } }')
    writeFileSync(join(hostile, 'package.json'), '{ "imports": { "node:fs": "./evil.ts" } }')
    const ran = run(['run'], { cwd: hostile })
    expect(JSON.parse(ran.stdout)).toEqual({ version: 1, args: ['run'] })
    expect(existsSync(join(hostile, 'ran'))).toBe(false)
  })

  test('is not turned into bun, nor made to load code, by the environment', () => {
    const evil = join(parent, 'evil.ts')
    writeFileSync(evil, 'console.log("evil")')
    const ran = run(['x'], {
      env: { BUN_BE_BUN: '1', BUN_OPTIONS: `--preload ${evil}`, BUN_INSPECT_PRELOAD: evil, NODE_OPTIONS: `--require ${evil}` },
    })
    expect(JSON.parse(ran.stdout).args).toEqual(['x'])
  })

  test('is replaced by the program, so that a signal reaches it', async () => {
    const child = spawn(launcher, ['wait'], { stdio: ['ignore', 'pipe', 'inherit'] })
    await once(child.stdout, 'data')
    expect(readFileSync(`/proc/${child.pid}/cmdline`, 'utf8')).toContain('build/agentkernel')
    child.kill('SIGTERM')
    expect(await once(child, 'exit')).toEqual([7, null])
  })
})

describe('a checkout whose sources changed', () => {
  test('builds again, on stderr only, and puts a new file in place', () => {
    const before = statSync(built).ino
    writeFileSync(mainFile, PROGRAM.replace('version: 1', 'version: 2'))
    newer(mainFile)
    const ran = run(['x'])
    expect(JSON.parse(ran.stdout).version).toBe(2)
    expect(ran.stderr).toContain('building agentkernel')
    expect(statSync(built).ino).not.toBe(before)
    writeFileSync(mainFile, PROGRAM)
  }, 60_000)

  test('that does not compile says why, exits 125 for run and 1 otherwise, and keeps the old program', () => {
    run(['x'])
    const before = statSync(built).ino
    writeFileSync(mainFile, 'const = 1')
    newer(mainFile)
    const ran = run(['run', 'x'])
    expect(ran.status).toBe(125)
    expect(ran.stderr).toContain('main.ts:1')
    expect(ran.stdout).toBe('')
    expect(run(['ssh', 'connect', 'x']).status).toBe(125)
    expect(run(['doctor']).status).toBe(1)
    expect(statSync(built).ino).toBe(before)
    writeFileSync(mainFile, PROGRAM)
    expect(JSON.parse(run(['x']).stdout).version).toBe(1)
  }, 60_000)

  test('notices a deleted file and a new one, but not a test', () => {
    const extra = join(checkout, 'src/main/extra.ts')
    const rebuilds = () => run(['x']).stderr.includes('building')
    writeFileSync(extra, 'export {}')
    expect(rebuilds()).toBe(true)
    expect(rebuilds()).toBe(false)
    rmSync(extra)
    expect(rebuilds()).toBe(true)
    writeFileSync(join(checkout, 'src/main/extra.test.ts'), '')
    run(['x'])
    newer(join(checkout, 'src/main/extra.test.ts'))
    expect(rebuilds()).toBe(false)
  }, 60_000)

  test('builds only what changed', () => {
    newer(join(checkout, 'guest/cmd/agentkernel-guest/main.go'))
    const ran = run(['x'])
    expect(ran.stderr).toContain('building the sandbox helper')
    expect(ran.stderr).not.toContain('building agentkernel')
    utimesSync(join(checkout, 'guest/cmd/agentkernel-guest/main.go'), 0, 0)
  }, 60_000)

  test.each(['agentkernel-guest', 'agentkernel-guest-net'])(
    'builds %s again when somebody removed it',
    (name) => {
      rmSync(join(checkout, 'build', name))
      expect(run(['x']).stderr).toContain('building the sandbox helper')
      expect(existsSync(join(checkout, 'build', name))).toBe(true)
      expect(run(['x']).stderr).toBe('')
    },
    60_000,
  )

  test('runs what is built, with a notice, for a user who may not write there', () => {
    run(['x'])
    newer(mainFile)
    const before = statSync(built).ino
    // Root may write anywhere, so it becomes nobody; an ordinary user closes the folder to itself.
    const nobody = process.getuid?.() === 0 ? { uid: 65_534 } : {}
    chmodSync(parent, 0o755)
    chmodSync(join(checkout, 'build'), 0o555)
    const ran = run(['x'], nobody)
    chmodSync(join(checkout, 'build'), 0o755)
    utimesSync(mainFile, 0, 0)
    expect(JSON.parse(ran.stdout).args).toEqual(['x'])
    expect(ran.stderr).toContain('cannot be written: running what is built')
    expect(statSync(built).ino).toBe(before)
  })
})

describe('two first runs at once', () => {
  test('both end well, and one builds', async () => {
    const folder = join(parent, 'twice')
    makeCheckout(folder)
    const start = () => {
      const env = { ...process.env, PATH: `${dirname(process.execPath)}:${process.env['PATH']}` }
      const child = spawn(join(folder, 'agentkernel'), ['x'], { env, stdio: ['ignore', 'pipe', 'pipe'] })
      return Promise.all([new Response(child.stdout as never).text(), new Response(child.stderr as never).text(), once(child, 'exit')])
    }
    const runs = await Promise.all([start(), start()])
    expect(runs.map(([stdout]) => JSON.parse(stdout).args)).toEqual([['x'], ['x']])
    expect(runs.filter(([, stderr]) => stderr.includes('building agentkernel'))).toHaveLength(1)
  }, 120_000)
})

describe('a set-up that is interrupted', () => {
  test('ends with all it started, and the next one finishes the work', async () => {
    const folder = join(parent, 'interrupted')
    makeCheckout(folder)
    const bin = join(parent, 'slow bin')
    mkdirSync(bin)
    // Another Bun than the pinned one, so that it has to be fetched by an npm that takes for ever.
    writeFileSync(join(bin, 'bun'), '#!/bin/sh\necho 0.0.0\n', { mode: 0o755 })
    writeFileSync(join(bin, 'npm'), '#!/bin/sh\nsleep 600 &\necho started >&3\nwait\n', { mode: 0o755 })
    const env = { ...process.env, PATH: `${bin}:${process.env['PATH']}` }
    const child = spawn(join(folder, 'agentkernel'), ['run', 'x'], { env, detached: true, stdio: ['ignore', 'ignore', 'ignore', 'pipe'] })
    const alive = child.stdio[3] as Readable
    await once(alive, 'data')
    process.kill(-(child.pid ?? 0), 'SIGINT')
    // Every process of the set-up holds this pipe: it ends when the last of them is gone.
    await once(alive, 'end')
    expect(existsSync(join(folder, 'build/agentkernel'))).toBe(false)
    expect(JSON.parse(run(['x'], { through: join(folder, 'agentkernel') }).stdout).args).toEqual(['x'])
  }, 60_000)
})
