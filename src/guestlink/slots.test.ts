import { expect, test } from 'bun:test'
import { AppError } from '../contract/errors.ts'
import { Slots } from './slots.ts'

/** Asks for a place and notes what comes of it. */
function ask(slots: Slots, name: string, seen: string[]): () => void {
  return slots.take(
    () => seen.push(name),
    (error) => seen.push(`${name} ${error.code}`),
  )
}

test('places are given in the order of asking', () => {
  const slots = new Slots(1)
  const seen: string[] = []
  for (const name of ['a', 'b', 'c']) ask(slots, name, seen)
  expect(seen).toEqual(['a'])
  slots.give()
  slots.give()
  expect(seen).toEqual(['a', 'b', 'c'])
  slots.give()
  ask(slots, 'd', seen)
  expect(seen).toEqual(['a', 'b', 'c', 'd'])
})

test('whoever leaves the line is passed over, and leaving again changes nothing', () => {
  const slots = new Slots(1)
  const seen: string[] = []
  const [leaveA, leaveB] = ['a', 'b', 'c'].map((name) => ask(slots, name, seen))
  leaveB!()
  leaveB!()
  leaveA!()
  slots.give()
  expect(seen).toEqual(['a', 'c'])
})

test('the line is only so long', () => {
  const slots = new Slots(1, { mostWaiting: 2 })
  const seen: string[] = []
  for (const name of ['a', 'b', 'c', 'd']) ask(slots, name, seen)
  expect(seen).toEqual(['a', 'd too_many_requests'])
  slots.close(new AppError('sandbox_lost', 'gone'))
})

test('waiting takes only so long', async () => {
  const slots = new Slots(0, { limitMs: 5 })
  const error = await new Promise<AppError>((resolve) => void slots.take(() => undefined, resolve))
  expect([error.code, error.message]).toEqual(['too_many_requests', expect.stringContaining('within 5 ms')])
  slots.give()
  const seen: string[] = []
  ask(slots, 'next', seen)
  expect(seen).toEqual(['next'])
})

test('when there are no places any more, everybody hears why', () => {
  const slots = new Slots(1)
  const seen: string[] = []
  for (const name of ['a', 'b']) ask(slots, name, seen)
  slots.close(new AppError('sandbox_lost', 'gone'))
  ask(slots, 'c', seen)
  expect(seen).toEqual(['a', 'b sandbox_lost', 'c sandbox_lost'])
})
