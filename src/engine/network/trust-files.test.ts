import { afterAll, expect, test } from 'bun:test'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { selfSigned } from '../../lib/self-signed.ts'
import { BUNDLE_INSIDE, writeTrust } from './trust-files.ts'
import { certificatesOf, fingerprint, javaTrustStore, withCertificate } from './trust-store.ts'

const folder = mkdtempSync(join(tmpdir(), 'ak-trust-'))
afterAll(() => rmSync(folder, { recursive: true }))
const own = selfSigned(['proxy.test'], new Date())
const keytool = Bun.which('keytool')

test('the combined bundle holds what the machine trusts and the sandbox’s own authority', () => {
  const trust = writeTrust(join(folder, 'a'), own.cert, new Date())
  const combined = trust.files.find(({ path }) => path === BUNDLE_INSIDE)
  const text = readFileSync(combined?.hostPath ?? '', 'utf8')
  expect(text.endsWith(own.cert)).toBe(true)
  const system = trust.files.find(({ path }) => path.startsWith('/etc/ssl/certs/') || path.startsWith('/etc/pki/'))
  if (system !== undefined) expect(text).toContain(readFileSync(system.path, 'utf8'))
  expect(trust.env['NODE_EXTRA_CA_CERTS']).toBe(BUNDLE_INSIDE)
  expect(new Set(Object.values(trust.env))).toEqual(new Set([BUNDLE_INSIDE]))
})

test('writing it again gives the same files, so that a start may be repeated', () => {
  const first = writeTrust(join(folder, 'b'), own.cert, new Date(0))
  expect(writeTrust(join(folder, 'b'), own.cert, new Date(0))).toEqual(first)
})

test('a bundle without a line end stays a bundle', () => {
  const other = selfSigned(['other.test'], new Date())
  expect(certificatesOf(withCertificate(other.cert.trimEnd(), own.cert))).toHaveLength(2)
})

const java = keytool === null ? 'Java reads the store (skipped: no keytool here)' : 'Java reads the store, and finds the authority in it'
test.skipIf(keytool === null)(java, async () => {
  const path = join(folder, 'cacerts')
  const other = selfSigned(['other.test'], new Date())
  await Bun.write(path, javaTrustStore([...certificatesOf(other.cert), ...certificatesOf(own.cert)], new Date()))
  const listed = Bun.spawnSync([keytool ?? '', '-list', '-keystore', path, '-storepass', 'changeit']).stdout.toString()
  expect(listed).toContain('2 entries')
  expect(listed).toContain(fingerprint(own.cert))
})
