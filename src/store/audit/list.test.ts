import { afterEach, beforeEach, describe, expect, test } from 'bun:test'
import { appendFileSync, mkdtempSync, openSync, closeSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { createAuditLog } from './audit-log.ts'
import { listAudit, parseRecord } from './list.ts'
import { readLines, readLinesBackwards } from './read-lines.ts'

let folder: string
let path: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'audit-list-'))
  path = join(folder, 'audit.jsonl')
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

const append = async (name: string, ...texts: readonly string[]) => {
  const log = createAuditLog({ path, user: 'me', pid: 7, now: () => new Date(0), secrets: () => [] })
  for (const text of texts) await log.append({ type: 'sandbox_error', name, error: text })
}
const texts = (listing: Awaited<ReturnType<typeof listAudit>>) => listing.records.map((record) => record['error'])

describe('list', () => {
  test('of a log that does not exist is empty', async () => {
    expect(await listAudit(path)).toEqual({ records: [], warnings: [] })
  })

  test('gives the newest, oldest of them first', async () => {
    await append('a', '1', '2', '3', '4')
    expect(texts(await listAudit(path))).toEqual(['1', '2', '3', '4'])
    expect(texts(await listAudit(path, { last: 2 }))).toEqual(['3', '4'])
    expect(texts(await listAudit(path, { last: 9 }))).toEqual(['1', '2', '3', '4'])
    expect(texts(await listAudit(path, { last: 0 }))).toEqual([])
  })

  test('counts only those of the sandbox, under either of its two field names', async () => {
    await append('a', '1')
    await append('b', '2')
    const log = createAuditLog({ path, user: 'me', pid: 7, now: () => new Date(0), secrets: () => [] })
    await log.append({ type: 'policy_violation', sandbox: 'a', policy: 'commands', details: 'x' })
    await append('b', '3')
    expect((await listAudit(path, { sandbox: 'a', last: 2 })).records.map((record) => record.type)).toEqual([
      'sandbox_error',
      'policy_violation',
    ])
    expect(texts(await listAudit(path, { sandbox: 'b', last: 1 }))).toEqual(['3'])
    expect(texts(await listAudit(path, { sandbox: 'c' }))).toEqual([])
  })

  test('skips what is no record, with a warning that says where', async () => {
    await append('a', '1')
    appendFileSync(path, 'rubbish\n\n[1]\n{"type":"x"}\n')
    await append('a', '2')
    const listing = await listAudit(path)
    expect(listing.records.map((record) => record.type)).toEqual(['sandbox_error', 'log_sealed', 'sandbox_error'])
    expect(listing.warnings).toHaveLength(3)
    expect(listing.warnings[0]).toMatch(/line at byte \d+ is not an audit record/)
  })

  test('stops reading when it has enough, so older rubbish gives no warning', async () => {
    writeFileSync(path, 'rubbish\n')
    await append('a', '1', '2')
    expect((await listAudit(path, { last: 2 })).warnings).toEqual([])
  })

  test('reads lines of the earlier product, and tells apart the two users of its early ssh_connected', () => {
    const line = '{"timestamp":"t","pid":1,"user":"ann","type":"ssh_connected","sandbox":"s","host_port":22,"user":"root"}'
    expect(parseRecord(line)).toEqual({
      timestamp: 't',
      pid: 1,
      user: 'ann',
      type: 'ssh_connected',
      sandbox: 's',
      host_port: 22,
      ssh_user: 'root',
      prev: '',
      hash: '',
    })
    expect(parseRecord(line.replace(',"user":"root"', ',"ssh_user":"root"'))).toMatchObject({ user: 'ann', ssh_user: 'root' })
    expect(parseRecord('{"timestamp":"t","pid":1,"user":"ann","type":"x","note":"ssh_connected ,\\"user\\":"}')).toMatchObject({
      user: 'ann',
      note: 'ssh_connected ,"user":',
    })
  })
})

test('parsing a line never throws', () => {
  fc.assert(fc.property(fc.string(), (line) => void parseRecord(line)))
  fc.assert(fc.property(fc.json(), (line) => void parseRecord(line)))
})

test('a file read forwards and backwards gives the same lines at the same places', async () => {
  const piece = fc.oneof(
    fc.string({ maxLength: 20 }),
    fc.constantFrom('\n', '\n\n', 'x'.repeat(65_535), 'y'.repeat(65_536), 'z'.repeat(300_000)),
  )
  await fc.assert(
    fc.asyncProperty(fc.array(piece, { maxLength: 12 }), async (pieces) => {
      const text = Buffer.from(pieces.join(''))
      writeFileSync(path, text)
      const fd = openSync(path, 'r')
      const forwards: string[] = []
      for await (const batch of readLines(fd, 0, text.length)) {
        for (const line of batch) if (line.bytes.length > 0) forwards.push(`${line.offset}:${line.bytes.toString('latin1')}`)
      }
      const backwards = [...readLinesBackwards(fd, text.length)].map((line) => `${line.offset}:${line.bytes.toString('latin1')}`)
      closeSync(fd)
      expect(backwards.reverse()).toEqual(forwards)
      expect(forwards.map((line) => line.slice(line.indexOf(':') + 1))).toEqual(text.toString('latin1').split('\n').filter(Boolean))
    }),
    { numRuns: 60 },
  )
})
