import { afterEach, beforeEach, describe, expect, test } from 'bun:test'
import {
  appendFileSync,
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { isAppError } from '../../contract/errors.ts'
import { createAuditLog } from './audit-log.ts'
import { listAudit } from './list.ts'
import { GENESIS } from './record-chain.ts'
import { verifyAudit } from './verify.ts'

const ROOT_USER = process.geteuid?.() === 0
const WRITER = join(import.meta.dir, '../../../test/fixtures/audit-writer.ts')

const EMPTY = `${JSON.stringify({ count: 0, hash: GENESIS, size: 0 })}\n`

let folder: string
let path: string
let headPath: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'audit-'))
  path = join(folder, 'audit.jsonl')
  headPath = join(folder, 'audit.head')
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

const logAt = (at: string, secrets: readonly string[] = []) =>
  createAuditLog({ path: at, user: 'me', pid: 7, now: () => new Date(0), secrets: () => secrets })
const error = (text: string) => ({ type: 'sandbox_error', name: 'box', error: text }) as const
const append = async (...texts: readonly string[]) => {
  for (const text of texts) await logAt(path).append(error(text))
}
const lines = () => readFileSync(path, 'utf8').trimEnd().split('\n')
const writer = (...args: readonly string[]) => Bun.spawn([process.execPath, WRITER, path, ...args], { stdout: 'pipe', stderr: 'inherit' })
const failureOf = (work: Promise<unknown>) => work.then(() => undefined).catch((failure: unknown) => failure)

describe('appending', () => {
  test('can be rehearsed, which writes nothing', async () => {
    const log = logAt(path)
    log.rehearse()
    expect(existsSync(path)).toBe(false)
    await log.append(error('a'))
    expect(lines()).toHaveLength(1)
  })

  test('makes folder, log and head for this user alone, and chains from 64 zeros', async () => {
    path = join(folder, 'new', 'deep', 'audit.jsonl')
    await append('a', 'b')
    expect([join(folder, 'new'), join(folder, 'new/deep')].map((at) => statSync(at).mode & 0o777)).toEqual([0o700, 0o700])
    expect([path, join(folder, 'new/deep/audit.head')].map((at) => statSync(at).mode & 0o777)).toEqual([0o600, 0o600])
    const [first, second] = lines().map((line) => JSON.parse(line))
    expect(first).toEqual({
      timestamp: '1970-01-01T00:00:00.000Z',
      pid: 7,
      user: 'me',
      type: 'sandbox_error',
      name: 'box',
      error: 'a',
      prev: GENESIS,
      hash: expect.any(String),
    })
    expect(second.prev).toBe(first.hash)
    expect(await verifyAudit(path)).toEqual({ ok: true, path, records: 2 })
  })

  test('the hash is that of the line without its hash, as any other tool computes it', async () => {
    await append('über "x" \u{2028}')
    const [line] = lines()
    const body = line!.replace(/,"hash":"[0-9a-f]{64}"\}$/, '}')
    expect(JSON.parse(line!).hash).toBe(new Bun.CryptoHasher('sha256').update(body).digest('hex'))
  })

  test('takes the rights of others off a log that had them', async () => {
    writeFileSync(path, '', { mode: 0o666 })
    chmodSync(path, 0o666)
    await append('a')
    expect(statSync(path).mode & 0o777).toBe(0o600)
  })

  test('keeps the order of calls that are not awaited one by one', async () => {
    const log = logAt(path)
    await Promise.all(Array.from({ length: 50 }, (_, index) => log.append(error(String(index)))))
    expect((await listAudit(path)).records.map((record) => record['error'])).toEqual(
      Array.from({ length: 50 }, (_, index) => String(index)),
    )
    expect(await verifyAudit(path)).toMatchObject({ ok: true, records: 50 })
  })

  test('redacts, and leaves the type alone', async () => {
    await logAt(path, ['open sesame', 'command_executed']).append({
      type: 'command_executed',
      sandbox: 'box',
      command: ['curl', '--token', 'abc', '-d', 'say open sesame', `ghp_${'a1'.repeat(18)}`],
      exit_code: null,
      backend: 'fake',
      profile: 'moderate',
      duration_ms: 3,
    })
    const record = JSON.parse(lines()[0]!)
    expect(record.type).toBe('command_executed')
    expect(record.command).toEqual(['curl', '--token', '[redacted]', '-d', 'say [redacted]', '[redacted]'])
    expect(record).toMatchObject({ exit_code: null, duration_ms: 3 })
  })

  test('cuts an argument of a megabyte and a list of a million, and says so', async () => {
    const base = { type: 'command_executed', sandbox: 'box', exit_code: 0, backend: 'fake', profile: 'moderate', duration_ms: 1 } as const
    await logAt(path).append({ ...base, command: ['x'.repeat(1_000_000)] })
    await logAt(path).append({ ...base, command: Array.from({ length: 100_000 }, () => '') })
    expect(statSync(path).size).toBeLessThan(200_000)
    const [long, many] = lines().map((line) => JSON.parse(line).command)
    expect(long[0]).toEndWith('… (995904 more characters)')
    expect(many.at(-1)).toBe(`… (${100_000 - (many.length - 1)} more arguments)`)
    expect(await verifyAudit(path)).toMatchObject({ ok: true, records: 2 })
  })
})

describe('refusing', () => {
  const refused = async (at: string, reason: string) => {
    const failure = await failureOf(logAt(at).append(error('a')))
    expect(isAppError(failure, 'audit_write_failed')).toBe(true)
    expect((failure as Error).message).toContain(reason)
  }

  test('a symbolic link in the place of log or head', async () => {
    const target = join(folder, 'target')
    writeFileSync(target, 'mine')
    symlinkSync(target, path)
    await refused(path, 'is a symbolic link')
    rmSync(path)
    symlinkSync(target, headPath)
    await refused(path, 'is a symbolic link')
    expect(readFileSync(target, 'utf8')).toBe('mine')
  })

  test('what is no regular file', async () => {
    Bun.spawnSync(['mkfifo', path])
    await refused(path, 'is not a regular file')
    await refused(join(path, 'below', 'audit.jsonl'), 'ENOTDIR')
    await refused('/proc/audit/audit.jsonl', 'ENOENT')
  })

  test.skipIf(!ROOT_USER)('a file of another user (needs root to make one)', async () => {
    writeFileSync(path, '')
    chownSync(path, 65_534, 65_534)
    await refused(path, 'belongs to another user (uid 65534, not 0)')
  })

  test('a folder that may only be read', async () => {
    const closed = join(folder, 'closed')
    mkdirSync(closed)
    chmodSync(closed, 0o555)
    chmodSync(folder, 0o755)
    // Root writes anywhere, so root steps down for the attempt.
    if (ROOT_USER) process.seteuid?.(65_534)
    try {
      await refused(join(closed, 'audit.jsonl'), 'EACCES')
    } finally {
      if (ROOT_USER) process.seteuid?.(0)
    }
  })

  test('a disk that is full leaves a log that goes on later', async () => {
    await append('a')
    const before = readFileSync(path)
    const script = `ulimit -f ${Math.ceil(before.length / 512)}; trap '' XFSZ; exec "$@"`
    const child = Bun.spawn(['sh', '-c', script, 'sh', process.execPath, WRITER, path, '20', 'full'], { stderr: 'pipe' })
    expect(await child.exited).not.toBe(0)
    expect(await new Response(child.stderr).text()).toContain('audit_write_failed')
    await append('later')
    expect(await verifyAudit(path)).toMatchObject({ ok: true })
    expect((await listAudit(path, { last: 1 })).records[0]).toMatchObject({ error: 'later' })
  })
})

describe('many writers', () => {
  test('20 processes with 1,000 records each leave one whole chain', async () => {
    const writers = Array.from({ length: 20 }, (_, index) => writer('1000', `w${index}`))
    expect(await Promise.all(writers.map((child) => child.exited))).toEqual(writers.map(() => 0))
    expect(await verifyAudit(path)).toEqual({ ok: true, path, records: 20_000 })
    const { records, warnings } = await listAudit(path, { sandbox: 'w7' })
    expect(records.map((record) => record['error'])).toEqual(Array.from({ length: 1_000 }, (_, index) => `number ${index}`))
    expect(warnings).toEqual([])
  }, 60_000)

  test('kill -9 in mid-run, again and again, breaks nothing', async () => {
    for (let round = 0; round < 8; round++) {
      const child = writer('-1', `r${round}`)
      const reader = child.stdout.getReader()
      await reader.read()
      child.kill('SIGKILL')
      await child.exited
      reader.releaseLock()
      expect(await verifyAudit(path)).toMatchObject({ ok: true })
      await append(`after ${round}`)
      expect(await verifyAudit(path)).toMatchObject({ ok: true })
    }
    const { records } = await listAudit(path, { sandbox: 'box' })
    expect(records).toHaveLength(8)
  }, 60_000)
})

describe('after a crash', () => {
  test('records that are in the log and not yet in the head count', async () => {
    await append('a')
    const old = readFileSync(headPath)
    await append('b', 'c')
    writeFileSync(headPath, old)
    expect(await verifyAudit(path)).toEqual({ ok: true, path, records: 3 })
    await append('d')
    expect(await verifyAudit(path)).toEqual({ ok: true, path, records: 4 })
    expect(lines()).toHaveLength(4)
  })

  test('a kill before the first record is counted is no missing head', async () => {
    await append('a')
    writeFileSync(headPath, EMPTY)
    await append('b')
    expect(await verifyAudit(path)).toEqual({ ok: true, path, records: 2 })
  })

  test('a line cut off at any byte is sealed, and its bytes stay checked', async () => {
    await append('a', 'b')
    const head = readFileSync(headPath)
    const log = readFileSync(path)
    await append('c')
    const line = readFileSync(path).subarray(log.length)
    for (let kept = 0; kept <= line.length; kept++) {
      writeFileSync(path, Buffer.concat([log, line.subarray(0, kept)]))
      writeFileSync(headPath, head)
      expect(await verifyAudit(path)).toMatchObject({ ok: true })
      await append('d')
      expect(await verifyAudit(path)).toMatchObject({ ok: true })
      const whole = kept >= line.length - 1
      expect((await listAudit(path)).records.map((record) => record['error'] ?? record['reason'])).toEqual([
        'a',
        'b',
        ...(whole ? ['c'] : kept === 0 ? [] : ['torn']),
        'd',
      ])
    }
  })

  test('the seal states where, how much and what, and no torn byte can be changed later', async () => {
    await append('a')
    const size = statSync(path).size
    appendFileSync(path, '{"timestamp":"2026-')
    await append('b')
    const sha256 = new Bun.CryptoHasher('sha256').update('{"timestamp":"2026-').digest('hex')
    expect(JSON.parse(lines()[2]!)).toMatchObject({ type: 'log_sealed', reason: 'torn', offset: size, bytes: 19, sha256 })
    expect(await verifyAudit(path)).toEqual({ ok: true, path, records: 3 })
    writeFileSync(path, readFileSync(path, 'utf8').replace('2026-\n', '2027-\n'))
    expect(await verifyAudit(path)).toMatchObject({ ok: false, broken: { line: 2 } })
  })

  test('a crash while sealing is sealed too', async () => {
    await append('a')
    appendFileSync(path, '{"timest')
    const head = readFileSync(headPath)
    await append('b')
    truncateSync(path, readFileSync(path, 'utf8').indexOf('"log_sealed"') + 30)
    writeFileSync(headPath, head)
    await append('c')
    expect(await verifyAudit(path)).toEqual({ ok: true, path, records: 3 })
  })

  test('zeros that a loss of power left are sealed', async () => {
    await append('a')
    appendFileSync(path, Buffer.alloc(5_000))
    await append('b')
    expect(await verifyAudit(path)).toMatchObject({ ok: true, records: 3 })
  })
})

describe('a log of the earlier product', () => {
  const legacy = [
    '{"timestamp":"2025-01-01T00:00:00Z","pid":1,"user":"ann","type":"sandbox_created","name":"old","image":"x","backend":"docker"}',
    '{"timestamp":"2025-01-01T00:00:01Z","pid":1,"user":"ann","type":"ssh_connected","sandbox":"old","host_port":22,"user":"sandbox"}',
    'not json',
  ]

  test('is accepted as it is, then pinned by the first append', async () => {
    for (const end of ['\n', '']) {
      rmSync(headPath, { force: true })
      writeFileSync(path, legacy.join('\n') + end)
      expect(await verifyAudit(path)).toEqual({ ok: true, path, records: 0 })
      await append('a')
      expect(await verifyAudit(path)).toEqual({ ok: true, path, records: 2 })
      expect(lines().slice(0, 3)).toEqual(legacy)
      expect(JSON.parse(lines()[3]!)).toMatchObject({ type: 'log_sealed', reason: 'legacy', offset: 0 })
      writeFileSync(path, readFileSync(path, 'utf8').replace('docker', 'podman'))
      expect(await verifyAudit(path)).toMatchObject({ ok: false, broken: { line: 1 } })
    }
  })

  test('a kill while it is adopted changes nothing', async () => {
    writeFileSync(path, `${legacy[0]}\n`)
    await append('a')
    const whole = readFileSync(path)
    for (let kept = legacy[0]!.length + 1; kept <= whole.length; kept++) {
      writeFileSync(path, whole.subarray(0, kept))
      writeFileSync(headPath, EMPTY)
      expect(await verifyAudit(path)).toMatchObject({ ok: true })
      await append('b')
      expect(await verifyAudit(path)).toMatchObject({ ok: true })
    }
  })

  test('that goes on writing into ours is told from us', async () => {
    await append('a')
    appendFileSync(path, `${legacy[0]}\n`)
    expect(await verifyAudit(path)).toMatchObject({ ok: false, broken: { line: 2 } })
    await append('b')
    expect(await verifyAudit(path)).toMatchObject({
      ok: false,
      records: 3,
      broken: { line: 2, reason: 'the line was not written by this log' },
    })
  })
})
