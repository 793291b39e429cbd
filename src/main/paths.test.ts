import { expect, test } from 'bun:test'
import { homedir } from 'node:os'
import { resolvePaths } from './paths.ts'

const EXECUTABLE = '/opt/agentkernel/bin/agentkernel'

test('everything is below the home unless the environment says otherwise', () => {
  expect(resolvePaths({ HOME: '/home/me' }, EXECUTABLE)).toEqual({
    home: '/home/me',
    dataDir: '/home/me/.local/share/agentkernel',
    configDir: '/home/me/.config/agentkernel',
    stateDir: '/home/me/.agentkernel',
    helperPath: '/opt/agentkernel/bin/agentkernel-guest',
  })
})

test('data and configuration follow the XDG variables; the audit log stays where the earlier product had it', () => {
  const paths = resolvePaths({ HOME: '/home/me', XDG_DATA_HOME: '/data', XDG_CONFIG_HOME: '/etc/me' }, EXECUTABLE)
  expect(paths).toMatchObject({ dataDir: '/data/agentkernel', configDir: '/etc/me/agentkernel', stateDir: '/home/me/.agentkernel' })
})

test.each(['', '.', 'relative/path', '~/data'])('the XDG value %j is not absolute and so is ignored', (value) => {
  const paths = resolvePaths({ HOME: '/home/me', XDG_DATA_HOME: value, XDG_CONFIG_HOME: value }, EXECUTABLE)
  expect(paths).toMatchObject({ dataDir: '/home/me/.local/share/agentkernel', configDir: '/home/me/.config/agentkernel' })
})

test.each([undefined, ''])('with HOME %j the home is the one of the account', (value) => {
  expect(resolvePaths(value === undefined ? {} : { HOME: value }, EXECUTABLE).home).toBe(homedir())
})

test('a HOME that is not absolute is refused by name', () => {
  expect(() => resolvePaths({ HOME: 'home/me' }, EXECUTABLE)).toThrow('HOME is "home/me", which is not an absolute path')
})
