import { afterAll, describe, expect, test } from 'bun:test'
import { mkdirSync, mkdtempSync, realpathSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { makeSpec, makeView, type SpecParts } from '../../../test/conformance/make-spec.ts'
import type { RunIo } from '../../contract/run.ts'
import { INIT_PATH } from './bwrap-args.ts'
import { identityFor } from './identity.ts'
import { launchPlan } from './launch-plan.ts'
import type { PlanInput } from './launch-plan.ts'
import { launchPrologue, type PrologueFacts, stageFolder } from './launch-prologue.ts'
import type { StageStep } from './plan.ts'

const base = realpathSync(mkdtempSync(join(tmpdir(), 'launch-plan-')))
afterAll(() => rmSync(base, { recursive: true, force: true }))
const [home, project, run] = ['home', 'project', 'runs/one'].map((name) => join(base, name)) as [string, string, string]
mkdirSync(join(home, '.cargo/bin'), { recursive: true })
writeFileSync(join(home, '.vimrc'), 'set number\n')
mkdirSync(project)

const IO: RunIo = { stdin: 0, stdout: 1, stderr: 2, onNotice: () => undefined }
const TERMINAL: RunIo = { ...IO, terminal: { cols: 80, rows: 24, onOutput: () => undefined, onReady: () => undefined } }

const TOOLS = [join(home, '.cargo/bin')]
const AS_USER: PrologueFacts = { identity: { dropTo: undefined }, owner: { uid: 0, gid: 0 }, tools: TOOLS }
const AS_ROOT: PrologueFacts = { ...AS_USER, identity: identityFor('abcdefgh01234567', true) }

function plan(parts: Partial<SpecParts> = {}, over: Partial<PlanInput> = {}) {
  const spec = makeSpec({ command: ['printenv', 'A B'], ...parts })
  const folder = { name: 'one', path: run }
  return launchPlan({
    spec,
    io: IO,
    folder,
    cgroup: undefined,
    begun: AS_USER,
    home,
    helperPath: '/opt/helper',
    bwrapPath: '/usr/bin/bwrap',
    seccomp: 'AAAA',
    ...over,
  })
}

const PROJECTS = { nothing: undefined, 'a copy': makeView(project, 'copy', { hidden: ['.env'] }), 'the files': makeView(project, 'mount') }
const ALL = Object.entries(PROJECTS).flatMap(([name, workspace]) => [
  [`${name} of a project`, plan({ workspace })] as const,
  [`${name} of a project, read-only`, plan({ workspace, permissions: { readOnlyRoot: true } })] as const,
])
const BUILD = { stage: '/mnt', terminal: false, ...AS_ROOT }
const PROLOGUE = launchPrologue(BUILD)

describe.each([...ALL.map(([name, { mounts }]) => [name, mounts] as const), ['the prologue', PROLOGUE.mounts] as const])(
  'a plan with %s',
  (_, mounts) => {
    test('has only targets below the root', () => {
      for (const step of mounts) {
        for (const path of [step.target, step.within, step.lower, step.upper].filter((each) => each !== undefined)) {
          // The root itself is the target of the names that lie in it.
          if (step.kind !== 'show') expect(path).not.toBe('')
          expect(path).not.toStartWith('/')
          expect(path.split('/')).not.toContain('..')
        }
      }
    })

    test('has only sources that are whole paths of the host', () => {
      for (const { source } of mounts) if (source !== undefined) expect(source).toMatch(/^\//)
    })

    test('shows the host read-only, but for the run’s own folder and a mounted project', () => {
      const writable = mounts.filter((step) => step.kind === 'bind' && step.readOnly !== true)
      for (const step of writable) {
        expect([run, project, '/proc', '/dev'].some((folder) => step.source === folder || step.source!.startsWith(`${folder}/`))).toBe(true)
      }
    })
  },
)

describe('a plan', () => {
  test('starts the command with its own words, in its folder, with home and search path', () => {
    const { spec } = plan({ env: { A: 'b=c' }, cwd: '/tmp' })
    expect(spec).toMatchObject({ argv: ['printenv', 'A B'], cwd: '/tmp', terminal: false })
    expect(spec.env).toContain('A=b=c')
    expect(spec.env).toContain('HOME=/home/user')
    expect(spec.env.find((entry) => entry.startsWith('PATH='))).toStartWith('PATH=/usr/local/bin:/usr/bin:/bin')
    expect(plan().spec.cwd).toBe('/workspace')
  })

  test('gives a variable of the user before its own, once', () => {
    const { env } = plan({ env: { HOME: '/mine', PATH: '/bin' } }).spec
    expect(env.filter((entry) => /^(HOME|PATH)=/.test(entry)).toSorted()).toEqual(['HOME=/mine', 'PATH=/bin'])
  })

  test('has the user’s tools, and their dotfiles only when asked for', () => {
    const sources = (mountHome: boolean) => plan({ permissions: { mountHome } }).mounts.map((step) => step.source)
    expect(PROLOGUE.mounts.map((step) => step.source)).toContain(join(home, '.cargo/bin'))
    expect(sources(false)).not.toContain(join(home, '.vimrc'))
    expect(sources(true)).toContain(join(home, '.vimrc'))
  })

  test('lets go of the run’s folder, and of the project below a copy, before anything runs', () => {
    for (const [, { detach, mounts }] of ALL) {
      for (const folder of detach) expect(mounts.some((step) => step.kind === 'bind' && step.target === folder)).toBe(true)
      const above = mounts.filter((step) => step.kind === 'bind' && step.source === run).map((step) => step.target)
      for (const folder of above) expect(detach).toContain(folder)
    }
    const lower = plan({ workspace: PROJECTS['a copy'] }).mounts.find((step) => step.source === project)
    expect(plan({ workspace: PROJECTS['a copy'] }).detach).toContain(lower!.target)
  })

  test('of a read-only sandbox has no writable folder but /tmp, /dev/shm and a mounted project', () => {
    const { mounts, spec } = plan({ permissions: { readOnlyRoot: true } })
    expect(spec.env).toContain('HOME=/tmp')
    expect(mounts.filter((step) => step.kind === 'bind' && step.source?.startsWith(`${run}/`))).toEqual([])
  })

  test('bounds what is kept in memory, and programs in /tmp only when that is wanted', () => {
    const tmpfs = (tmpExec: boolean) => plan({ permissions: { tmpBytes: 7_777, tmpExec } }).mounts.filter((step) => step.kind === 'tmpfs')
    for (const step of tmpfs(true)) expect(step).toMatchObject({ size: 7_777, mode: 0o1777 })
    const noExec = (steps: readonly StageStep[]) => steps.find((step) => step.target === 'tmp')?.noExec
    expect([noExec(tmpfs(true)), noExec(tmpfs(false))]).toEqual([false, true])
    expect(tmpfs(true).find((step) => step.target !== 'tmp')?.noExec).toBe(true)
  })

  test('limits each process only where there is no control group', () => {
    expect(plan().spec.limits.length).toBeGreaterThan(0)
    // Only its files are looked at.
    const cgroup = { procs: ['/sys/fs/cgroup/memory/x/tasks'] } as unknown as NonNullable<PlanInput['cgroup']>
    const inGroup = plan({}, { cgroup })
    expect(inGroup.spec.limits).toEqual([])
    expect(inGroup.cgroupProcs).toEqual(['/sys/fs/cgroup/memory/x/tasks'])
  })

  test('of root drops to an identity and shows the project as its own; that of a user does neither', () => {
    const { uid, gid } = statSync(project)
    const owner = { uid, gid }
    const { dropTo, idMap } = plan({ workspace: PROJECTS['a copy'] }, { begun: { ...AS_ROOT, owner: { uid: uid + 1, gid } } })
    expect(dropTo?.uid).toBeGreaterThan(65_536)
    expect(idMap).toContainEqual({ inside: uid, outside: dropTo!.uid, count: 1 })
    expect(launchPrologue({ ...BUILD, owner: { uid: 7, gid: 8 } }).idMap).toContainEqual({ inside: 7, outside: dropTo!.uid, count: 1 })
    expect(launchPrologue({ ...BUILD, owner: { uid: 7, gid: 8 } }).idMap).toContainEqual({
      inside: 8,
      outside: dropTo!.uid,
      count: 1,
      groups: true,
    })
    expect(plan({ workspace: PROJECTS['a copy'] }, { begun: { ...AS_ROOT, owner } })).not.toHaveProperty('idMap')
    expect(plan()).not.toHaveProperty('dropTo')
    expect(plan()).not.toHaveProperty('idMap')
  })

  test('for a terminal says so to every stage', () => {
    const own = plan({}, { io: TERMINAL })
    expect([own.terminal, own.spec.terminal, own.args.includes('--new-session')]).toEqual([true, true, false])
    expect(plan().args).toContain('--new-session')
  })
})

describe('the folder a sandbox is built over', () => {
  const segment = fc.constantFrom('mnt', 'media', 'srv', 'opt', 'tmp', 'mnt2', 'home', 'a')
  const path = fc.array(segment, { minLength: 1, maxLength: 3 }).map((names) => `/${names.join('/')}`)

  test('is never one that is shown or above one', () => {
    fc.assert(
      fc.property(fc.array(path, { maxLength: 12 }), (shown) => {
        const stage = stageFolder(shown)
        if (stage === undefined) return
        expect(statSync(stage).isDirectory()).toBe(true)
        expect(shown.filter((each) => `${each}/`.startsWith(`${stage}/`))).toEqual([])
      }),
    )
  })

  test('is there unless every one is taken', () => {
    expect(stageFolder([])).toBeString()
    expect(stageFolder(['/mnt2', '/optional/x', '/'])).toBe(stageFolder([])!)
    expect(stageFolder(['/mnt/a', '/media', '/srv/b/c', '/opt', '/tmp/x'])).toBeUndefined()
  })
})

describe('a network in a plan', () => {
  const network = {
    files: [{ path: '/etc/ssl/cert.pem', hostPath: '/ca.pem' }],
    env: { SSL_CERT_FILE: '/etc/ssl/cert.pem' },
    attach: () => undefined,
  }

  test('is none unless the spec has one', () => {
    const without = plan()
    expect(without.network).toEqual({ egress: false, tun: false })
    expect(without.mounts.some((step) => step.kind === 'cover' || step.target === 'etc/resolv.conf')).toBe(false)
  })

  test('brings a process 1 that can serve it, at the same place and instead of the other', () => {
    const first = (steps: readonly StageStep[]) => steps.filter((step) => step.target === INIT_PATH.slice(1))
    const step = { kind: 'bind', target: INIT_PATH.slice(1), readOnly: true } as const
    expect(first(plan().mounts)).toEqual([{ ...step, source: '/opt/helper' }])
    expect(first(plan({ network }).mounts)).toEqual([{ ...step, source: '/opt/helper-net' }])
    expect(first(PROLOGUE.mounts)).toEqual([])
    expect(plan({ network }).init).toBe(plan().init)
  })

  test('brings its files after everything that they may cover', () => {
    const { mounts, network: planned } = plan({ network, workspace: makeView(project, 'copy') })
    expect(planned).toEqual({ egress: true, tun: true })
    expect(mounts.at(-1)).toEqual({ kind: 'cover', source: '/ca.pem', target: 'etc/ssl/cert.pem' })
  })

  test("brings its variables, but the command's own win", () => {
    expect(plan({ network }).spec.env).toContain('SSL_CERT_FILE=/etc/ssl/cert.pem')
    expect(plan({ network, env: { SSL_CERT_FILE: '/mine' } }).spec.env.filter((each) => each.startsWith('SSL'))).toEqual([
      'SSL_CERT_FILE=/mine',
    ])
  })
})
