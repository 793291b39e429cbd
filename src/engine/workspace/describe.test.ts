import { expect, test } from 'bun:test'
import { writeFileSync } from 'node:fs'
import { describeWorkspace } from './describe.ts'
import type { WorkspaceRequest } from './describe.ts'
import { TempTree } from './temp-tree.ts'

const describe = (tree: TempTree, mode: WorkspaceRequest['mode'], cwd: string | undefined) =>
  describeWorkspace({
    mode,
    cwd: cwd === undefined ? undefined : tree.at(cwd),
    home: tree.at('home'),
    dataDirs: [tree.at('home/.local/share/agentkernel')],
    uid: process.getuid!(),
    cacheDir: tree.at('home/.local/share/agentkernel/index'),
  })
const project = () =>
  new TempTree().write({
    'home/app/.git/HEAD': '',
    'home/app/.git/config': '[x]\ntoken = y\n',
    'home/app/.env': 'A=b',
    'home/app/src/lib': undefined,
  })

test('none shows nothing and says nothing', async () => {
  using tree = project()
  expect(await describe(tree, 'none', 'home/app')).toEqual({ view: undefined, cwdInside: '/workspace' })
})

test('copy shows the project without its secrets, from where the user stands', async () => {
  using tree = project()
  const choice = await describe(tree, 'copy', 'home/app/src/lib')
  expect(choice).toEqual({
    view: {
      mode: 'copy',
      hostPath: tree.at('home/app'),
      hidden: ['.env'],
      replaced: [{ path: '.git/config', content: '[x]\n' }],
      readOnly: [],
    },
    cwdInside: '/workspace/src/lib',
  })
})

test('mount shows the real files, keeps what runs later read-only, and tells afterwards what is new', async () => {
  using tree = project()
  const choice = await describe(tree, 'mount', 'home/app')
  expect(choice.view).toEqual({ mode: 'mount', hostPath: tree.at('home/app'), hidden: [], replaced: [], readOnly: ['.git/config'] })
  expect(choice.noticeAfter!()).toBeUndefined()
  writeFileSync(tree.at('home/app/.envrc'), 'x')
  expect(choice.noticeAfter!()).toBe('the command made .envrc, which programs on this machine obey; look before you use the project.')
})

test('without a project the workspace is empty and one sentence says why', async () => {
  using tree = project()
  expect(await describe(tree, 'copy', 'home')).toEqual({
    view: undefined,
    cwdInside: '/workspace',
    notice: `the workspace is empty: ${tree.at('home')} is your home directory; run from a project folder.`,
  })
  expect((await describe(tree, 'mount', undefined)).notice).toBe(
    'the workspace is empty: the current directory no longer exists; run from a project folder.',
  )
})

test('what could not be looked through is not shown', async () => {
  using tree = project()
  writeFileSync(Buffer.concat([Buffer.from(tree.at('home/app/.env.')), Buffer.from([0xff])]), 'A=b')
  const choice = await describe(tree, 'copy', 'home/app')
  expect(choice.view).toBeUndefined()
  expect(choice.notice).toStartWith(`the workspace is empty: ${tree.at('home/app')} cannot be shown safely, because`)
})
