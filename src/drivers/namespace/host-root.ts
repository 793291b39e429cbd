import { lstatSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { ignore } from '../../lib/ignore.ts'
import {
  CREDENTIAL_IN_DOTFILE,
  HOME_DOTFILES,
  HOME_TOOL_FOLDERS,
  HOST_ETC_LANGUAGE_PREFIXES,
  HOST_ETC_NAMES,
  HOST_SYSTEM_FOLDERS,
} from './host-allowlist.ts'
import type { StageStep } from './plan.ts'

/** A folder of ours in the sandbox's root: process 1, an empty file, and what serves to build the rest. */
export const OWN_FOLDER = '.agentkernel'
export const SANDBOX_HOME = '/home/user'
/** The identity inside. Not 0: without capabilities, root would only make archivers try to change owners and fail. */
export const SANDBOX_ID = 1000
/** What a sandbox without a name of its own is called. */
export const HOST_NAME = 'agentkernel'

/**
 * The steps that show the host's own programs read-only, by the allowlist. The helper looks what each name is: a folder
 * is mounted, a small file's content is taken over (every mount makes the start slower), a symlink stays one.
 */
export function hostRootSteps(hostName = HOST_NAME): StageStep[] {
  return [
    { kind: 'show', source: '/', target: '', names: HOST_SYSTEM_FOLDERS },
    { kind: 'show', source: '/etc', target: 'etc', names: HOST_ETC_NAMES },
    { kind: 'showMatching', source: '/etc', target: 'etc', prefixes: HOST_ETC_LANGUAGE_PREFIXES },
    ...accountSteps(hostName),
  ]
}

/** The account files a program looks into, written by us: nothing of the host's users or network. */
function accountSteps(hostName: string): StageStep[] {
  const file = (name: string, data: string): StageStep => ({ kind: 'file', target: `etc/${name}`, data, mode: 0o644 })
  return [
    { kind: 'dir', target: 'etc', mode: 0o755 },
    file(
      'passwd',
      `root:x:0:0:root:/root:/usr/sbin/nologin\nuser:x:${SANDBOX_ID}:${SANDBOX_ID}:user:${SANDBOX_HOME}:/bin/sh\nnobody:x:65534:65534:nobody:/:/usr/sbin/nologin\n`,
    ),
    file('group', `root:x:0:\nuser:x:${SANDBOX_ID}:\nnogroup:x:65534:\n`),
    file('hosts', `127.0.0.1 localhost ${hostName}\n::1 localhost ip6-localhost\n`),
    file('hostname', `${hostName}\n`),
    file('resolv.conf', '# no network\n'),
    file('nsswitch.conf', 'passwd: files\ngroup: files\nhosts: files dns\nservices: files\nprotocols: files\n'),
  ]
}

/** The tool folders of a home that are there. They appear at the same paths inside. */
export function homeToolFolders(home: string): string[] {
  return HOME_TOOL_FOLDERS.map((name) => join(home, name)).filter((path) => statSync(path, { throwIfNoEntry: false }) !== undefined)
}

/** The steps that show them. */
export function homeToolSteps(folders: readonly string[]): StageStep[] {
  return folders.map((path) => ({ kind: 'bind', source: path, target: path.slice(1), readOnly: true, map: true, optional: true }))
}

/** The steps that show the allowlisted dotfiles of a home in the sandbox's own, those with a credential in them left out. */
export function dotfileSteps(home: string): StageStep[] {
  return HOME_DOTFILES.flatMap((name) => {
    const source = join(home, name)
    const info = lstatSync(source, { throwIfNoEntry: false })
    if (info === undefined || info.isSymbolicLink()) return []
    if (info.isFile() && (info.size > 1 << 20 || mayHoldCredential(source))) return []
    if (!info.isFile() && !info.isDirectory()) return []
    return [{ kind: 'bind', source, target: `${SANDBOX_HOME.slice(1)}/${name}`, readOnly: true, map: true, optional: true } as const]
  })
}

/** True also for a file that we may not read, and so cannot vouch for. */
function mayHoldCredential(path: string): boolean {
  try {
    return CREDENTIAL_IN_DOTFILE.test(readFileSync(path, 'utf8'))
  } catch (error) {
    ignore(error, 'not shown, which is always safe')
    return true
  }
}
