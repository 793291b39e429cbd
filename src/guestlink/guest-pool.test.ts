import { expect, test } from 'bun:test'
import { failure, GuestPeer } from '../../test/support/guest-peer.ts'
import { FRAME } from '../contract/guest-protocol.ts'
import { GuestPool } from './guest-pool.ts'

const options = { role: 'daemon', version: '1.2.3' } as const

test('one connection is shared by all who ask for a sandbox', async () => {
  using peer = new GuestPeer()
  const pool = new GuestPool(options)
  const asked = [pool.get(peer.path), pool.get(peer.path)]
  await (await peer.accept()).greet()
  const [one, two] = await Promise.all(asked)
  expect(one).toBe(two!)
  expect(await pool.get(peer.path)).toBe(one!)
  await pool.close()
})

test('a connection that was lost is told of, and made anew', async () => {
  using peer = new GuestPeer()
  const pool = new GuestPool(options)
  const lost = Promise.withResolvers<string>()
  pool.onLost(peer.path, (error) => lost.resolve(error.code))
  const first = pool.get(peer.path)
  const link = await peer.accept()
  await link.greet()
  const before = await first
  link.hangUp()
  expect(await lost.promise).toBe('sandbox_lost')
  const second = pool.get(peer.path)
  await (await peer.accept()).greet()
  expect(await second).not.toBe(before)
  await pool.close()
})

test('a failure to connect is told to all who wait, and the next one tries again', async () => {
  using peer = new GuestPeer()
  const pool = new GuestPool(options)
  const asked = [pool.get(peer.path), pool.get(peer.path)].map(failure)
  ;(await peer.accept()).hangUp()
  expect(await Promise.all(asked)).toEqual(['sandbox_lost', 'sandbox_lost'])
  const again = pool.get(peer.path)
  await (await peer.accept()).greet()
  expect((await again).connection.isOpen).toBe(true)
  await pool.close()
})

test('one who gives up waiting takes nobody else along', async () => {
  using peer = new GuestPeer()
  const pool = new GuestPool(options)
  const abort = new AbortController()
  const impatient = failure(pool.get(peer.path, abort.signal))
  const patient = pool.get(peer.path)
  const link = await peer.accept()
  abort.abort()
  expect(await impatient).toBe('canceled')
  expect(await failure(pool.get(peer.path, abort.signal))).toBe('canceled')
  await link.greet()
  expect((await patient).connection.isOpen).toBe(true)
  await pool.close()
})

test('a sandbox that is dropped is left with BYE and not reported as lost', async () => {
  using peer = new GuestPeer()
  const pool = new GuestPool(options)
  const reports: string[] = []
  pool.onLost(peer.path, (error) => reports.push(error.code))
  const asked = pool.get(peer.path)
  const link = await peer.accept()
  await link.greet()
  const guest = await asked
  const stat = failure(guest.stat('/'))
  await link.expect(FRAME.open)
  await Promise.all([pool.drop(peer.path), pool.drop(peer.path)])
  expect(await stat).toBe('sandbox_lost')
  await link.expect(FRAME.bye)
  await link.closed
  expect(reports).toEqual([])
})

test('a pool that is closed leaves every sandbox and connects to none', async () => {
  using one = new GuestPeer()
  using two = new GuestPeer()
  const pool = new GuestPool(options)
  const asked = [pool.get(one.path), pool.get(two.path)]
  const links = await Promise.all([one.accept(), two.accept()])
  await Promise.all(links.map((link) => link.greet()))
  const [guest] = await Promise.all(asked)
  const stat = failure(guest!.stat('/'))
  await pool.close()
  await Promise.all(links.map(({ closed }) => closed))
  expect(await stat).toBe('shutting_down')
  expect(await failure(pool.get(one.path))).toBe('shutting_down')
})
