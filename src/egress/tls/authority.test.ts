import { afterAll, describe, expect, test } from 'bun:test'
import { X509Certificate } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Authority, createAuthority } from './authority.ts'

const DAY_MS = 86_400_000
const text = createAuthority('0123456789abcdef0123', new Date())
const folder = mkdtempSync(join(tmpdir(), 'ak-authority-'))
afterAll(() => rmSync(folder, { recursive: true }))

describe("a sandbox's authority", () => {
  test('signs itself, is an authority for leaves only, and is backdated a day', () => {
    const certificate = new X509Certificate(text.cert)
    expect(certificate.ca).toBe(true)
    expect(certificate.verify(certificate.publicKey)).toBe(true)
    expect(certificate.subject).toBe('CN=AgentKernel Proxy CA 0123456789abcdef')
    expect(Date.parse(certificate.validFrom)).toBeLessThan(Date.now() - DAY_MS + 5_000)
  })

  test('comes back from its text, and mints leaves that its old self would have minted', () => {
    const leaf = new X509Certificate(new Authority(text).leaf('api.example.com').cert)
    expect(leaf.verify(new X509Certificate(text.cert).publicKey)).toBe(true)
    expect(leaf.checkIssued(new X509Certificate(text.cert))).toBe(true)
  })

  test.each(['api.example.com', '192.0.2.7', '2001:db8::7', `${'a'.repeat(60)}.${'b'.repeat(60)}.example.com`])(
    'mints a leaf for %s that openssl accepts for it',
    (name) => {
      const leaf = new Authority(text).leaf(name)
      const [own = ''] = leaf.cert.split(/(?<=-----END CERTIFICATE-----\n)/)
      writeFileSync(join(folder, 'leaf.pem'), own)
      writeFileSync(join(folder, 'ca.pem'), text.cert)
      const flag = /^[\d.]+$|:/.test(name) ? '-verify_ip' : '-verify_hostname'
      const args = ['openssl', 'verify', '-x509_strict', '-purpose', 'sslserver', '-CAfile', 'ca.pem', flag, name, 'leaf.pem']
      const { stdout, stderr } = Bun.spawnSync(args, { cwd: folder })
      expect(stdout.toString() + stderr.toString()).toBe('leaf.pem: OK\n')
    },
  )

  test('keeps a leaf, and makes it anew before it expires; none outlives the authority', () => {
    let now = Date.now()
    const authority = new Authority(text, () => now)
    const first = authority.leaf('a.example.com')
    expect(authority.leaf('a.example.com')).toBe(first)
    now += 29.5 * DAY_MS
    expect(authority.leaf('a.example.com')).not.toBe(first)
    now += 690 * DAY_MS
    expect(authority.leaf('b.example.com').expiresMs).toBeLessThanOrEqual(Date.parse(new X509Certificate(text.cert).validTo))
  })

  test('keeps a bounded number of leaves', () => {
    const authority = new Authority(text)
    const first = authority.leaf('n0.example.com')
    for (let number = 1; number <= 512; number++) authority.leaf(`n${number}.example.com`)
    expect(authority.leaf('n0.example.com')).not.toBe(first)
    const last = authority.leaf('n512.example.com')
    expect(authority.leaf('n512.example.com')).toBe(last)
  })
})
