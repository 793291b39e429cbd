import { expect, test } from 'bun:test'
import fc from 'fast-check'
import { SANDBOX_STATES } from '../../src/contract/sandboxes.ts'
import type { SandboxRecord, SandboxStore } from '../../src/store/sandboxes/store.ts'
import { failureOf, FULL, recordOf } from './store-kit.ts'

interface Place {
  readonly store: SandboxStore
}

/** What every store does with the records of sandboxes: keeping, finding, deleting. */
export function sandboxCases(place: () => Place): void {
  test('a sandbox comes back by name and by id as it went in', () => {
    const { store } = place()
    for (const record of [recordOf('plain'), recordOf('full', FULL)]) {
      store.insert(record)
      expect(store.byName(record.name)).toEqual(record)
      expect(store.byId(record.id)).toEqual(record)
    }
  })

  test('what nobody made is not there', () => {
    const { store } = place()
    expect(store.byName('web')).toBeUndefined()
    expect(store.byId('0198c0de-1234-7abc-8def-0123456789ab')).toBeUndefined()
    expect(store.list()).toEqual([])
    expect(store.delete('0198c0de-1234-7abc-8def-0123456789ab')).toBe(false)
    expect(store.update('0198c0de-1234-7abc-8def-0123456789ab', { state: 'stopped' })).toBeUndefined()
  })

  test('a name is given once, and the second one to ask is told which', () => {
    const { store } = place()
    const first = recordOf('web')
    store.insert(first)
    const failure = failureOf(() => store.insert(recordOf('web', { description: 'second' })))
    expect(failure.code).toBe('already_exists')
    expect(failure.message).toContain('"web"')
    expect(store.list()).toEqual([first])
  })

  test('an id is given once', () => {
    const { store } = place()
    const first = recordOf('web')
    store.insert(first)
    expect(failureOf(() => store.insert({ ...first, name: 'other' })).code).toBe('already_exists')
    expect(store.list()).toEqual([first])
  })

  test('names are told apart by case, and a name is free again when its sandbox is deleted', () => {
    const { store } = place()
    const first = recordOf('web')
    store.insert(first)
    store.insert(recordOf('Web'))
    expect(store.delete(first.id)).toBe(true)
    expect(store.delete(first.id)).toBe(false)
    expect(store.byName('web')).toBeUndefined()
    store.insert(recordOf('web'))
    expect(store.list()).toHaveLength(2)
  })

  test('the list is ordered by name, whatever the order of making', () => {
    const { store } = place()
    for (const name of ['b', 'a-2', 'C', 'a', 'a_1', 'a10', 'Z9', 'a-10']) store.insert(recordOf(name))
    expect(store.list().map((record) => record.name)).toEqual(['C', 'Z9', 'a', 'a-10', 'a-2', 'a10', 'a_1', 'b'])
  })

  test('a filter of labels keeps those that have all of them', () => {
    const { store } = place()
    store.insert(recordOf('a', { labels: { env: 'prod', team: 'core' } }))
    store.insert(recordOf('b', { labels: { env: 'prod' } }))
    store.insert(recordOf('c', { labels: { env: 'dev', team: 'core' } }))
    store.insert(recordOf('d'))
    const names = (labels: Record<string, string>): string[] => store.list({ labels }).map((record) => record.name)
    expect(names({})).toEqual(['a', 'b', 'c', 'd'])
    expect(names({ env: 'prod' })).toEqual(['a', 'b'])
    expect(names({ env: 'prod', team: 'core' })).toEqual(['a'])
    expect(names({ env: 'prod', team: 'other' })).toEqual([])
    expect(names({ ENV: 'prod' })).toEqual([])
    expect(names({ env: 'prod%' })).toEqual([])
    expect(names({ toString: 'x' })).toEqual([])
  })

  test('keys of labels that mean something elsewhere are only keys', () => {
    const { store } = place()
    const labels = Object.fromEntries(['__proto__', 'constructor', '$.a', 'a"b', '1', '/'].map((key) => [key, `v${key}`]))
    const record = recordOf('odd', { labels })
    store.insert(record)
    expect(store.byName('odd')?.labels).toEqual(labels)
    for (const [key, value] of Object.entries(labels)) {
      expect(store.list({ labels: Object.fromEntries([[key, value]]) })).toEqual([record])
      expect(store.list({ labels: Object.fromEntries([[key, 'other']]) })).toEqual([])
    }
  })

  test('a filter of the project keeps those that were made from it', () => {
    const { store } = place()
    store.insert(recordOf('a', { project: '/home/me/app', labels: { env: 'dev' } }))
    store.insert(recordOf('b', { project: '/home/me/app-2' }))
    store.insert(recordOf('c'))
    expect(store.list({ project: '/home/me/app' }).map((record) => record.name)).toEqual(['a'])
    expect(store.list({ project: '/home/me/app', labels: { env: 'prod' } })).toEqual([])
    expect(store.list({ project: '' })).toEqual([])
  })

  test('texts that look like commands to a database are texts', () => {
    const { store } = place()
    const name = `x'); DROP TABLE sandboxes; --`
    store.insert(recordOf(name, { description: name, labels: { key: name } }))
    expect(store.byName(name)?.description).toBe(name)
    expect(store.byName(`' OR 1=1 --`)).toBeUndefined()
    expect(store.list({ labels: { key: name } })).toHaveLength(1)
  })

  test('any text comes back, well-formed', () => {
    const { store } = place()
    const text = fc.oneof(
      fc.string({ unit: 'binary' }),
      fc.string({ unit: 'grapheme' }),
      fc.constantFrom('', '\0', 'a\0b', '\ud800', '\udfffx', '\ufeff'),
    )
    fc.assert(
      fc.property(text, fc.dictionary(text, text), fc.array(text), (description, pairs, ports) => {
        const record = recordOf('any', { description, failure: description, environment: pairs, labels: pairs, ports })
        store.insert(record)
        const wellFormed = description.toWellFormed()
        expect(store.byId(record.id)).toEqual({ ...record, description: wellFormed, failure: wellFormed })
        store.delete(record.id)
      }),
    )
  })

  test('what was handed in or out can be changed without changing what is kept', () => {
    const { store } = place()
    const labels: Record<string, string> = { env: 'prod' }
    const record = recordOf('web', { labels })
    store.insert(record)
    labels['env'] = 'changed'
    Object.assign(store.byName('web')!.labels, { env: 'changed' })
    expect(store.byName('web')?.labels).toEqual({ env: 'prod' })
  })
}

/** What every store does when a record changes. */
export function changeCases(place: () => Place): void {
  test('each field can be changed by itself, to a value and back', () => {
    const { store } = place()
    const before = recordOf('web')
    const after = {
      ...before,
      ...recordOf('renamed', FULL),
      id: before.id,
      spec: '{"changed":true}',
      backend: 'other',
      createdAt: 'x',
      lastActivityAt: 'y',
    }
    store.insert(before)
    store.insert(recordOf('bystander'))
    const bystander = store.byName('bystander')!
    for (const field of Object.keys(before).filter((key) => key !== 'id') as (keyof SandboxRecord)[]) {
      expect(after[field]).not.toEqual(before[field])
      expect(store.update(before.id, { [field]: after[field] })).toEqual({ ...before, [field]: after[field] })
      expect(store.byId(before.id)).toEqual({ ...before, [field]: after[field] })
      expect(store.update(before.id, { [field]: before[field] })).toEqual(before)
    }
    expect(store.update(before.id, after)).toEqual(after)
    expect(store.byName('bystander')).toEqual(bystander)
  })

  test('a change bound to states is made in these states and in no other', () => {
    const { store } = place()
    for (const state of SANDBOX_STATES) {
      const record = recordOf(`in-${state}`, { state })
      store.insert(record)
      const others = SANDBOX_STATES.filter((other) => other !== state)
      expect(store.update(record.id, { description: 'no' }, others)).toBeUndefined()
      expect(store.update(record.id, { description: 'no' }, [])).toBeUndefined()
      expect(store.byId(record.id)).toEqual(record)
      expect(store.update(record.id, { description: 'yes' }, ['failed', state])?.description).toBe('yes')
    }
  })

  test('of two that want to take a sandbox out of one state, one gets it', () => {
    const { store } = place()
    const record = recordOf('web', { state: 'stopped' })
    store.insert(record)
    expect(store.update(record.id, { state: 'running', step: 'first' }, ['stopped'])?.step).toBe('first')
    expect(store.update(record.id, { state: 'running', step: 'second' }, ['stopped'])).toBeUndefined()
    expect(store.byId(record.id)?.step).toBe('first')
  })

  test('a change of nothing answers the record, if it is in one of the states', () => {
    const { store } = place()
    const record = recordOf('web', { state: 'stopped' })
    store.insert(record)
    expect(store.update(record.id, {})).toEqual(record)
    expect(store.update(record.id, {}, ['stopped'])).toEqual(record)
    expect(store.update(record.id, {}, ['running'])).toBeUndefined()
  })

  test('a sandbox cannot take the name of another, and keeps all it had', () => {
    const { store } = place()
    const [one, two] = [recordOf('one'), recordOf('two')]
    store.insert(one)
    store.insert(two)
    const failure = failureOf(() => store.update(two.id, { name: 'one', description: 'changed' }))
    expect(failure.code).toBe('already_exists')
    expect(failure.message).toContain('"one"')
    expect(store.list()).toEqual([one, two])
    expect(store.update(one.id, { name: 'one' })).toEqual(one)
  })
}
