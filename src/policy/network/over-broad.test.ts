import { describe, expect, test } from 'bun:test'
import { isAppError } from '../../contract/errors.ts'
import { refuseOverBroad } from './over-broad.ts'

async function outcome(rule: string): Promise<string> {
  try {
    await refuseOverBroad([rule])
    return 'fine'
  } catch (error) {
    if (isAppError(error, 'invalid_argument')) return `${error.message} ${error.fix}`
    throw error
  }
}

describe('rules that allow more than their writer can know', () => {
  test.each([
    ['*.com', /strangers/],
    ['*.co.uk', /strangers/],
    ['*.github.io', /strangers/],
    ['*.s3.amazonaws.com', /strangers/],
    ['*.internal', /strangers/],
    ['*.xn--p1ai', /strangers/],
    ['GET https://*.co.uk/*', /strangers/],
    ['0.0.0.0/0', /wider than \/8.*Write public/],
    ['128.0.0.0/1', /wider/],
    ['[::]/0', /wider than \/16/],
    ['[2000::]/3', /wider/],
    ['localhost:8080', /sandbox itself.*host\.agentkernel\.internal:8080/],
    ['app.localhost', /sandbox itself/],
    ['host.agentkernel.internal', /needs the ports/],
    ['host.agentkernel.internal:*', /needs the ports/],
  ])('%s', async (rule, message) => expect(await outcome(rule)).toMatch(message))

  test.each([
    'public',
    'preset:github',
    'com.example',
    '*.example.com',
    '*.example.co.uk',
    '*.example.test',
    '10.0.0.0/8',
    '240.0.0.0/4',
    '[fc00::]/7:*',
    'host.agentkernel.internal:8080',
    'GET http://host.agentkernel.internal:8080/*',
    'udp:*.example.com:53',
  ])('%s is no such rule', async (rule) => expect(await outcome(rule)).toBe('fine'))
})
