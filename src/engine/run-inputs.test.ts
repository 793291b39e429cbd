import { describe, expect, test } from 'bun:test'
import { resolvedConfig } from '../../test/support/resolved-config.ts'
import type { ResolvedConfig } from '../contract/config.ts'
import type { RunRequest } from '../contract/run.ts'
import { insideDirectory, sandboxEnvironment } from './run-inputs.ts'
import type { WorkspaceChoice } from './workspace/describe.ts'

const CALLER = {
  PATH: '/opt/bin:/bin',
  HOME: '/home/me',
  USER: 'me',
  TERM: 'xterm',
  LANG: 'de_DE.UTF-8',
  LC_ALL: 'C',
  LC_TIME: 'C',
  LCX: 'no',
  AWS_SECRET_ACCESS_KEY: 'hush',
  TERMINAL: 'no',
}

describe("the command's environment", () => {
  const environment = (parts: Partial<RunRequest>, config: Partial<ResolvedConfig> = {}, passEnv = false) =>
    sandboxEnvironment({ command: ['true'], cwd: '/', env: {}, callerEnv: {}, ...parts }, resolvedConfig(config), passEnv)

  test('has the terminal and locale of the caller and nothing else of theirs', () => {
    expect(environment({ callerEnv: CALLER })).toEqual({ TERM: 'xterm', LANG: 'de_DE.UTF-8', LC_ALL: 'C', LC_TIME: 'C' })
  })

  test('has the name of the caller when the environment is passed, but never their home or search path', () => {
    const passed = environment({ callerEnv: CALLER }, {}, true)
    for (const name of ['PATH', 'HOME', 'AWS_SECRET_ACCESS_KEY']) expect(passed).not.toHaveProperty(name)
    expect(passed['USER']).toBe(CALLER.USER)
    expect(environment({ callerEnv: CALLER }, {}, false)).not.toHaveProperty('USER')
  })

  test("has the config's variables before the caller's, and the user's own before both", () => {
    const callerEnv = { TERM: 'caller', LANG: 'caller', TZ: 'caller' }
    const config = { environment: { LANG: 'config', TZ: 'config', ADDED: 'config' } }
    expect(environment({ callerEnv, env: { TZ: 'user', PATH: '/mine' } }, config)).toEqual({
      TERM: 'caller',
      LANG: 'config',
      TZ: 'user',
      ADDED: 'config',
      PATH: '/mine',
    })
  })
})

describe('the command starts', () => {
  const view = { mode: 'copy', hostPath: '/home/me/project', hidden: [], replaced: [], readOnly: [] } as const
  const shown: WorkspaceChoice = { view, cwdInside: '/workspace/src' }
  const empty: WorkspaceChoice = { view: undefined, cwdInside: '/workspace' }

  test.each([
    [undefined, '/workspace/src'],
    ['lib', '/workspace/src/lib'],
    ['.', '/workspace/src'],
    ['../test', '/workspace/test'],
    ['/home/me/project', '/workspace'],
    ['/home/me/project/docs', '/workspace/docs'],
    ['/home/me/project-two', '/home/me/project-two'],
    ['/home/me', '/home/me'],
    ['/tmp', '/tmp'],
    ['/workspace', '/workspace'],
  ])('with --workdir %s in %s', (workdir, inside) => {
    expect(insideDirectory(workdir, shown)).toBe(inside)
  })

  test('in the empty workspace without a project, whose paths then mean nothing', () => {
    expect(insideDirectory(undefined, empty)).toBe('/workspace')
    expect(insideDirectory('a', empty)).toBe('/workspace/a')
    expect(insideDirectory('/home/me/project', empty)).toBe('/home/me/project')
  })
})
