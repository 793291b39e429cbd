import { expect, test } from 'bun:test'
import { Background, pause } from './background.ts'

test('what fails is logged with its name, and what is kept begins again', async () => {
  const log: string[] = []
  const background = new Background((text) => void log.push(text))
  let tries = 0
  const done = Promise.withResolvers<void>()
  background.keep('follower', async () => {
    if (++tries === 1) throw new RangeError('broken')
    done.resolve()
    await new Promise<void>((resolve) => background.signal.addEventListener('abort', () => resolve(), { once: true }))
  })
  await done.promise
  expect(log).toEqual(['follower: broken'])
  await background.end(1_000)
})

test('the end waits for what ends, and not for what does not', async () => {
  const background = new Background(() => undefined)
  let ended = false
  background.run('polite', async (signal) => {
    await pause(60_000, signal)
    ended = true
  })
  background.run('stubborn', () => new Promise(() => undefined))
  await background.end(20)
  expect(ended).toBe(true)
})

test('a failure after the end is nobody’s business', async () => {
  const log: string[] = []
  const background = new Background((text) => void log.push(text))
  background.run('late', async (signal) => {
    await pause(60_000, signal)
    throw new RangeError('late')
  })
  await background.end(1_000)
  expect(log).toEqual([])
})
