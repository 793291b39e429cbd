import { afterEach, beforeEach, describe, expect, test } from 'bun:test'
import {
  chmodSync,
  chownSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  realpathSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { readdirSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { makeSpec, makeView } from '../../../test/conformance/make-spec.ts'
import { withPipes } from '../../../test/conformance/pipes.ts'
import { removeTree } from '../../lib/remove-tree.ts'
import type { WorkspaceView } from '../driver.ts'
import { identityFor, ownsSandboxIds } from './identity.ts'
import { launchPlan } from './launch-plan.ts'
import { launchPrologue, ownerOf, stageFolder } from './launch-prologue.ts'
import { Launcher } from './launch.ts'
import { outcomeOf } from './outcome.ts'
import type { LaunchPlan } from './plan.ts'
import { createRunFolder, removeRunFolder } from './run-folder.ts'
import { seccompProgram } from './seccomp-program.ts'

const helperPath = join(import.meta.dir, '../../../build/agentkernel-guest')
const bwrapPath = Bun.which('bwrap') ?? ''
const reason =
  bwrapPath === ''
    ? ' (needs bubblewrap)'
    : !existsSync(helperPath)
      ? ' (needs the launch helper to be built)'
      : ownsSandboxIds(process.getuid?.() ?? -1, readFileSync('/proc/self/uid_map', 'utf8'))
        ? ''
        : ' (needs root)'

let base: string
let project: string
beforeEach(() => {
  base = realpathSync(mkdtempSync(join(tmpdir(), 'copy-fallback-')))
  project = join(base, 'project')
  mkdirSync(join(project, 'src'), { recursive: true })
  for (const [name, content] of Object.entries({ 'a.txt': 'a\n', 'src/b.txt': 'b\n', '.env': 'KEY=hush\n', config: 'token\n' })) {
    writeFileSync(join(project, name), content)
  }
  symlinkSync('a.txt', join(project, 'link'))
})
afterEach(() => removeTree(base))

/** The plan with its overlay made a copy, as where the kernel has no overlay. */
function withoutOverlay(plan: LaunchPlan): LaunchPlan {
  const noOverlay = { noOverlay: true }
  const mounts = plan.mounts.map((step) => (step.kind === 'overlay' ? { ...step, ...noOverlay } : step))
  expect(mounts.filter((step) => step.kind === 'overlay')).toHaveLength(1)
  return { ...plan, mounts }
}

/** Runs a shell script over a copy of the project. */
async function run(script: string, parts: Partial<WorkspaceView> = {}, change = withoutOverlay) {
  const spec = makeSpec({ command: ['/bin/sh', '-c', script], workspace: makeView(project, 'copy', parts) })
  const far = withPipes()
  const identity = identityFor(spec.id, true)
  const begun = { identity, owner: ownerOf(project), tools: [] }
  const stage = stageFolder([base, helperPath])!
  const seccomp = await seccompProgram('moderate', process.arch === 'arm64' ? 'arm64' : 'x64')
  const launcher = new Launcher({ path: helperPath, asRoot: true }, launchPrologue({ stage, terminal: false, ...begun }), far.io)
  const folder = createRunFolder(join(base, 'runs'), spec.id)
  try {
    const plan = change(launchPlan({ spec, io: far.io, folder, cgroup: undefined, begun, home: base, helperPath, bwrapPath, seccomp }))
    const { lines, stopReason } = await launcher.run(plan, spec, new AbortController().signal)
    far.release()
    const [stdout, stderr] = await Promise.all([far.stdout.all, far.stderr.all])
    const outcome = outcomeOf(lines, stopReason, spec, undefined)
    return { lines, outcome, stdout: stdout.toString(), stderr: stderr.toString() }
  } finally {
    far.release()
    far.endInput()
    removeRunFolder(folder.path)
  }
}

const hostFiles = (): Record<string, string> =>
  Object.fromEntries(
    readdirSync(project, { recursive: true, encoding: 'utf8' })
      .filter((name) => statSync(join(project, name)).isFile())
      .map((name) => [name, readFileSync(join(project, name), 'utf8')]),
  )

describe.skipIf(reason !== '')(`a project that is copied because there is no overlay${reason}`, () => {
  test('is seen as it is, with a word to the host that it was copied', async () => {
    const { lines, outcome, stdout, stderr } = await run('cat a.txt src/b.txt link; readlink link; ls -A')
    expect({ outcome: outcome.ended, status: outcome.status, stderr }).toEqual({ outcome: 'exited', status: 0, stderr: '' })
    expect(stdout).toBe('a\nb\na\na.txt\n.env\na.txt\nconfig\nlink\nsrc\n')
    expect(lines.filter((line) => line.copied === true)).toHaveLength(1)
  })

  test('says nothing of a copy where there is an overlay', async () => {
    const { lines, stdout } = await run('cat a.txt', {}, (plan) => plan)
    expect(stdout).toBe('a\n')
    expect(lines.filter((line) => line.copied === true)).toEqual([])
  })

  test('has no hidden file and other content where that is wanted', async () => {
    const parts = { hidden: ['.env', 'missing/too'], replaced: [{ path: 'config', content: 'clean\n' }] }
    const { stdout } = await run('ls -A; cat config; grep -rh . .', parts)
    expect(stdout).toStartWith('a.txt\nconfig\nlink\nsrc\nclean\n')
    expect(stdout).not.toContain('hush')
    expect(stdout).not.toContain('token')
  })

  test('can be changed in every way, and the files of the host stay as they are', async () => {
    const before = hostFiles()
    const script =
      'echo changed > a.txt; echo new > new.txt; rm src/b.txt; rmdir src; mkdir made; mv config made/; chmod 777 link; cat a.txt; ls'
    const { stdout, stderr } = await run(`set -e; ${script}`)
    expect(stderr).toBe('')
    expect(stdout).toBe('changed\na.txt\nlink\nmade\nnew.txt\n')
    expect(hostFiles()).toEqual(before)
    expect(lstatSync(join(project, 'link')).isSymbolicLink()).toBe(true)
  })

  test('belongs to the sandbox, whoever its owner is on the host', async () => {
    for (const name of ['', 'a.txt', 'src', 'src/b.txt', '.env', 'config']) chownSync(join(project, name), 54_321, 54_321)
    chmodSync(join(project, 'config'), 0o600)
    const { stdout } = await run('stat -c %u:%g . a.txt src/b.txt; cat config; id -u')
    expect(stdout).toBe('1000:1000\n1000:1000\n1000:1000\ntoken\n1000\n')
  })

  test('has no sockets, FIFOs or devices in it', async () => {
    expect(Bun.spawnSync(['mkfifo', join(project, 'fifo')]).exitCode).toBe(0)
    expect(Bun.spawnSync(['mknod', join(project, 'device'), 'c', '1', '3']).exitCode).toBe(0)
    const server = Bun.listen({ unix: join(project, 'socket'), socket: { data: () => undefined } })
    try {
      const { stdout } = await run('ls -A')
      expect(stdout).toBe('.env\na.txt\nconfig\nlink\nsrc\n')
    } finally {
      server.stop(true)
    }
  })

  test('leaves no copy behind', async () => {
    await run('mkdir locked && chmod 0 locked src')
    expect(readdirSync(join(base, 'runs'))).toEqual([])
  })
})
