import { pathOf } from '../http/request-target.ts'

/** What a request to a git server is, by method and path. */
export type GitRequest =
  /** No push. */
  | { readonly kind: 'other' }
  /** `repo` without a leading slash and without `.git`. */
  | { readonly kind: 'push'; readonly repo: string }
  | { readonly kind: 'denied'; readonly reason: string }

const SERVICE = 'git-receive-pack'
/** Git's older way to push, over WebDAV: it writes files, and no rule about refs could hold. */
const DAV_METHODS: ReadonlySet<string> = new Set(['LOCK', 'UNLOCK', 'MOVE', 'COPY', 'MKCOL', 'PROPPATCH'])
const REPOSITORY_FILE = /\/(?:refs|objects|info|hooks)\/|\/(?:HEAD|config|packed-refs)\/*$/i

/** Paths that a server may read in another way than we do are refused. */
export function gitRequest(method: string, target: string): GitRequest {
  const path = pathOf(target)
  const plain = decoded(path)
  if (plain === undefined || DAV_METHODS.has(method.toUpperCase())) {
    return plain === undefined
      ? { kind: 'denied', reason: 'its path cannot be read' }
      : { kind: 'denied', reason: `git rules hold here, and ${method} could write around them` }
  }
  if (!plain.toLowerCase().includes(SERVICE)) {
    const writes = ['PUT', 'DELETE', 'PATCH'].includes(method.toUpperCase()) && REPOSITORY_FILE.test(plain) && !/\/info\/lfs\//.test(plain)
    return writes
      ? { kind: 'denied', reason: `git rules hold here, and ${method} of a repository's files could write around them` }
      : { kind: 'other' }
  }
  const match = /^\/((?:[\w.~@+-]+\/)+)git-receive-pack$/.exec(path)
  const repo = match?.[1]?.slice(0, -1)
  if (repo === undefined || repo.split('/').some((part) => part === '.' || part === '..')) {
    return { kind: 'denied', reason: 'a push with a path that could be read in two ways' }
  }
  if (method !== 'POST') return { kind: 'denied', reason: 'pushes are made by POST' }
  return { kind: 'push', repo: repo.replace(/\.git$/, '') }
}

/** Undefined: it is encoded too often or wrongly. */
function decoded(path: string): string | undefined {
  let text = path
  for (let round = 0; round < 4; round++) {
    if (!text.includes('%')) return text
    try {
      text = decodeURIComponent(text)
    } catch {
      // What is no UTF-8 does not decode; then at least ASCII does.
      const next = text.replaceAll(/%([0-7][0-9a-f])/gi, (_, digits: string) => String.fromCharCode(Number.parseInt(digits, 16)))
      if (next === text) return text
      text = next
    }
  }
  return text.includes('%') ? undefined : text
}
