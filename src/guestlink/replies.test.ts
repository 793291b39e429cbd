import { describe, expect, test } from 'bun:test'
import fc from 'fast-check'
import { isAppError } from '../contract/errors.ts'
import type { Json } from './json.ts'
import { readChange, readCount, readEnded, readEntries, readEntry, readExecs, readOffset, readPid, readStats } from './replies.ts'

const entry = { name: 'a', path: '/a', type: 'file', size: 3, mode: 0o644, uid: 0, gid: 0, mtime_ms: -1.5 }
const exec = {
  id: 'e',
  argv: ['sh'],
  pid: 7,
  tty: false,
  detach: true,
  started_at_ms: 1_700_000_000_000,
  running: false,
  result: { ended: 'signaled', signal: 9, duration_ms: 2 },
  stdout: { start: 1, end: 4 },
  stderr: { start: 0, end: 0 },
}
const process = { pid: 1, ppid: 0, argv: ['init', '-x'], state: 'S', rss: 4096, cpu_ms: 0.5 }

describe('replies', () => {
  test('keep what is known and nothing else', () => {
    expect(readEntry({ ...entry, later: 1 })).toEqual(entry as never)
    expect(readEntry({ ...entry, type: 'symlink', target: '/b' })).toMatchObject({ type: 'symlink', target: '/b' })
    expect(readEntries({ entries: [entry, entry] })).toHaveLength(2)
    expect(readExecs({ execs: [{ ...exec, later: 1 }] })).toEqual([exec as never])
    expect(readStats({ processes: [{ ...process, later: 1 }], truncated: true })).toEqual({ processes: [process], truncated: true })
    expect(readStats({ processes: [] })).toEqual({ processes: [], truncated: false })
    expect(readEnded({ ended: 'exited', status: 3, signal: 9, duration_ms: 1, max_rss: 5 })).toEqual({
      ended: 'exited',
      status: 3,
      duration_ms: 1,
      max_rss: 5,
    })
    expect(readEnded({ ended: 'lost', duration_ms: 0 })).toEqual({ ended: 'lost', duration_ms: 0 })
    expect(readPid({ pid: 3 })).toBe(3)
    expect(readOffset({ channel: 2, offset: 5 })).toEqual({ channel: 2, offset: 5 })
    expect(readChange({ event: 'change', kind: 'moved', path: '/a/b' }, '/a')).toEqual({ kind: 'moved', path: '/a/b' })
    expect(readChange({ event: 'overflow' }, '/a')).toEqual({ kind: 'overflow', path: '/a' })
    expect(readCount({ size: 9 }, 'size')).toBe(9)
  })

  const wrong: [string, () => unknown][] = [
    ['an entry that is a list', () => readEntry([])],
    ['an entry that is null', () => readEntry(null)],
    ['an entry of no known type', () => readEntry({ ...entry, type: 'door' })],
    ['an entry whose name is a number', () => readEntry({ ...entry, name: 1 })],
    ['an entry with an endless path', () => readEntry({ ...entry, path: 'x'.repeat(4_097) })],
    ['an entry with an endless target', () => readEntry({ ...entry, target: 'x'.repeat(4_097) })],
    ['an entry of a negative size', () => readEntry({ ...entry, size: -1 })],
    ['an entry of half a byte', () => readEntry({ ...entry, size: 0.5 })],
    ['an entry with a mode of more than twelve bits', () => readEntry({ ...entry, mode: 0o10000 })],
    ['an entry of no time', () => readEntry({ ...entry, mtime_ms: Number.POSITIVE_INFINITY })],
    ['entries that are no list', () => readEntries({ entries: { length: 1 } })],
    ['an end of no kind', () => readEnded({ ended: 'vanished', duration_ms: 1 })],
    ['an exit without a status', () => readEnded({ ended: 'exited', duration_ms: 1 })],
    ['an exit with a status of more than a byte', () => readEnded({ ended: 'exited', status: 256, duration_ms: 1 })],
    ['a death by no signal', () => readEnded({ ended: 'signaled', signal: 0, duration_ms: 1 })],
    ['a negative duration', () => readEnded({ ended: 'lost', duration_ms: -1 })],
    ['a command with an endless id', () => readExecs({ execs: [{ ...exec, id: 'x'.repeat(65) }] })],
    ['a command whose arguments are no words', () => readExecs({ execs: [{ ...exec, argv: [1] }] })],
    ['a log that ends before it starts', () => readExecs({ execs: [{ ...exec, stdout: { start: 2, end: 1 } }] })],
    ['a command that perhaps runs', () => readExecs({ execs: [{ ...exec, running: 'yes' }] })],
    ['a process without arguments', () => readStats({ processes: [{ ...process, argv: undefined }] })],
    ['a pid that nobody has', () => readPid({ pid: 0 })],
    ['an offset of stdin', () => readOffset({ channel: 0, offset: 1 })],
    ['an offset beyond all numbers', () => readOffset({ channel: 1, offset: 2 ** 60 })],
    ['a change of no kind', () => readChange({ event: 'change', kind: 'painted', path: '/a' }, '/')],
    ['an unknown event', () => readChange({ event: 'other' }, '/')],
    ['a size that is missing', () => readCount({}, 'size')],
  ]
  test.each(wrong)('refuse %s', (_what, read) => {
    expect(read).toThrow(/broke the guest protocol/)
  })

  test('are read or refused, whatever they are', () => {
    const readers: ((body: Json) => unknown)[] = [
      readEntry,
      readEntries,
      readExecs,
      readEnded,
      readPid,
      readOffset,
      readStats,
      (body) => readChange(body, '/'),
      (body) => readCount(body, 'files'),
    ]
    const members = [
      ...Object.keys({ ...entry, ...exec, ...process }),
      'entries',
      'execs',
      'processes',
      'ended',
      'channel',
      'offset',
      'event',
    ]
    const value = fc.oneof(fc.jsonValue(), fc.constantFrom(entry, exec, process, [entry], [exec], [process]))
    const body = fc.dictionary(fc.constantFrom(...members), value)
    const mixed = fc.tuple(fc.constantFrom({}, entry, exec, process), body).map(([base, other]) => ({ ...base, ...other }))
    fc.assert(
      fc.property(mixed, (hostile) => {
        for (const read of readers) {
          try {
            read(hostile)
          } catch (error) {
            expect(isAppError(error, 'sandbox_lost')).toBe(true)
          }
        }
      }),
      { numRuns: 1_000 },
    )
  })
})
