import { afterEach, beforeEach, describe, expect, test } from 'bun:test'
import { appendFileSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { isAppError } from '../../contract/errors.ts'
import { createAuditLog } from './audit-log.ts'
import { encodeRecord, GENESIS } from './record-chain.ts'
import { verifyAudit } from './verify.ts'

let folder: string
let path: string
let headPath: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'audit-verify-'))
  path = join(folder, 'audit.jsonl')
  headPath = join(folder, 'audit.head')
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

const append = async (...texts: readonly string[]) => {
  const log = createAuditLog({ path, user: 'me', pid: 7, now: () => new Date(0), secrets: () => [] })
  for (const text of texts) await log.append({ type: 'sandbox_error', name: 'box', error: text })
}
const read = () => readFileSync(path, 'utf8').trimEnd().split('\n')
const write = (lines: readonly string[]) => writeFileSync(path, lines.map((line) => `${line}\n`).join(''))
/** The first thing that is wrong, after `change` was done to a log of five records. */
const after = async (change: (lines: string[]) => void) => {
  await append('one', 'two', 'three', 'four', 'five')
  const lines = read()
  change(lines)
  write(lines)
  return (await verifyAudit(path)).broken
}

const CHANGED = /was changed/
const MOVED = /does not follow/

describe('verify names the first record that is wrong when somebody', () => {
  test.each([
    ['changes a field', 3, CHANGED, (lines: string[]) => (lines[2] = lines[2]!.replace('three', 'thr33'))],
    ['changes a field of the last record', 5, CHANGED, (lines: string[]) => (lines[4] = lines[4]!.replace('five', 'f1ve'))],
    ['adds a space', 2, CHANGED, (lines: string[]) => (lines[1] = lines[1]!.replace('{', '{ '))],
    ['adds a second key', 2, CHANGED, (lines: string[]) => (lines[1] = lines[1]!.replace('"pid":7', '"pid":7,"pid":8'))],
    [
      'changes a hash',
      2,
      CHANGED,
      (lines: string[]) =>
        (lines[1] = lines[1]!.replace(/"hash":"./, '"hash":"x'.replace('x', lines[1]!.includes('"hash":"0') ? '1' : '0'))),
    ],
    ['removes a record', 3, MOVED, (lines: string[]) => lines.splice(2, 1)],
    ['removes the first record', 1, MOVED, (lines: string[]) => lines.splice(0, 1)],
    ['swaps two records', 2, MOVED, (lines: string[]) => lines.splice(1, 2, lines[2]!, lines[1]!)],
    ['repeats a record', 4, MOVED, (lines: string[]) => lines.splice(3, 0, lines[2]!)],
    ['inserts a record with a good hash, which the next one betrays', 4, MOVED, (lines: string[]) => lines.splice(2, 0, forge(lines[1]!))],
    ['inserts a line without a hash', 3, /not a record/, (lines: string[]) => lines.splice(2, 0, '{"timestamp":"x","type":"y"}')],
    ['appends a line without a hash', 6, /not a record|not written/, (lines: string[]) => lines.push('{"timestamp":"x","type":"y"}')],
    ['replaces a line by rubbish', 3, /not a record/, (lines: string[]) => (lines[2] = 'rubbish')],
    ['replaces the last line by rubbish', 5, /not a record/, (lines: string[]) => (lines[4] = 'rubbish')],
    ['cuts off the last record', 0, /the head counts 5 records, the log has 4/, (lines: string[]) => lines.pop()],
    ['empties the log', 0, /the head counts 5 records, the log has 0/, (lines: string[]) => lines.splice(0)],
    [
      'replaces the last record by another with a good hash',
      5,
      /the head names another hash/,
      (lines: string[]) => (lines[4] = forge(lines[3]!)),
    ],
    ['rewrites a record and all hashes after it', 5, /the head names another hash/, (lines: string[]) => rechain(lines, 2)],
  ])('%s', async (_what, line, reason, change) => {
    expect(await after(change)).toEqual({ line, reason: expect.stringMatching(reason) })
    // Whatever is appended later does not heal it.
    await append('later', 'and later')
    expect((await verifyAudit(path)).ok).toBe(false)
  })

  test('cuts the last line in the middle', async () => {
    await append('one', 'two')
    truncateSync(path, readFileSync(path).length - 20)
    expect(await verifyAudit(path)).toMatchObject({ ok: false, records: 1, broken: { line: 0 } })
    await append('later')
    expect(await verifyAudit(path)).toMatchObject({ ok: false, broken: { line: 2 } })
  })

  test('removes the head', async () => {
    await append('one', 'two')
    rmSync(headPath)
    expect(await verifyAudit(path)).toMatchObject({
      ok: false,
      records: 2,
      broken: { line: 0, reason: expect.stringContaining('head file is missing') },
    })
    await append('later')
    expect(await verifyAudit(path)).toMatchObject({
      ok: false,
      records: 4,
      broken: { line: 3, reason: expect.stringContaining('head file was missing') },
    })
  })

  test('spoils the head', async () => {
    await append('one')
    writeFileSync(headPath, 'no head')
    expect(await verifyAudit(path)).toMatchObject({ ok: false, broken: { line: 0 } })
    await append('later')
    expect(await verifyAudit(path)).toMatchObject({ ok: false, broken: { line: 2 } })
  })

  test('removes the log', async () => {
    await append('one')
    rmSync(path)
    expect(await verifyAudit(path)).toMatchObject({ ok: false, records: 0, broken: { line: 0 } })
    await append('later')
    expect(await verifyAudit(path)).toMatchObject({ ok: false, broken: { line: 1 } })
  })

  test('puts an older head back and cuts the log shorter than now, but not shorter than then: this does not show', async () => {
    await append('one')
    const head = readFileSync(headPath)
    const log = readFileSync(path)
    await append('two')
    writeFileSync(headPath, head)
    writeFileSync(path, log)
    expect(await verifyAudit(path)).toMatchObject({ ok: true, records: 1 })
  })

  test('hides a byte that is not valid UTF-8 behind the sign for it', async () => {
    await append('\u{fffd}')
    const bytes = readFileSync(path)
    const at = bytes.indexOf('\u{fffd}')
    writeFileSync(path, Buffer.concat([bytes.subarray(0, at), Buffer.from([0xff]), bytes.subarray(at + 3)]))
    expect(await verifyAudit(path)).toMatchObject({ ok: false, broken: { line: 1 } })
  })

  test('changes any one byte of a record', async () => {
    await append('one', 'two', 'three')
    const good = readFileSync(path)
    await fc.assert(
      fc.asyncProperty(fc.nat(good.length - 2), fc.integer({ min: 1, max: 255 }), async (at, change) => {
        const bytes = Buffer.from(good)
        bytes[at]! ^= change
        writeFileSync(path, bytes)
        expect((await verifyAudit(path)).ok).toBe(false)
      }),
      { numRuns: 300 },
    )
  })

  test('cuts the log anywhere', async () => {
    await append('one', 'two', 'three')
    const good = readFileSync(path)
    // Without its last newline the last record is still whole.
    for (let kept = 0; kept < good.length - 1; kept++) {
      writeFileSync(path, good.subarray(0, kept))
      expect((await verifyAudit(path)).ok).toBe(false)
    }
  })
})

describe('verify', () => {
  test('accepts a log that does not exist, without making one', async () => {
    expect(await verifyAudit(path)).toEqual({ ok: true, path, records: 0 })
    expect(existsSync(path)).toBe(false)
  })

  test('reads lines longer than a chunk, and gives up on one that no record can be', async () => {
    await append('one')
    appendFileSync(path, `{"timestamp":"${'x'.repeat(1_000_000)}`)
    expect(await verifyAudit(path)).toMatchObject({ ok: true, records: 1 })
    appendFileSync(path, 'x'.repeat(9_000_000))
    expect(await verifyAudit(path)).toMatchObject({ ok: false, broken: { line: 2 } })
    await append('two')
    expect(await verifyAudit(path)).toMatchObject({ ok: false, records: 3, broken: { line: 2 } })
  })

  test('of a folder, or of what may not be read, is an error of its own', async () => {
    mkdirSync(path)
    const failure = await verifyAudit(path).catch((error: unknown) => error)
    expect(isAppError(failure, 'audit_read_failed')).toBe(true)
  })
})

/** A record with a good hash that follows `line`. */
function forge(line: string): string {
  const { timestamp, pid, user, type, hash } = JSON.parse(line)
  return encodeRecord({ timestamp, pid, user, type, name: 'box', error: 'forged' }, hash).line.trimEnd()
}

/** Changes the record at `index` and gives every record from there a good hash again. */
function rechain(lines: string[], index: number): void {
  let prev = index === 0 ? GENESIS : JSON.parse(lines[index - 1]!).hash
  for (let at = index; at < lines.length; at++) {
    const { prev: _prev, hash: _hash, ...fields } = JSON.parse(lines[at]!)
    const record = encodeRecord(at === index ? { ...fields, error: 'rewritten' } : fields, prev)
    lines[at] = record.line.trimEnd()
    prev = record.hash
  }
}
