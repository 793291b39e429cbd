import { describe, expect, test } from 'bun:test'
import fc from 'fast-check'
import { formatPublishedPort, isLoopback, parsePublishedPort } from './published-port.ts'

describe('a port to publish', () => {
  test.each([
    ['80', '80'],
    ['8080:80', '8080:80'],
    [':80', '80'],
    ['0:80', '80'],
    ['53:53/udp', '53:53/udp'],
    ['53/UDP', '53/udp'],
    ['8080:80/tcp', '8080:80'],
    ['0.0.0.0:8080:80', '0.0.0.0:8080:80'],
    ['localhost:8080:80', '8080:80'],
    ['localhost::80', '80'],
    ['[::1]:8080:80', '[::1]:8080:80'],
    ['[0:0:0:0:0:0:0:1]::80/udp', '[::1]:0:80/udp'],
    ['[::]:1:1', '[::]:1:1'],
    ['127.0.0.2:8080:80', '127.0.0.2:8080:80'],
    ['0.0.0.0::80', '0.0.0.0:0:80'],
  ])('%s is %s', (text, full) => {
    const port = parsePublishedPort(text)
    if ('problem' in port) throw new Error(port.problem)
    expect(formatPublishedPort(port)).toBe(full)
  })

  test.each([
    '',
    ':',
    '0',
    'http',
    '80:',
    '65536',
    '65536:80',
    '8080:0',
    '-1:80',
    '1:2:3',
    '1.2.3.4:80',
    '1.2.3.4.:1:1',
    '01.2.3.4:1:1',
    '127.1:1:1',
    '2130706433:1:1',
    'example.com:1:1',
    '::1:80:80',
    '[::1]80:80',
    '[::1%lo]:1:1',
    '[1:2]:1:1',
    '*:80:80',
    '80/sctp',
    '8000-8010:80',
    '80:80:80:80',
    ' 80',
    '80\n',
  ])('%p is refused', (text) => expect(parsePublishedPort(text)).toHaveProperty('problem'))

  test('only loopback addresses count as this machine', () => {
    const loopback = (text: string) =>
      isLoopback(parsePublishedPort(text) as Exclude<ReturnType<typeof parsePublishedPort>, { problem: string }>)
    expect(['80', '127.0.0.2:1:1', '[::1]:1:1'].map(loopback)).toEqual([true, true, true])
    expect(['0.0.0.0:1:1', '192.0.2.1:1:1', '[::]:1:1', '[::ffff:127.0.0.1]:1:1'].map(loopback)).toEqual([false, false, false, false])
  })

  test('any text is a port or a reason, and a port is read back from its text', () => {
    const piece = fc.constantFrom('127.0.0.1', '[::1]', ':', '80', '8080', '/udp', '0', 'localhost', 'x')
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string(),
          fc.array(piece, { maxLength: 6 }).map((parts) => parts.join('')),
        ),
        (text) => {
          const port = parsePublishedPort(text)
          if (!('problem' in port)) expect(parsePublishedPort(formatPublishedPort(port))).toEqual(port)
        },
      ),
      { numRuns: 3000 },
    )
  })
})
