import { afterAll, expect, test } from 'bun:test'
import { mkdirSync, mkdtempSync, rmSync, symlinkSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { daemonAddress } from './daemon-files.ts'

const root = mkdtempSync(join(tmpdir(), 'files-'))
afterAll(() => rmSync(root, { recursive: true, force: true }))

test('a daemon listens at a place that follows from its data folder, whatever the way that leads there', () => {
  const [one, two] = [join(root, 'one'), join(root, 'two')]
  for (const folder of [one, two]) mkdirSync(folder)
  symlinkSync(one, join(root, 'link'))
  const address = daemonAddress('/run', one)
  expect(address.socket).toMatch(/^\/run\/daemon-[0-9a-f]{8}\.sock$/)
  expect(address.token).toBe(address.socket.replace(/sock$/, 'token'))
  expect(daemonAddress('/run', join(root, 'link'))).toEqual(address)
  expect(daemonAddress('/run', `${one}/`)).toEqual(address)
  expect(daemonAddress('/run', two).socket).not.toBe(address.socket)
})

test('its socket fits into the longest runtime folder that is used', () => {
  // 64 bytes of $XDG_RUNTIME_DIR and our folder in it: see runtime-dir.ts.
  const longest = `/${'r'.repeat(63)}/agentkernel`
  expect(Buffer.byteLength(daemonAddress(longest, root).socket)).toBeLessThanOrEqual(100)
})
