import { describe, expect, test } from 'bun:test'
import { makeView } from '../../../../test/conformance/make-spec.ts'
import { makeSandboxSpec, type SandboxParts } from '../../../../test/conformance/sandbox-kit.ts'
import { sandboxFolder } from '../../shared/sandbox-folder.ts'
import { INIT_PATH } from '../bwrap-args.ts'
import { sandboxPlan } from './plan.ts'

const folder = sandboxFolder('/data', 'an-id')

function plan(parts: SandboxParts = {}, dropTo?: { uid: number; gid: number }) {
  const spec = makeSandboxSpec({ name: 'my-box', ...parts })
  return sandboxPlan({
    spec,
    folder,
    dropTo,
    cgroup: undefined,
    home: '/nonexistent',
    helperPath: '/opt/helper',
    bwrapPath: '/usr/bin/bwrap',
    seccomp: 'AAAA',
    version: '1.2.3',
  })
}

describe('the plan of a sandbox that stays', () => {
  test('shows its own folders and nothing of the project’s live files', () => {
    const { mounts } = plan({ workspace: makeView('/projects/one', 'copy', { hidden: ['.env'] }) })
    const sources = mounts.flatMap((step) => step.source ?? [])
    expect(sources).toEqual(['/opt/helper', folder.home, folder.upper])
    expect(mounts.some((step) => step.kind === 'overlay')).toBe(false)
    expect(mounts).toContainEqual({ kind: 'symlink', target: 'projects/one', data: '/workspace', optional: true })
  })

  test('never shows its log, its notes, or the folder they are in', () => {
    for (const { mounts } of [plan(), plan({ workspace: makeView('/p', 'copy') }), plan({ permissions: { readOnlyRoot: true } })]) {
      for (const { source } of mounts) expect([undefined, '/opt/helper', folder.home, folder.upper]).toContain(source)
    }
  })

  test('has nothing on disk to write to where the root is read-only, but for a project', () => {
    const writable = (parts: SandboxParts) =>
      plan(parts).mounts.flatMap((step) => (step.kind === 'bind' && step.readOnly !== true ? (step.source ?? []) : []))
    expect(writable({ permissions: { readOnlyRoot: true } })).toEqual([])
    expect(writable({ permissions: { readOnlyRoot: true }, workspace: makeView('/p', 'copy') })).toEqual([folder.upper])
  })

  test('has an agent as process 1, which is called by the sandbox’s name and knows our version', () => {
    const { mode, spec, args, terminal, detach } = plan()
    expect({ mode, spec, terminal, detach }).toEqual({
      mode: 'agent',
      // Without a group the limits are those of each command.
      spec: { limits: expect.arrayContaining([{ resource: 6, value: 256 }]), version: '1.2.3' },
      terminal: false,
      detach: [],
    })
    expect(args[args.indexOf('--hostname') + 1]).toBe('my-box')
  })

  test('has a network only where the spec has one', () => {
    expect(plan().network).toEqual({ egress: false, tun: false })
    const networked = plan({ network: { files: [{ path: '/etc/ca.pem', hostPath: '/data/ca.pem' }], env: {} } })
    expect(networked.network).toEqual({ egress: true, tun: true })
    expect(networked.mounts.at(-1)).toEqual({ kind: 'cover', source: '/data/ca.pem', target: 'etc/ca.pem' })
    const first = { kind: 'bind', target: INIT_PATH.slice(1), readOnly: true } as const
    expect(plan().mounts).toContainEqual({ ...first, source: '/opt/helper' })
    expect(networked.mounts).toContainEqual({ ...first, source: '/opt/helper-net' })
  })

  test('becomes the identity it keeps', () => {
    expect(plan().dropTo).toBeUndefined()
    expect(plan({}, { uid: 7, gid: 8 }).dropTo).toEqual({ uid: 7, gid: 8 })
  })
})
