import { describe, expect, test } from 'bun:test'
import { resolvedConfig } from '../../test/support/resolved-config.ts'
import type { ResolvedConfig } from '../contract/config.ts'
import { resolvePermissions } from '../policy/permissions.ts'
import { noticesBefore } from './notices.ts'
import type { WorkspaceChoice } from './workspace/describe.ts'

const view = { mode: 'copy', hostPath: '/project', hidden: [], replaced: [], readOnly: [] } as const

/** What is said, and the scopes that were asked about. `told` says what the user has heard before. */
async function notices(config: Partial<ResolvedConfig>, workspace: Partial<WorkspaceChoice> = {}, told = (_key: string) => false) {
  const scopes: string[] = []
  const all = resolvedConfig({ security: { network: false }, ...config })
  const request = { command: ['true'], cwd: '/cwd', env: {}, callerEnv: {} }
  const resolved = await resolvePermissions(request, all, { totalMemoryBytes: 8 * 1024 ** 3, cores: 2 })
  const firstTime = (key: string, scope = ''): boolean => {
    scopes.push(scope)
    return !told(key)
  }
  const choice = { view: undefined, cwdInside: '/workspace', ...workspace }
  return { said: noticesBefore(firstTime, { config: all, resolved, workspace: choice, cwd: '/cwd' }), scopes }
}

describe('before the command', () => {
  test('nothing is said when nothing is surprising, and nobody is asked what was said before', async () => {
    expect(await notices({})).toEqual({ said: [], scopes: [] })
  })

  test('every warning of the configuration is said as it is', async () => {
    expect((await notices({ warnings: ['one', 'two'] })).said).toEqual(['one', 'two'])
  })

  test('keys that are not honoured are named, with the way to honour them', async () => {
    const { said } = await notices({ inertKeys: ['security.mount_home', 'security.pass_env'] })
    expect(said).toEqual([expect.stringMatching(/security\.mount_home, security\.pass_env.*agentkernel trust/)])
  })

  test('keys and images that have no effect yet are named', async () => {
    expect((await notices({ laterKeys: ['sandbox.init_script'] })).said).toEqual([expect.stringContaining('sandbox.init_script')])
    expect((await notices({ image: 'python:3.12' })).said).toEqual([expect.stringContaining('python:3.12')])
    expect((await notices({ image: 'host' })).said).toEqual([])
  })

  test('a network that reaches public hosts is told once', async () => {
    expect((await notices({ security: {} })).said).toEqual([expect.stringContaining('public hosts can be reached')])
  })

  test('what the workspace has to say is said', async () => {
    expect((await notices({}, { notice: 'this is your home.' })).said).toEqual(['this is your home.'])
  })

  test('each is left out when it was said before', async () => {
    const told = (key: string): boolean => key.includes('python:3.12')
    expect((await notices({ image: 'python:3.12', laterKeys: ['ssh'] }, {}, told)).said).toEqual([expect.stringContaining('ssh')])
  })

  test('sentences about a project are asked about in its scope, the one about the network in none', async () => {
    expect((await notices({ laterKeys: ['ssh'], security: {} }, { view })).scopes).toEqual(['/project', ''])
    expect((await notices({ laterKeys: ['ssh'] })).scopes).toEqual(['/cwd'])
  })

  test('mistakes in the configuration are said every time', async () => {
    expect(await notices({ warnings: ['one'] }, {}, () => true)).toEqual({ said: ['one'], scopes: [] })
  })

  test('files that a copy leaves out are named, the first of many', async () => {
    const { said } = await notices({}, { view: { ...view, mode: 'copy', hidden: ['.env', 'a', 'b', 'c', 'd', 'e', 'f'] } })
    expect(said).toEqual([expect.stringMatching(/: \.env, a, b, c, d and 2 more\.$/)])
  })
})
