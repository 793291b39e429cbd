import { readFile } from 'node:fs/promises'
import { rootCertificates } from 'node:tls'
import { ignore } from '../../lib/ignore.ts'

/** Where distributions keep what the machine trusts. */
const SYSTEM_BUNDLES = [
  '/etc/ssl/certs/ca-certificates.crt',
  '/etc/pki/tls/certs/ca-bundle.crt',
  '/etc/ssl/ca-bundle.pem',
  '/etc/ssl/cert.pem',
]

/**
 * What servers outside are trusted by: what this machine trusts, so that an authority of a company that was installed here holds for
 * sandboxes too, or else what the runtime knows. `extra`: paths of further PEM files. Throws what reading one of those says.
 */
export async function trustedAuthorities(extra: readonly string[] = []): Promise<readonly string[]> {
  const own = await Promise.all(extra.map((path) => readFile(path, 'utf8')))
  for (const path of SYSTEM_BUNDLES) {
    try {
      return [await readFile(path, 'utf8'), ...own]
    } catch (error) {
      ignore(error, 'another distribution keeps it elsewhere')
    }
  }
  return [...rootCertificates, ...own]
}
