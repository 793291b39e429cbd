import { lstatSync } from 'node:fs'
import { dirname } from 'node:path'
import { AppError } from '../../contract/errors.ts'
import { ignore } from '../../lib/ignore.ts'
import type { Paths } from '../paths.ts'
import {
  type DaemonAddress,
  daemonAddress,
  type DaemonFiles,
  daemonFiles,
  type DaemonIdentity,
  readIdentity,
  readToken,
} from './daemon-files.ts'

/** How long a daemon that was told to go may take, in ms. */
const END_LIMIT_MS = 10_000

/** A daemon that listens. */
export interface DaemonLink {
  readonly address: DaemonAddress
  readonly token: string
  readonly identity: DaemonIdentity
}

/** The daemon that lives; undefined when none does. Never starts one. */
export function findDaemon(paths: Paths): DaemonLink | undefined {
  const identity = readIdentity(daemonFiles(paths.dataDir))
  if (identity === undefined) return undefined
  const address = daemonAddress(identity.runtime_dir, paths.dataDir)
  const token = readToken(address)
  if (token === undefined || !ours(dirname(address.socket), address.socket)) return undefined
  return { address, token, identity }
}

/** Asks the daemon to go and waits until it has. Sandboxes go on. Errors: `daemon_unreachable`. */
export async function stopDaemon(link: DaemonLink, files: DaemonFiles): Promise<void> {
  try {
    const reply = await fetch('http://localhost/daemon/stop', {
      method: 'POST',
      unix: link.address.socket,
      headers: { authorization: `Bearer ${link.token}` },
      signal: AbortSignal.timeout(END_LIMIT_MS),
    })
    await reply.body?.cancel()
  } catch (error) {
    ignore(error, 'it may be on its way out already: that is what is waited for')
  }
  const deadline = performance.now() + END_LIMIT_MS
  while (readIdentity(files)?.pid === link.identity.pid) {
    if (performance.now() > deadline) {
      throw new AppError('daemon_unreachable', `the daemon (process ${link.identity.pid}) does not end`, {
        fix: `End it with \`kill ${link.identity.pid}\`.`,
      })
    }
    await Bun.sleep(10)
  }
}

/** True when folder and socket are this user's and nobody else can come near them. */
function ours(folder: string, socket: string): boolean {
  const uid = process.getuid?.() ?? 0
  const [outer, inner] = [lstatSync(folder, { throwIfNoEntry: false }), lstatSync(socket, { throwIfNoEntry: false })]
  if (outer === undefined || inner === undefined) return false
  return outer.isDirectory() && outer.uid === uid && (outer.mode & 0o077) === 0 && inner.isSocket() && inner.uid === uid
}
