import { expect, test } from 'bun:test'
import fc from 'fast-check'
import { MemoryFlow } from '../../test/support/memory-flow.ts'
import { clientHello } from '../../test/support/client-hello.ts'
import { classify, readFirstBytes } from './first-bytes.ts'

const kind = (bytes: Uint8Array | string): string | undefined =>
  classify(typeof bytes === 'string' ? Buffer.from(bytes, 'latin1') : bytes)?.kind

test('HTTP is known by the version in its first line, however it is dressed up', () => {
  for (const line of [
    'GET / HTTP/1.1\r\n',
    'get / http/1.0\n',
    '\r\n\r\nGET / HTTP/1.1\r\n',
    '  GET / HTTP/1.1\r\n',
    'GET\t/\tHTTP/1.1\r\n',
    'GET\x0b/\x0cHTTP/1.1\r\n',
    'WHATEVER-2 * HTTP/9.9\r\n',
    'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n',
    'GET http://b.test/ HTTP/1.1\r\n',
  ]) {
    expect(kind(line)).toBe('http')
    for (let length = 1; length < line.indexOf('\n', line.search(/\S/)); length++) expect(kind(line.slice(0, length))).toBeUndefined()
  }
})

test('other protocols are not', () => {
  for (const text of [
    'EHLO a.test\r\n',
    '*1\r\n$4\r\nPING\r\n',
    'SET a b\r\n',
    'SSH-2.0-x\r\n',
    '\0\0\0\x08',
    '{"a":1}\n',
    '\x10\x0c',
    '\xff\xfe',
    'l\x00ng',
  ]) {
    expect(kind(text)).toBe('raw')
  }
})

test('TLS is read to the end of its first message, and an endless line is for the engine to refuse', () => {
  expect(kind(clientHello({ name: 'a.test' }))).toBe('tls')
  expect(kind(Uint8Array.of(22, 3, 1, 0, 5))).toBeUndefined()
  expect(kind(Uint8Array.of(22, 3, 1, 0, 5, 2, 0, 0, 1, 0))).toBe('unclear')
  expect(kind(`GET /${'a'.repeat(9_000)}`)).toBe('http')
})

test('any bytes end in a decision by 9 KiB of text or 64 KiB of TLS, and none throws', () => {
  fc.assert(fc.property(fc.uint8Array({ maxLength: 100 }), (bytes) => void classify(bytes)))
  expect(kind(Buffer.alloc(9_000, 'A'))).toBe('http')
  expect(kind(Buffer.alloc(9_000, ' '))).toBe('http')
})

test('pieces are put together, and the limit counts from the first', async () => {
  const flow = new MemoryFlow({ dst: '203.0.113.1', port: 1 })
  const reading = readFirstBytes(flow, 1_000)
  for (const piece of clientHello({ name: 'a.test' })) flow.send(Uint8Array.of(piece))
  expect(await reading).toMatchObject({ kind: 'tls', hello: { serverName: 'a.test' } })
  const slow = new MemoryFlow({ dst: '203.0.113.1', port: 1 })
  slow.send('G')
  expect(await readFirstBytes(slow, 20)).toMatchObject({ kind: 'unclear' })
  const ended = new MemoryFlow({ dst: '203.0.113.1', port: 1 })
  ended.endInput()
  expect(await readFirstBytes(ended, 20)).toEqual({ kind: 'none' })
})
