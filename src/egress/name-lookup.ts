import { statSync } from 'node:fs'
import { ignore } from '../lib/ignore.ts'
import { DialError } from './types.ts'

const RESOLVER_CONFIG = '/etc/resolv.conf'
/** How often the config is looked at, in ms. */
const LOOK_MS = 2_000
const MOST_ADDRESSES = 64
/**
 * getaddrinfo of the C library would occupy one of Bun's few threads for as long as a slow name server takes, and with it every
 * file operation of this process: names of a sandbox's choice must not do that. c-ares waits without a thread, reads /etc/hosts and the
 * search list alike, and sorts by RFC 6724.
 */
const BACKEND = process.platform === 'linux' ? 'c-ares' : 'system'

/** Looks names up by the name servers of this machine. What this gives throws DialError. */
export function nameLookup(): (name: string) => Promise<readonly string[]> {
  const servers = followConfig()
  return async (name) => {
    await servers()
    try {
      const found = await Bun.dns.lookup(name, { backend: BACKEND })
      const addresses = [...new Set(found.map(({ address }) => address.replace(/%.*$/, '')))]
      if (addresses.length > 0) return addresses.slice(0, MOST_ADDRESSES)
    } catch (cause) {
      if (!isNotFound(cause)) throw new DialError('unreachable', `${name} could not be looked up`)
    }
    throw new DialError('not_found', `there is no address for the name ${name}`)
  }
}

/** c-ares reads its config once; a laptop changes its network while the daemon lives. */
function followConfig(): () => Promise<void> {
  let known = versionOf(RESOLVER_CONFIG)
  let at = performance.now()
  return async () => {
    if (BACKEND !== 'c-ares' || performance.now() - at < LOOK_MS) return
    at = performance.now()
    const version = versionOf(RESOLVER_CONFIG)
    if (version === known) return
    known = version
    const { Resolver, setServers } = await import('node:dns')
    try {
      // A new one reads the config anew.
      setServers(new Resolver().getServers())
    } catch (error) {
      ignore(error, 'a config that cannot be used: the name servers stay what they were')
    }
  }
}

function versionOf(path: string): string {
  const found = statSync(path, { throwIfNoEntry: false })
  return found === undefined ? 'none' : `${found.ino} ${found.size} ${found.mtimeMs}`
}

function isNotFound(cause: unknown): boolean {
  return cause instanceof Error && 'code' in cause && /ENOTFOUND|ENODATA|ENONAME/.test(String(cause.code))
}
