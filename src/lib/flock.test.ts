import { afterEach, beforeEach, describe, expect, test } from 'bun:test'
import { closeSync, mkdtempSync, openSync, rmSync } from 'node:fs'
import { constants, tmpdir } from 'node:os'
import { join } from 'node:path'
import { withFlock } from './flock.ts'
import { SystemCallError } from './libc.ts'

describe('a lock on a file', () => {
  let folder: string
  let open: number[]
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'flock-'))
    open = []
  })
  afterEach(() => {
    open.forEach((fd) => closeSync(fd))
    rmSync(folder, { recursive: true })
  })
  const openLockFile = () => {
    const fd = openSync(join(folder, 'lock'), 'a+')
    open.push(fd)
    return fd
  }

  test('one holder works at a time, and all get their turn', async () => {
    let inside = 0
    let done = 0
    const work = async () => {
      expect(++inside).toBe(1)
      await Bun.sleep(0)
      inside--
      done++
    }
    await Promise.all(Array.from({ length: 10 }, () => withFlock(openLockFile(), 'exclusive', 10_000, work)))
    expect(done).toBe(10)
  })

  test('readers share, and a writer waits for them no longer than its limit', async () => {
    const [a, b, c] = [openLockFile(), openLockFile(), openLockFile()]
    await withFlock(a, 'shared', 0, () =>
      withFlock(b, 'shared', 0, async () => {
        const failure = await withFlock(c, 'exclusive', 0, () => 'got it').catch((error: unknown) => error)
        expect(failure).toBeInstanceOf(SystemCallError)
        expect((failure as SystemCallError).errno).toBe(constants.errno.ETIMEDOUT)
      }),
    )
    expect(await withFlock(c, 'exclusive', 0, () => 'got it')).toBe('got it')
  })

  test('the lock is let go when the work throws', async () => {
    const [a, b] = [openLockFile(), openLockFile()]
    await expect(withFlock(a, 'exclusive', 0, () => Promise.reject(new TypeError('no')))).rejects.toThrow('no')
    expect(await withFlock(b, 'exclusive', 0, () => 1)).toBe(1)
  })

  test('another process is kept out, and its death lets go', async () => {
    const lib = join(import.meta.dir, 'flock.ts')
    const script = `
      const { withFlock } = await import(${JSON.stringify(lib)})
      const fd = require('node:fs').openSync(${JSON.stringify(join(folder, 'lock'))}, 'a+')
      await withFlock(fd, 'exclusive', 0, async () => { console.log('held'); await new Promise(() => setInterval(() => {}, 1000)) })`
    const child = Bun.spawn([process.execPath, '-e', script], { stdout: 'pipe' })
    const { value } = await child.stdout.getReader().read()
    expect(new TextDecoder().decode(value).trim()).toBe('held')
    await expect(withFlock(openLockFile(), 'shared', 0, () => 1)).rejects.toThrow(SystemCallError)
    child.kill('SIGKILL')
    await child.exited
    expect(await withFlock(openLockFile(), 'shared', 0, () => 1)).toBe(1)
  })

  test('a descriptor that is not open is an error at once, not a wait', async () => {
    await expect(withFlock(999_999, 'shared', 60_000, () => 1)).rejects.toThrow(SystemCallError)
  })
})
