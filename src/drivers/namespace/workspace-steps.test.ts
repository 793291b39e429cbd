import { describe, expect, test } from 'bun:test'
import fc from 'fast-check'
import { makeView } from '../../../test/conformance/make-spec.ts'
import type { StageStep } from './plan.ts'
import { RUN_MOUNT, WORKSPACE, workspaceSteps } from './workspace-steps.ts'

const PROJECT = '/home/me/project'
const TARGET = WORKSPACE.slice(1)

/** Position of the only step that `match` holds for. */
function at(steps: readonly StageStep[], match: Partial<StageStep>): number {
  const found = steps.flatMap((step, i) =>
    Object.entries(match).every(([key, value]) => step[key as keyof StageStep] === value) ? [i] : [],
  )
  expect(found).toHaveLength(1)
  return found[0]!
}

describe('a copied project', () => {
  const steps = workspaceSteps(
    makeView(PROJECT, 'copy', { hidden: ['.env', 'keys/id_rsa'], replaced: [{ path: '.git/config', content: '[core]\n' }] }),
    false,
  )

  test('is taken read-only, and nothing else of the host is', () => {
    const taken = steps.filter((step) => step.source?.startsWith('/') === true)
    expect(taken).toMatchObject([{ kind: 'bind', source: PROJECT, readOnly: true, exact: true }])
  })

  test('lies below a layer of the run, in which secrets are removed and files replaced', () => {
    const overlay = at(steps, { kind: 'overlay', target: TARGET, upper: RUN_MOUNT })
    expect(at(steps, { kind: 'bind', source: PROJECT })).toBeLessThan(overlay)
    for (const path of ['.env', 'keys/id_rsa']) expect(at(steps, { kind: 'remove', within: TARGET, target: path })).toBeGreaterThan(overlay)
    const replaced = at(steps, { kind: 'file', within: TARGET, target: '.git/config', data: '[core]\n', owned: true })
    expect(replaced).toBeGreaterThan(overlay)
  })

  test('is the same for a read-only sandbox', () => {
    const view = makeView(PROJECT, 'copy')
    expect(workspaceSteps(view, true)).toEqual(workspaceSteps(view, false))
  })
})

describe('a mounted project', () => {
  const view = makeView(PROJECT, 'mount', { hidden: ['sock'], readOnly: ['.git/hooks', '.git/config', 'Makefile'] })
  const steps = workspaceSteps(view, false)

  test('is writable, and what would run on the host later is not', () => {
    expect(steps[at(steps, { kind: 'bind', source: PROJECT })]?.readOnly).not.toBe(true)
    for (const path of view.readOnly) {
      expect(steps[at(steps, { kind: 'bind', source: `${PROJECT}/${path}`, readOnly: true })]).toMatchObject({
        within: TARGET,
        target: path,
      })
    }
  })

  test('has the folders above those mounted too, before them, so that nobody can move them away', () => {
    const pinned = at(steps, { source: `${PROJECT}/.git` })
    expect(steps[pinned]).toMatchObject({ kind: 'bind', within: TARGET, target: '.git', readOnly: false })
    for (const path of ['.git/hooks', '.git/config']) expect(at(steps, { source: `${PROJECT}/${path}` })).toBeGreaterThan(pinned)
  })

  test('has every folder above a protected one mounted, however deep, the outer ones first', () => {
    const deep = workspaceSteps(makeView(PROJECT, 'mount', { readOnly: ['a/b/.git/hooks'] }), false)
    const places = ['a', 'a/b', 'a/b/.git', 'a/b/.git/hooks'].map((path) => at(deep, { kind: 'bind', within: TARGET, target: path }))
    expect(places).toEqual(places.toSorted((one, other) => one - other))
  })

  test('is mounted once itself', () => {
    expect(steps.filter((step) => step.source === PROJECT || step.source === `${PROJECT}/.`)).toHaveLength(1)
  })

  test('has hidden files covered by an empty one, last', () => {
    expect(at(steps, { source: '@run/empty' })).toBeGreaterThan(at(steps, { source: `${PROJECT}/Makefile` }))
    expect(steps[at(steps, { source: '@run/empty' })]).toMatchObject({ kind: 'bind', within: TARGET, target: 'sock', readOnly: true })
    at(steps, { kind: 'file', target: `${RUN_MOUNT}/empty` })
  })
})

describe('without a project', () => {
  test('the workspace is a folder of the run, or an empty one of a read-only sandbox', () => {
    expect(workspaceSteps(undefined, false)).toContainEqual(expect.objectContaining({ kind: 'bind', source: '@run/upper', target: TARGET }))
    expect(workspaceSteps(undefined, true)).toEqual([{ kind: 'dir', target: TARGET, mode: 0o755 }])
  })
})

describe("the project's path on the host", () => {
  const links = (path: string) => workspaceSteps(makeView(path, 'copy'), false).filter((step) => step.kind === 'symlink')

  test('leads to the workspace, where there is room for that', () => {
    expect(links(PROJECT)).toEqual([{ kind: 'symlink', target: PROJECT.slice(1), data: WORKSPACE, optional: true }])
  })

  test.each(['/workspace', '/workspace/inner', '/usr/src/project'])('stays what it is when it is %s', (path) => {
    expect(links(path)).toEqual([])
  })

  test('is no other folder that only begins like it', () => {
    expect(links('/workspaces/a')).toHaveLength(1)
    expect(links('/usrlocal/a')).toHaveLength(1)
  })
})

test('whatever the view lists, every path of it is acted on below the workspace and nowhere else', () => {
  const path = fc.array(fc.stringMatching(/^[a-z. ]{1,6}$/), { minLength: 1, maxLength: 4 }).map((names) => names.join('/'))
  const paths = fc.uniqueArray(path, { maxLength: 5 })
  fc.assert(
    fc.property(fc.constantFrom('copy' as const, 'mount' as const), paths, paths, paths, (mode, hidden, replaced, readOnly) => {
      const view = makeView(PROJECT, mode, { hidden, replaced: replaced.map((each) => ({ path: each, content: 'x' })), readOnly })
      const steps = workspaceSteps(view, false)
      const acted = steps.filter((step) => step.within !== undefined)
      for (const step of acted) expect(step.within).toBe(TARGET)
      for (const each of [...hidden, ...(mode === 'copy' ? replaced : readOnly)]) expect(acted.map((step) => step.target)).toContain(each)
    }),
  )
})
