import { expect, test } from 'bun:test'
import { X509Certificate } from 'node:crypto'
import { selfSigned } from './self-signed.ts'

test('a self-signed certificate names its hosts and addresses, verifies itself and is valid now', () => {
  const now = new Date('2026-11-22T12:00:00Z')
  const cert = new X509Certificate(selfSigned(['localhost', '127.0.0.1', '::1', 'fe80::1:2'], now).cert)
  expect(cert.subject).toBe('CN=localhost')
  expect(cert.checkHost('localhost')).toBe('localhost')
  expect(cert.checkHost('elsewhere.example')).toBeUndefined()
  for (const address of ['127.0.0.1', '::1', 'fe80::1:2']) expect(cert.checkIP(address)).toBe(address)
  expect(cert.verify(cert.publicKey)).toBe(true)
  expect(Date.parse(cert.validFrom)).toBe(now.getTime() - 24 * 3_600_000)
  expect(Date.parse(cert.validTo)).toBe(now.getTime() + 365 * 24 * 3_600_000)
})

test('two certificates have numbers and keys of their own', () => {
  const [a, b] = [selfSigned(['localhost'], new Date()), selfSigned(['localhost'], new Date())]
  expect(a.key).not.toBe(b.key)
  expect(new X509Certificate(a.cert).serialNumber).not.toBe(new X509Certificate(b.cert).serialNumber)
})

test('a client that trusts it can talk to a server that has it, and nobody else can', async () => {
  const { cert, key } = selfSigned(['localhost', '127.0.0.1'], new Date())
  const server = Bun.serve({ port: 0, hostname: '127.0.0.1', tls: { cert, key }, fetch: () => new Response('hello') })
  try {
    const url = `https://127.0.0.1:${server.port}/`
    expect(await (await fetch(url, { tls: { ca: cert } })).text()).toBe('hello')
    await expect(fetch(url)).rejects.toThrow()
  } finally {
    await server.stop(true)
  }
})
