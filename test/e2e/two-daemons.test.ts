import { afterAll, beforeAll, expect, test } from 'bun:test'
import { existsSync, mkdtempSync, readdirSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { removeTree } from '../../src/lib/remove-tree.ts'
import { startDaemon, type TestDaemon } from '../support/daemon.ts'

/** One user with two data folders, as under two values of HOME or XDG_DATA_HOME: both daemons have their sockets in one folder. */
const runtimeDir = mkdtempSync(join(tmpdir(), 'akr-'))
let first: TestDaemon
let second: TestDaemon
beforeAll(async () => {
  first = await startDaemon({ runtimeDir, tcp: false })
  await create(first, 'one')
  second = await startDaemon({ runtimeDir, tcp: false })
  await create(second, 'two')
}, 60_000)
afterAll(async () => {
  await Promise.all([first.dispose(), second.dispose()])
  removeTree(runtimeDir)
}, 60_000)

async function create(daemon: TestDaemon, name: string): Promise<void> {
  const reply = await daemon.fetch('/sandboxes', { method: 'POST', body: JSON.stringify({ name }) })
  expect([reply.status, await reply.json()]).toMatchObject([201, { success: true }])
}

async function names(daemon: TestDaemon): Promise<string[]> {
  const { data } = (await (await daemon.fetch('/sandboxes')).json()) as { data: { name: string; status: string }[] }
  return data.map(({ name, status }) => `${name} ${status}`)
}

test('two daemons in one runtime folder have each their own sandboxes, socket and token', async () => {
  expect([await names(first), await names(second)]).toEqual([['one running'], ['two running']])
  expect(first.socket).not.toBe(second.socket)
  const strange = await fetch('http://localhost/sandboxes', {
    unix: first.socket,
    headers: { authorization: `Bearer ${second.token()}` },
  })
  expect(strange.status).toBe(401)
})

test('the end of one takes nothing of the other, nor does its return', async () => {
  const socket = second.socket
  await second.end()
  expect(existsSync(socket)).toBe(false)
  expect(await names(first)).toEqual(['one running'])
  second = await startDaemon({ home: second.home, runtimeDir, tcp: false })
  expect([await names(first), await names(second)]).toEqual([['one running'], ['two running']])
})

test('both leave the folder empty', async () => {
  await Promise.all([first.dispose(), second.dispose()])
  expect(readdirSync(runtimeDir)).toEqual([])
}, 60_000)
