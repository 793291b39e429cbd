import { expect, test } from 'bun:test'
import { MemoryFlow } from '../../../test/support/memory-flow.ts'
import { queryFor, readAnswer, type ReadAnswer } from '../../../test/support/dns-message.ts'
import type { NetworkEvent } from '../../contract/network.ts'
import { compilePolicy } from '../../policy/network/index.ts'
import { Lookups } from '../lookups.ts'
import { NameTable } from '../name-table.ts'
import { DialError, type HostNetwork } from '../types.ts'
import { DnsServer } from './dns-server.ts'
import { TYPE } from './message.ts'
import { serveDns } from './serve-dns.ts'

type Told = Omit<NetworkEvent, 'time' | 'sandbox'>

function lab(allow: readonly string[], block: readonly string[] = []) {
  const asked: string[] = []
  const told: Told[] = []
  const clock = { now: 1_000_000 }
  const network: HostNetwork = {
    resolve: async (name) => {
      asked.push(name)
      if (name.startsWith('gone')) throw new DialError('not_found', `there is no ${name}`)
      if (name.startsWith('broken')) throw new DialError('unreachable', 'no name server')
      return ['203.0.113.1']
    },
    records: async (name, type) => {
      asked.push(`${type} ${name}`)
      return type === 'MX' ? [{ fields: [{ u16: 10 }, { name: 'mail.a.test' }] }] : []
    },
    dialTcp: () => Promise.reject(new DialError('unreachable', 'no')),
    dialUdp: () => Promise.reject(new DialError('unreachable', 'no')),
  }
  const policy = compilePolicy({ allow, block }, { ownAddresses: [] })
  const now = () => clock.now
  const names = new NameTable(now)
  const server = new DnsServer({
    names,
    network,
    now,
    lookups: new Lookups(network, now),
    record: (event) => void told.push(event),
    policy: (tag) => (tag === undefined ? policy : undefined),
  })
  const ask = async (name: string, type = 1, more: Parameters<typeof queryFor>[2] = {}): Promise<ReadAnswer> =>
    readAnswer((await server.answer(queryFor(name, type, more), 'udp'))!)
  return { server, names, asked, told, clock, ask }
}

test('an allowed name that exists has an address of its own, the same each time', async () => {
  const { ask, names, told } = lab(['*.a.test'])
  const { addresses, ttlS } = await ask('x.a.test')
  expect(addresses[0]).toMatch(/^198\.18\./)
  expect(ttlS).toBe(60)
  expect(names.nameOf(addresses[0]!)).toBe('x.a.test')
  expect((await ask('X.A.TEST')).addresses).toEqual(addresses)
  expect((await ask('y.a.test')).addresses).not.toEqual(addresses)
  expect(told.map(({ host, verdict }) => `${host} ${verdict}`)).toEqual(['x.a.test allowed', 'y.a.test allowed'])
})

test('names that do not exist and name servers that fail are told apart', async () => {
  const { ask } = lab(['*.a.test', 'gone.test', 'broken.test'])
  expect((await ask('gone.test')).rcode).toBe(3)
  expect((await ask('broken.test')).rcode).toBe(2)
})

test('a denied name gets an address without any lookup, and is told once a minute', async () => {
  const { ask, asked, told, clock } = lab(['a.test'])
  expect((await ask('secret-data.evil.test')).addresses).toHaveLength(1)
  await ask('secret-data.evil.test')
  expect(asked).toEqual([])
  expect(told).toEqual([{ kind: 'dns', host: 'secret-data.evil.test', verdict: 'denied', reason: 'no rule allows secret-data.evil.test' }])
  clock.now += 61_000
  await ask('secret-data.evil.test')
  expect(told).toHaveLength(2)
})

test('what is no name of a host does not exist, whatever the rules', async () => {
  const { ask, asked } = lab(['public'])
  for (const name of ['0x7f.1', '2130706433', '017700000001', '127.0.0.1', '-a.test', 'x'.repeat(63) + '.1']) {
    expect((await ask(name)).rcode).toBe(3)
  }
  const listed = lab(['a.test'])
  expect((await listed.ask('_x._tcp.b.test')).rcode).toBe(3)
  expect((await listed.ask('printer')).rcode).toBe(3)
  expect(asked).toEqual([])
})

test('other types are looked up for allowed names only; no IPv6, no keys, no zones, nothing about everything', async () => {
  const { ask, asked } = lab(['a.test'])
  expect(await ask('a.test', TYPE.MX)).toMatchObject({ rcode: 0, count: 1 })
  expect(await ask('b.test', TYPE.MX)).toMatchObject({ rcode: 0, count: 0 })
  await ask('_imaps._tcp.a.test', TYPE.SRV)
  expect(asked).toEqual(['MX a.test', 'SRV _imaps._tcp.a.test'])
  for (const type of [TYPE.AAAA, TYPE.HTTPS, TYPE.SVCB, 13]) expect(await ask('a.test', type)).toMatchObject({ rcode: 0, count: 0 })
  expect((await ask('a.test', TYPE.ANY)).rcode).toBe(4)
  for (const type of [251, 252]) expect((await ask('a.test', type)).rcode).toBe(5)
  expect((await ask('version.bind', TYPE.TXT, { class: 3 })).rcode).toBe(5)
  expect((await ask('', TYPE.NS)).rcode).toBe(5)
  expect(asked).toHaveLength(2)
})

test('the name of an address of ours is told, and of no other', async () => {
  const { ask } = lab(['a.test'])
  const quad = (await ask('a.test')).addresses[0]!
  const reverse = `${quad.split('.').reverse().join('.')}.in-addr.arpa`
  expect(Buffer.from((await ask(reverse, TYPE.PTR)).data!).toString('latin1')).toBe('\x01a\x04test\0')
  expect((await ask('1.1.1.10.in-addr.arpa', TYPE.PTR)).rcode).toBe(3)
  expect((await ask('999.1.1.10.in-addr.arpa', TYPE.PTR)).rcode).toBe(3)
})

test('a flood of names is slowed down and its memory bounded', async () => {
  const { ask, names, clock } = lab(['a.test'])
  const codes = new Map<number, number>()
  for (let index = 0; index < 20_000; index++) {
    const { rcode } = await ask(`n${index}.flood.test`)
    codes.set(rcode, (codes.get(rcode) ?? 0) + 1)
    if (index % 10 === 0) clock.now += 10
  }
  expect(codes.get(2)).toBeGreaterThan(10_000)
  expect(names.size).toBeLessThanOrEqual(4_096)
  clock.now += 5_000
  expect((await ask('a.test')).addresses).toHaveLength(1)
})

test('an unknown tag gets no lookup', async () => {
  const { server, asked } = lab(['a.test'])
  await server.answer(queryFor('a.test'), 'udp', 'c9')
  expect(asked).toEqual([])
})

test('by TCP several questions come in any pieces; datagrams are answered each', async () => {
  const { server } = lab(['a.test'])
  const one = queryFor('a.test', 1, { id: 1 })
  const two = queryFor('gone.a.test', 1, { id: 2 })
  const bytes = Buffer.concat([Uint8Array.of(0, one.length), one, Uint8Array.of(0, two.length), two])
  const tcp = new MemoryFlow({ dst: '198.18.0.1', port: 53 })
  const done = serveDns(tcp, server)
  for (const byte of bytes) tcp.send(Uint8Array.of(byte))
  tcp.endInput()
  await done
  expect(tcp.received.map((each) => readAnswer(each.subarray(2)).id)).toEqual([1, 2])
  const udp = new MemoryFlow({ op: 'udp', dst: '198.18.0.1', port: 53 })
  const served = serveDns(udp, server)
  udp.send(one)
  udp.send(Uint8Array.of(1, 2, 3))
  udp.send(two)
  udp.endInput()
  await served
  expect(udp.received.map((each) => readAnswer(each).id).sort((a, b) => a - b)).toEqual([1, 2])
})
