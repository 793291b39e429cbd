import { chmodSync, lstatSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { ignore } from '../../lib/ignore.ts'
import { certificatesOf, javaTrustStore, withCertificate } from './trust-store.ts'

/** A file of the host that is shown in the sandbox, read-only. */
export interface ShownFile {
  /** In the sandbox. */
  readonly path: string
  readonly hostPath: string
}

/** How programs in a sandbox come to trust the sandbox's own certificate authority. */
export interface Trust {
  readonly files: readonly ShownFile[]
  readonly env: Readonly<Record<string, string>>
}

/** Where the bundle is inside, whatever the root is. */
const INSIDE = '/run/agentkernel/ca'
const CERTIFICATE_INSIDE = `${INSIDE}/agentkernel-proxy.crt`
export const BUNDLE_INSIDE = `${INSIDE}/agentkernel-combined.crt`
const JAVA_INSIDE = `${INSIDE}/cacerts`

/** Where distributions keep the bundle that programs read when nobody says otherwise: Debian, Fedora, SUSE, Alpine. */
const SYSTEM_BUNDLES = [
  '/etc/ssl/certs/ca-certificates.crt',
  '/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem',
  '/etc/pki/tls/certs/ca-bundle.crt',
  '/etc/ssl/ca-bundle.pem',
  '/etc/ssl/cert.pem',
] as const
const JAVA_STORES = ['/etc/ssl/certs/java/cacerts', '/etc/pki/ca-trust/extracted/java/cacerts'] as const
const JAVA_HOMES = '/usr/lib/jvm'

/** What tells each tool where its bundle is. All name the combined one: a tool that reads only this file must still know the world. */
const VARIABLES = [
  'NODE_EXTRA_CA_CERTS',
  'SSL_CERT_FILE',
  'REQUESTS_CA_BUNDLE',
  'CURL_CA_BUNDLE',
  'GIT_SSL_CAINFO',
  'CARGO_HTTP_CAINFO',
  'PIP_CERT',
  'DENO_CERT',
  'AWS_CA_BUNDLE',
] as const

/**
 * Writes certificate, combined bundle and Java store into `folder` of the host (made if absent, readable by every identity), and says where
 * they appear inside: at places of their own, and over the system's stores of a root that is this machine's own.
 */
export function writeTrust(folder: string, certificatePem: string, now: Date): Trust {
  mkdirSync(folder, { recursive: true, mode: 0o755 })
  const system = SYSTEM_BUNDLES.filter((path) => isFile(path))
  const bundle = withCertificate(system[0] === undefined ? '' : readFileSync(system[0], 'utf8'), certificatePem)
  const write = (name: string, content: string | Buffer): string => {
    const path = join(folder, name)
    writeFileSync(path, content)
    // Whatever our mask: the sandbox's identity may be another than ours.
    chmodSync(path, 0o644)
    return path
  }
  const combined = write('combined.crt', bundle)
  const certificate = write('proxy.crt', certificatePem)
  const shown: ShownFile[] = [
    { path: CERTIFICATE_INSIDE, hostPath: certificate },
    { path: BUNDLE_INSIDE, hostPath: combined },
    ...system.map((path) => ({ path, hostPath: combined })),
  ]
  const stores = javaStores()
  if (stores.length > 0) {
    const java = write('cacerts', javaTrustStore(certificatesOf(bundle), now))
    shown.push({ path: JAVA_INSIDE, hostPath: java }, ...stores.map((path) => ({ path, hostPath: java })))
  }
  return { files: shown, env: Object.fromEntries(VARIABLES.map((name) => [name, BUNDLE_INSIDE])) }
}

/** The stores of every Java that is installed; links lead to one of the others, which is covered itself. */
function javaStores(): string[] {
  const own = folders(JAVA_HOMES).map((name) => join(JAVA_HOMES, name, 'lib/security/cacerts'))
  return [...JAVA_STORES, ...own].filter((path) => isFile(path))
}

/** A regular file and no link to one: what a link leads to is in the list, or none of ours to cover. */
function isFile(path: string): boolean {
  return lstatSync(path, { throwIfNoEntry: false })?.isFile() === true
}

function folders(path: string): string[] {
  try {
    return readdirSync(path, { withFileTypes: true }).flatMap((entry) => (entry.isDirectory() ? [entry.name] : []))
  } catch (error) {
    ignore(error, 'no Java is installed there')
    return []
  }
}
