import { afterEach, beforeEach, describe, expect, test } from 'bun:test'
import type { SandboxStore } from '../../src/store/sandboxes/store.ts'
import { EVERY_METHOD, eventOf, failureOf, FULL, letterOf, recordOf, replyOf, TestClock } from './store-kit.ts'
import { changeCases, sandboxCases } from './store-sandbox-cases.ts'

export interface StoreUnderTest {
  readonly open: (clock: TestClock) => SandboxStore
  /** A second visit to what the last `open` was given, while or after it is open; absent when nothing outlives the object. */
  readonly reopen?: (clock: TestClock) => SandboxStore
  readonly remove: () => void
}

/** What every store of sandboxes does, whatever it keeps them in. `make` gives a fresh one for each case. */
export function runStoreSuite(name: string, make: () => StoreUnderTest): void {
  describe(`store ${name}`, () => {
    let clock: TestClock
    let under: StoreUnderTest
    let store: SandboxStore
    beforeEach(() => {
      clock = new TestClock()
      under = make()
      store = under.open(clock)
    })
    afterEach(() => {
      store.close()
      under.remove()
    })
    const place = (): Place => ({ store, clock, under })
    sandboxCases(place)
    changeCases(place)
    replyCases(place)
    eventCases(place)
    letterCases(place)
    closingCases(place)
    if (make().reopen !== undefined) reopeningCases(place)
  })
}

interface Place {
  readonly store: SandboxStore
  readonly clock: TestClock
  readonly under: StoreUnderTest
}

function replyCases(place: () => Place): void {
  test('a reply is kept under its key, and another key has none', () => {
    const { store } = place()
    store.keepReply('key', replyOf())
    expect(store.reply('key')).toEqual(replyOf())
    expect(store.reply('KEY')).toBeUndefined()
    expect(store.reply('')).toBeUndefined()
  })

  test('a key is in use from the moment a request begins', () => {
    const { store } = place()
    const atWork = replyOf({ body: null, status: 0 })
    store.keepReply('key', atWork)
    expect(store.reply('key')).toEqual(atWork)
    expect(failureOf(() => store.keepReply('key', atWork)).code).toBe('already_exists')
    expect(store.reply('key')).toEqual(atWork)
  })

  test('the reply takes the place of the request at work, once, and only of the same request', () => {
    const { store } = place()
    store.keepReply('key', replyOf({ body: null, status: 0 }))
    expect(failureOf(() => store.keepReply('key', replyOf({ requestHash: 'b'.repeat(64) }))).code).toBe('already_exists')
    store.keepReply('key', replyOf({ status: 409, body: '{"error":1}' }))
    expect(store.reply('key')).toEqual(replyOf({ status: 409, body: '{"error":1}' }))
    expect(failureOf(() => store.keepReply('key', replyOf())).code).toBe('already_exists')
    expect(store.reply('key')?.status).toBe(409)
  })

  test('a dropped key is free, also twice', () => {
    const { store } = place()
    store.keepReply('key', replyOf())
    store.dropReply('key')
    store.dropReply('key')
    expect(store.reply('key')).toBeUndefined()
    store.keepReply('key', replyOf({ status: 200 }))
    expect(store.reply('key')?.status).toBe(200)
  })

  test('the keys of requests that were at work can be freed together', () => {
    const { store } = place()
    store.keepReply('done', replyOf())
    store.keepReply('one', replyOf({ body: null }))
    store.keepReply('two', replyOf({ body: null }))
    expect(store.dropUnfinishedReplies()).toBe(2)
    expect(store.dropUnfinishedReplies()).toBe(0)
    expect([store.reply('done')?.body, store.reply('one'), store.reply('two')]).toEqual([replyOf().body!, undefined, undefined])
  })

  test('a reply is forgotten after a day and not before', () => {
    const { store, clock } = place()
    store.keepReply('key', replyOf())
    clock.passDays(1)
    expect(store.reply('key')).toEqual(replyOf())
    expect(failureOf(() => store.keepReply('key', replyOf())).code).toBe('already_exists')
    clock.passMs(1)
    expect(store.reply('key')).toBeUndefined()
    store.keepReply('key', replyOf({ status: 202 }))
    expect(store.reply('key')?.status).toBe(202)
  })

  test('a clock that goes back forgets no reply of that day, and keeps none for longer than a day', () => {
    const { store, clock } = place()
    store.keepReply('key', replyOf())
    clock.passDays(-0.5)
    expect(store.reply('key')).toEqual(replyOf())
    clock.passDays(-1000)
    expect(store.reply('key')).toBeUndefined()
    store.keepReply('key', replyOf({ status: 202 }))
    clock.passDays(1.5)
    expect(store.reply('key')).toBeUndefined()
  })
}

function eventCases(place: () => Place): void {
  test('events are numbered from 1 and come back as they went in', () => {
    const { store } = place()
    expect(store.lastEventSeq()).toBe(0)
    expect(store.eventsAfter(0, 10)).toEqual([])
    const first = eventOf('sandbox.created', { labels: { env: 'prod' }, metadata: { image: 'host', nested: [1, null, { deep: true }] } })
    expect(store.appendEvent(first)).toEqual({ ...first, seq: 1 })
    expect(store.appendEvent(eventOf('sandbox.started'))).toMatchObject({ seq: 2 })
    expect(store.lastEventSeq()).toBe(2)
    expect(store.eventsAfter(0, 10)).toEqual([
      { ...first, seq: 1 },
      { ...eventOf('sandbox.started'), seq: 2 },
    ])
  })

  test('events are read from any number on, oldest first, as many as asked for', () => {
    const { store } = place()
    for (let count = 1; count <= 9; count++) store.appendEvent(eventOf(`e${count}`))
    const read = (seq: number, limit: number): number[] => store.eventsAfter(seq, limit).map((event) => event.seq)
    expect(read(0, 3)).toEqual([1, 2, 3])
    expect(read(3, 3)).toEqual([4, 5, 6])
    expect(read(7, 100)).toEqual([8, 9])
    expect(read(9, 100)).toEqual([])
    expect(read(1e15, 100)).toEqual([])
    expect(read(-5, 2)).toEqual([1, 2])
    expect(read(7.5, 100)).toEqual([8, 9])
    expect(read(0, 2.9)).toEqual([1, 2])
    for (const limit of [0, -1, Number.NaN]) expect(read(0, limit)).toEqual([])
    expect(read(0, Number.POSITIVE_INFINITY)).toHaveLength(9)
    expect(read(Number.NaN, 9)).toEqual([])
  })

  test('the newest ten thousand events are kept, and numbers go on', () => {
    const { store } = place()
    for (let count = 1; count <= 10_050; count++) store.appendEvent(eventOf('e'))
    expect(store.lastEventSeq()).toBe(10_050)
    const kept = store.eventsAfter(0, 1_000_000)
    expect(kept).toHaveLength(10_000)
    expect([kept[0]?.seq, kept.at(-1)?.seq]).toEqual([51, 10_050])
    expect(store.eventsAfter(10, 2).map((event) => event.seq)).toEqual([51, 52])
  })

  test('a clock that goes back changes nothing about the order of events', () => {
    const { store } = place()
    for (const year of [2030, 2020, 2025]) store.appendEvent(eventOf('e', { timestamp: `${year}-01-01T00:00:00.000Z` }))
    expect(store.eventsAfter(0, 9).map((event) => event.timestamp.slice(0, 4))).toEqual(['2030', '2020', '2025'])
  })
}

function letterCases(place: () => Place): void {
  test('dead letters come back newest first, each with a number of its own', () => {
    const { store } = place()
    expect(store.deadLetters(10)).toEqual([])
    expect(store.addDeadLetter(letterOf('a'))).toEqual({ ...letterOf('a'), id: 1 })
    store.addDeadLetter(letterOf('b'))
    store.addDeadLetter(letterOf('c'))
    expect(store.deadLetters(2)).toEqual([
      { ...letterOf('c'), id: 3 },
      { ...letterOf('b'), id: 2 },
    ])
    expect(store.deadLetters(-1)).toEqual([])
  })

  test('the newest thousand dead letters are kept', () => {
    const { store } = place()
    for (let count = 1; count <= 1_020; count++) store.addDeadLetter(letterOf(`e${count}`))
    const kept = store.deadLetters(1_000_000)
    expect(kept).toHaveLength(1_000)
    expect([kept[0]?.id, kept.at(-1)?.id]).toEqual([1_020, 21])
  })
}

function closingCases(place: () => Place): void {
  test('a closed store fails at whatever it is asked, and can be closed again', () => {
    const { store } = place()
    store.close()
    store.close()
    for (const work of Object.values(EVERY_METHOD)) expect(failureOf(() => work(store)).code).toBe('store_failed')
  })
}

/** Only for stores that outlive their object. */
function reopeningCases(place: () => Place): void {
  const reopened = <T>(work: (store: SandboxStore) => T): T => {
    const { under, clock } = place()
    const again = under.reopen!(clock)
    try {
      return work(again)
    } finally {
      again.close()
    }
  }

  test('everything is there after closing and opening', () => {
    const { store, clock } = place()
    const record = recordOf('full', FULL)
    store.insert(record)
    store.keepReply('key', replyOf())
    store.appendEvent(eventOf('sandbox.created'))
    store.addDeadLetter(letterOf('a'))
    store.close()
    clock.passDays(0.5)
    reopened((again) => {
      expect(again.list()).toEqual([record])
      expect(again.reply('key')).toEqual(replyOf())
      expect(again.eventsAfter(0, 9)).toEqual([{ ...eventOf('sandbox.created'), seq: 1 }])
      expect(again.deadLetters(9)).toEqual([{ ...letterOf('a'), id: 1 }])
    })
    clock.passDays(0.6)
    reopened((again) => expect(again.reply('key')).toBeUndefined())
  })

  test('numbers of events go on after closing and opening', () => {
    const { store } = place()
    store.appendEvent(eventOf('a'))
    store.appendEvent(eventOf('b'))
    store.close()
    reopened((again) => {
      expect(again.lastEventSeq()).toBe(2)
      expect(again.appendEvent(eventOf('c')).seq).toBe(3)
    })
    reopened((again) => expect(again.appendEvent(eventOf('d')).seq).toBe(4))
  })

  test('two that are open at once see each other’s changes at once', () => {
    const { store } = place()
    reopened((second) => {
      const record = recordOf('web')
      store.insert(record)
      expect(second.byName('web')).toEqual(record)
      expect(failureOf(() => second.insert(recordOf('web'))).code).toBe('already_exists')
      expect(second.update(record.id, { state: 'running' }, ['creating'])?.state).toBe('running')
      expect(store.update(record.id, { state: 'failed' }, ['creating'])).toBeUndefined()
      expect(store.byId(record.id)?.state).toBe('running')
      expect([store, second, store].map((each) => each.appendEvent(eventOf('e')).seq)).toEqual([1, 2, 3])
      second.keepReply('key', replyOf())
      expect(failureOf(() => store.keepReply('key', replyOf())).code).toBe('already_exists')
      expect(second.delete(record.id)).toBe(true)
      expect(store.list()).toEqual([])
    })
  })
}
