import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Authority, createAuthority } from '../../../src/egress/tls/authority.ts'

/** Names of the small internet and where they are. `two.lab.test` has a public and a private address. */
export const LAB_HOSTS = {
  'api.lab.test': ['44.44.44.10'],
  'other.lab.test': ['44.44.44.11'],
  'git.lab.test': ['44.44.44.10'],
  'db.lab.test': ['44.44.44.12'],
  'private.lab.test': ['10.77.0.10'],
  'two.lab.test': ['44.44.44.10', '10.77.0.10'],
  'metadata.google.internal': ['169.254.169.254'],
} as const satisfies Record<string, readonly string[]>

/** Why there can be no lab here; undefined: there can. */
export function labProblem(): string | undefined {
  if (process.platform !== 'linux') return 'network namespaces need Linux'
  if (process.getuid?.() !== 0) return 'a network between namespaces needs root'
  const missing = ['ip', 'unshare', 'nsenter', 'mount'].filter((tool) => Bun.which(tool) === null)
  return missing.length === 0 ? undefined : `no ${missing.join(', ')} here`
}

/**
 * Two network namespaces and a cable: programs of the near one see the servers of the far one at public and private addresses, and nothing
 * else. `/etc/hosts`, the resolver and the system's certificates are the lab's own in it.
 */
export interface NetworkLab {
  readonly folder: string
  /** PEM of the authority that the far servers' certificates come from. */
  readonly certificate: string
  /** Arguments that start a program in the near side. */
  readonly near: readonly string[]
  /** The same for the far side. */
  readonly far: readonly string[]
  /** What the far servers wrote, a line each. */
  readonly requests: () => string[]
  readonly close: () => Promise<void>
}

/** Starts the lab and its servers (`upstream.ts`). */
export async function startLab(): Promise<NetworkLab> {
  const folder = mkdtempSync(join(tmpdir(), 'ak-lab-'))
  const authority = new Authority(createAuthority('lab', new Date()))
  const { cert } = authority
  for (const [file, name] of Object.entries({ '': '*.lab.test', 'address-': '44.44.44.10' })) {
    const leaf = authority.leaf(name)
    writeFileSync(join(folder, `${file}cert.pem`), leaf.cert)
    writeFileSync(join(folder, `${file}key.pem`), leaf.key, { mode: 0o600 })
  }
  const system = '/etc/ssl/certs/ca-certificates.crt'
  writeFileSync(join(folder, 'bundle.crt'), (existsSync(system) ? readFileSync(system, 'utf8') : '') + cert)
  const hosts = Object.entries(LAB_HOSTS).flatMap(([name, addresses]) => addresses.map((address) => `${address} ${name}`))
  writeFileSync(join(folder, 'hosts'), `127.0.0.1 localhost\n::1 localhost\n${hosts.join('\n')}\n`)
  writeFileSync(join(folder, 'resolv.conf'), 'nameserver 44.44.44.53\noptions timeout:1 attempts:1\n')
  mkdirSync(join(folder, 'home'))
  const holder = Bun.spawn(['unshare', '--net', '--mount', '--kill-child', 'sh', join(import.meta.dir, 'lab.sh'), folder], {
    stdin: 'pipe',
    stdout: 'pipe',
    stderr: 'inherit',
  })
  const farPid = /ready (\d+)/.exec(await firstLine(holder.stdout))?.[1]
  if (farPid === undefined) throw new Error('the network lab did not start')
  const near = ['nsenter', '-t', `${holder.pid}`, '-n', '-m', '--']
  // The far side shares the near one's files, with its own network.
  const far = ['nsenter', '-t', farPid, '-n', '-m', '--']
  const upstream = Bun.spawn([...far, process.execPath, join(import.meta.dir, 'upstream.ts'), folder], {
    stdin: 'pipe',
    stdout: 'pipe',
    stderr: 'inherit',
  })
  if (!(await firstLine(upstream.stdout)).includes('ready')) throw new Error('the servers of the network lab did not start')
  return {
    folder,
    certificate: cert,
    near,
    far,
    requests: () =>
      existsSync(join(folder, 'requests')) ? readFileSync(join(folder, 'requests'), 'utf8').trimEnd().split('\n').filter(Boolean) : [],
    close: async () => {
      void upstream.stdin.end()
      await upstream.exited
      void holder.stdin.end()
      await holder.exited
      rmSync(folder, { recursive: true, force: true })
    },
  }
}

/** The first line of a stream that goes on. */
async function firstLine(stream: ReadableStream<Uint8Array>): Promise<string> {
  const reader = stream.getReader()
  let text = ''
  for (;;) {
    const { value, done } = await reader.read()
    text += done ? '' : new TextDecoder().decode(value)
    if (!done && !text.includes('\n')) continue
    reader.releaseLock()
    return text
  }
}
