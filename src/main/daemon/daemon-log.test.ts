import { expect, test } from 'bun:test'
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DaemonLog } from './daemon-log.ts'

test('the log has one line for each text, is for the user only, and is put aside when it is large', () => {
  const root = mkdtempSync(join(tmpdir(), 'log-'))
  try {
    const path = join(root, 'logs', 'daemon.log')
    const log = new DaemonLog(path, () => new Date(0))
    log.write('first\nof two\u2028lines \u001b[31m')
    expect(readFileSync(path, 'utf8')).toBe(`1970-01-01T00:00:00.000Z ${process.pid} first of two lines  [31m\n`)
    expect(statSync(path).mode & 0o777).toBe(0o600)
    const long = 'x'.repeat(64 * 1024)
    for (let i = 0; i < 100; i++) log.write(long)
    expect(existsSync(`${path}.1`)).toBe(true)
    expect(statSync(path).size).toBeLessThan(5 * 1024 ** 2)
    log.close()
  } finally {
    rmSync(root, { recursive: true, force: true })
  }
})
