import { closeSync, openSync } from 'node:fs'
import { afterAll, expect, test } from 'bun:test'
import type { RunIo } from '../contract/run.ts'
import { createFakeDriver } from '../drivers/fake/index.ts'
import { Recovery } from './recovery.ts'

const nothing = openSync('/dev/null', 'r+')
afterAll(() => closeSync(nothing))

const signal = new AbortController().signal
const IO: RunIo = { stdin: nothing, stdout: nothing, stderr: nothing, onNotice: () => undefined }

/** A fake driver that counts its recoveries; `recover` says what comes of each. */
function counting(recover: () => Promise<number> = async () => 0) {
  const seen = { recoveries: 0 }
  const driver = {
    ...createFakeDriver(),
    recover: () => {
      seen.recoveries++
      return recover()
    },
  }
  return { driver, seen }
}

test('recovery begins when the command is on its way, after the door has heard of it', () => {
  const { driver, seen } = counting()
  const order: string[] = []
  const io = new Recovery(driver, signal).during({ ...IO, onStarted: () => void order.push(`started, ${seen.recoveries} recoveries`) })
  expect(seen.recoveries).toBe(0)
  io.onStarted?.()
  expect(order).toEqual(['started, 0 recoveries'])
  expect(seen.recoveries).toBe(1)
})

test('other work is done at the same moment, before the recovery', () => {
  const { driver, seen } = counting()
  const recovery = new Recovery(driver, signal)
  const io = recovery.during(IO)
  const order: string[] = []
  recovery.alongside(() => void order.push(`work, ${seen.recoveries} recoveries`))
  expect(order).toEqual([])
  io.onStarted?.()
  expect(order).toEqual(['work, 0 recoveries'])
})

test('the other streams and callbacks stay what they were', () => {
  const io = { ...IO, onStopped: () => undefined, onSignalable: () => undefined }
  const { onStarted, ...rest } = new Recovery(createFakeDriver(), signal).during(io)
  expect(rest).toEqual(io)
  expect(onStarted).toBeFunction()
})

test('a run that never started recovers nothing', async () => {
  const { driver, seen } = counting()
  const recovery = new Recovery(driver, signal)
  recovery.during(IO)
  await recovery.done()
  expect(seen.recoveries).toBe(0)
})

test('the end of a run waits for the recovery', async () => {
  const gate = Promise.withResolvers<number>()
  const { driver } = counting(() => gate.promise)
  const recovery = new Recovery(driver, signal)
  recovery.during(IO).onStarted?.()
  const order: string[] = []
  const done = recovery.done().then(() => order.push('done'))
  // Every callback that is ready runs before this one.
  await new Promise((resolve) => setImmediate(resolve))
  order.push('still waiting')
  gate.resolve(1)
  await done
  expect(order).toEqual(['still waiting', 'done'])
})

test('a recovery that fails disturbs nobody', async () => {
  const { driver } = counting(() => Promise.reject(new Error('no such folder')))
  const recovery = new Recovery(driver, signal)
  recovery.during(IO).onStarted?.()
  expect(await recovery.done()).toBeUndefined()
})

test('what a crashed run left is gone after the next one', async () => {
  const driver = createFakeDriver({ leaveTrace: true })
  const spec = {
    id: 'abcdefgh01234567',
    command: ['true'],
    env: {},
    callerPath: '',
    cwd: undefined,
    image: 'host',
    workspace: undefined,
    timeoutMs: undefined,
    permissions: {} as never,
  }
  await driver.runOnce(spec, IO, signal)
  expect(driver.traces()).toHaveLength(1)
  const recovery = new Recovery(driver, signal)
  recovery.during(IO).onStarted?.()
  await recovery.done()
  expect(driver.traces()).toEqual([])
})
