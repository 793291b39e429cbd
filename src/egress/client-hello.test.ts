import { expect, test } from 'bun:test'
import fc from 'fast-check'
import { clientHello } from '../../test/support/client-hello.ts'
import { looksLikeTls, readClientHello } from './client-hello.ts'

test('name, version, protocols and an encrypted hello are read', () => {
  expect(readClientHello(clientHello({ name: 'A.Example.com.', version: 0x0304, protocols: ['h2', 'http/1.1'] }))).toEqual({
    kind: 'hello',
    hello: { serverName: 'a.example.com', hasEch: false, version: 0x0304, protocols: ['h2', 'http/1.1'] },
  })
  expect(readClientHello(clientHello({ ech: true, version: 0x0301 }))).toMatchObject({
    kind: 'hello',
    hello: { hasEch: true, version: 0x0301 },
  })
})

test('a hello in many records and pieces is read, and each beginning of it needs more', () => {
  const bytes = clientHello({ name: 'a.test', recordBytes: 7 })
  for (let length = 1; length < bytes.length; length++) {
    expect(looksLikeTls(bytes.subarray(0, length))).toBe(true)
    expect(readClientHello(bytes.subarray(0, length)).kind).toBe('partial')
  }
  expect(readClientHello(bytes)).toMatchObject({ kind: 'hello', hello: { serverName: 'a.test' } })
})

test('the same extension twice, two names and strange names are malformed', () => {
  expect(readClientHello(clientHello({ name: 'a.test', twice: true })).kind).toBe('malformed')
  expect(readClientHello(clientHello({ name: 'a.test\0b' })).kind).toBe('malformed')
  expect(readClientHello(clientHello({ name: '' })).kind).toBe('malformed')
})

test('a message that is too long is refused before it is read', () => {
  expect(readClientHello(Uint8Array.of(22, 3, 1, 0x40, 0, 1, 0xff, 0xff, 0xff)).kind).toBe('malformed')
})

test('no bytes make it throw, and changed bytes never give another name by accident of reading beyond them', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
      readClientHello(bytes)
      readClientHello(Buffer.concat([Uint8Array.of(22, 3, 1, 0, 200, 1, 0, 0, 196), bytes]))
    }),
  )
  const good = clientHello({ name: 'a.test', protocols: ['h2'], ech: true })
  fc.assert(
    fc.property(fc.nat(good.length - 1), fc.nat(255), (at, value) => {
      const bytes = Uint8Array.from(good)
      bytes[at] = value
      readClientHello(bytes)
    }),
  )
})
