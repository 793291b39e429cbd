import { chownSync, existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { networkInterfaces } from 'node:os'
import { dirname, join } from 'node:path'
import { makePlace, type Caller, type Place } from './callers.ts'

/** A word that stands in every secret of the host. Seen inside a sandbox, it is proof of a leak. */
export const CANARY = 'CANARY'

const PRIVATE_KEY = `-----BEGIN OPENSSH PRIVATE KEY-----\n${CANARY}-ssh\n-----END OPENSSH PRIVATE KEY-----\n`

/** Secrets of a home, by path: what a thief looks for first. */
export const HOME_SECRETS: Readonly<Record<string, string>> = {
  '.ssh/id_ed25519': PRIVATE_KEY,
  '.aws/credentials': `[default]\naws_secret_access_key = ${CANARY}-aws\n`,
  '.netrc': `machine example.org login me password ${CANARY}-netrc\n`,
  '.config/gh/hosts.yml': `github.com:\n  oauth_token: ${CANARY}-gh\n`,
  '.docker/config.json': `{"auths":{"example.org":{"auth":"${CANARY}-docker"}}}`,
  '.kube/config': `token: ${CANARY}-kube\n`,
  '.gnupg/private-keys-v1.d/key.key': `${CANARY}-gnupg\n`,
  '.local/share/keyrings/login.keyring': `${CANARY}-keyring\n`,
  '.bashrc': `export GITHUB_TOKEN=${CANARY}-bashrc\n`,
  '.bash_history': `curl -H "Authorization: ${CANARY}-history"\n`,
  '.git-credentials': `https://me:${CANARY}-git@example.org\n`,
  '.gitconfig': `[user]\n\tname = me\n[http]\n\textraheader = "Authorization: ${CANARY}-extraheader"\n`,
  '.cargo/credentials.toml': `token = "${CANARY}-cargo"\n`,
  '.claude/.credentials.json': `{"token":"${CANARY}-claude"}`,
  '.agentkernel/audit.jsonl': `${CANARY}-audit\n`,
  '.config/agentkernel/notes': `${CANARY}-config\n`,
  '.local/share/agentkernel/secret': `${CANARY}-data\n`,
  'Documents/diary.txt': `${CANARY}-diary\n`,
}

/** Files of a project that a sandbox may not read, and one that it may. */
export const PROJECT_FILES: Readonly<Record<string, string>> = {
  'README.md': 'open to all\n',
  'src/main.txt': 'original\n',
  '.env': `TOKEN=${CANARY}-env\n`,
  'src/.env.local': `TOKEN=${CANARY}-env-local\n`,
  'deploy/id_rsa': PRIVATE_KEY,
  '.npmrc': `//example.org/:_authToken=${CANARY}-npm\n`,
  '.git-credentials': `https://me:${CANARY}-pg@example.org\n`,
}

export interface Victim {
  readonly pid: number
  readonly unix: string
  readonly abstract: string
  readonly port: number
}

/** A caller with a home full of secrets, a project, and a process of theirs that must not be reached. */
export interface World extends Place {
  readonly victim: Victim
  /** An address of this machine other than the loopback; undefined when it has none. */
  readonly otherAddress: string | undefined
  /** What the victim noticed. */
  readonly visitors: () => string
  readonly end: () => Promise<void>
}

/** Writes files below a folder, owned by the caller. */
export function plant(place: Place, folder: string, files: Readonly<Record<string, string>>): void {
  for (const [name, content] of Object.entries(files)) {
    const path = join(folder, name)
    for (const parent of parentsOf(name)) makeFolder(place, join(folder, parent))
    writeFileSync(path, content, { mode: 0o644 })
    chownSync(path, place.caller.uid, place.caller.uid)
  }
}

function parentsOf(name: string): string[] {
  const parent = dirname(name)
  return parent === '.' ? [] : [...parentsOf(parent), parent]
}

function makeFolder(place: Place, path: string): void {
  if (existsSync(path)) return
  mkdirSync(path, { mode: 0o755 })
  chownSync(path, place.caller.uid, place.caller.uid)
}

/** Runs a host command as the caller, where its errors matter. */
export function asCaller(place: Place, command: readonly string[], cwd = place.project): string {
  const { success, stdout, stderr } = Bun.spawnSync([...place.caller.prefix, ...command], {
    cwd,
    env: { HOME: place.dir, PATH: '/usr/bin:/bin' },
  })
  if (!success) throw new Error(`${command.join(' ')}: ${stderr.toString()}`)
  return stdout.toString()
}

export async function makeWorld(caller: Caller): Promise<World> {
  const place = makePlace(caller)
  plant(place, place.home, HOME_SECRETS)
  plant(place, place.project, PROJECT_FILES)
  if (Bun.which('git') !== null) asCaller(place, ['git', 'init', '-q', '.'])
  const folder = join(place.home, 'victim')
  makeFolder(place, folder)
  const child = Bun.spawn([...caller.prefix, '/usr/bin/python3', join(import.meta.dir, 'victim.py'), folder, `${CANARY}-of-the-victim`], {
    cwd: '/',
    env: { VICTIM_SECRET: `${CANARY}-victim-environment` },
    stdin: 'pipe',
    stdout: 'pipe',
    stderr: 'inherit',
  })
  const reader = child.stdout.getReader()
  const { value } = await reader.read()
  reader.releaseLock()
  const end = async (): Promise<void> => {
    await child.stdin.end()
    child.kill()
    await child.exited
    place.remove()
  }
  const visitors = join(folder, 'visitors')
  return {
    ...place,
    victim: JSON.parse(new TextDecoder().decode(value)) as Victim,
    otherAddress: Object.values(networkInterfaces())
      .flat()
      .find((entry) => entry?.family === 'IPv4' && !entry.internal)?.address,
    visitors: () => (existsSync(visitors) ? readFileSync(visitors, 'utf8') : ''),
    end,
  }
}

/** Folders of runs that are still on the disk. */
export function runFolders(place: Place): string[] {
  const folder = join(place.home, '.local/share/agentkernel/runs')
  return existsSync(folder) ? readdirSync(folder) : []
}
