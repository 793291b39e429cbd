import { expect, test } from 'bun:test'
import { signalName, signalNumber } from './signals.ts'

// The same on every architecture the product supports.
test.each([
  ['SIGHUP', 1],
  ['SIGINT', 2],
  ['SIGQUIT', 3],
  ['SIGABRT', 6],
  ['SIGKILL', 9],
  ['SIGSEGV', 11],
  ['SIGPIPE', 13],
  ['SIGTERM', 15],
] as const)('%s is signal %d', (name, number) => {
  expect(signalNumber(name)).toBe(number)
  expect(signalName(number)).toBe(name)
})

test('a signal without a name is called by its number', () => {
  expect(signalName(0)).toBe('signal 0')
  expect(signalName(34)).toBe('signal 34')
})

test('a child that a signal ends has the number of its name', async () => {
  const child = Bun.spawn(['sleep', '60'])
  child.kill(signalNumber('SIGTERM'))
  await child.exited
  expect(child.signalCode).toBe('SIGTERM')
})
