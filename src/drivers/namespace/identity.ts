import { AppError } from '../../contract/errors.ts'

/** Who a sandbox is on the host. */
export interface Identity {
  /** Started as root: the unprivileged host identity that takes over. Undefined: the user's own. */
  readonly dropTo: { readonly uid: number; readonly gid: number } | undefined
}

/** Start and size of the host ids that sandboxes of root run as: above every range that systems hand out to users. */
const RANGE_START = 900_000_000
const RANGE_SIZE = 65_536
/** Ids that an ordinary file may belong to. */
const FILE_IDS = 65_536

/**
 * True when user 0 here is root of the machine, or of a container with enough ids: then sandboxes get identities of their
 * own. User 0 of a user namespace with few ids is an ordinary user. `uidMap` is the text of `/proc/self/uid_map`.
 */
export function ownsSandboxIds(uid: number, uidMap: string): boolean {
  if (uid !== 0) return false
  return uidMap.split('\n').some((line) => {
    const [inside = Number.NaN, , count = 0] = line.trim().split(/\s+/).map(Number)
    return inside === 0 && count > RANGE_START + 2 * RANGE_SIZE + FILE_IDS
  })
}

/** A host identity for a run, from its id, so that two sandboxes at once are not the same user. */
export function identityFor(runId: string, asRoot: boolean): Identity {
  if (!asRoot) return { dropTo: undefined }
  const id = RANGE_START + hashOf(runId)
  return { dropTo: { uid: id, gid: id } }
}

/**
 * A host identity for a sandbox that stays, from its id, which nobody of `taken` has: it keeps it for its life, and files on disk belong to
 * it. From a range of its own, so that single runs do not meet it. Undefined for ordinary users, who are themselves.
 */
export function keptIdentity(id: string, asRoot: boolean, taken: () => ReadonlySet<number>): Owner | undefined {
  if (!asRoot) return undefined
  const others = taken()
  const first = hashOf(id)
  for (let step = 0; step < RANGE_SIZE; step++) {
    const uid = RANGE_START - RANGE_SIZE + ((first + step) % RANGE_SIZE)
    if (!others.has(uid)) return { uid, gid: uid }
  }
  throw new AppError('sandbox_start_failed', `${RANGE_SIZE} sandboxes are as many as have identities of their own`, {
    fix: 'Remove some that you no longer need.',
  })
}

function hashOf(id: string): number {
  let hash = 0
  for (let i = 0; i < id.length; i++) hash = (hash * 31 + id.charCodeAt(i)) % RANGE_SIZE
  return hash
}

/** User and group of a file. */
export interface Owner {
  readonly uid: number
  readonly gid: number
}

/** One line of an id map: for users, or with `groups` for groups. */
export interface IdRange {
  readonly inside: number
  readonly outside: number
  readonly count: number
  readonly groups?: true
}

/**
 * How owners of the project's files look through an id-mapped mount: the project's owner and group become the sandbox's own
 * identity, everybody else an identity that nobody has, so that group and other bits still hold.
 */
export function idMapFor(sandbox: number, owner: Owner): IdRange[] {
  return [...rangesFor(sandbox, owner.uid), ...rangesFor(sandbox, owner.gid).map((range) => ({ ...range, groups: true as const }))]
}

function rangesFor(sandbox: number, owner: number): IdRange[] {
  const strangers = RANGE_START + RANGE_SIZE
  const ranges = [
    { inside: 0, outside: strangers, count: Math.min(owner, FILE_IDS) },
    { inside: owner, outside: sandbox, count: 1 },
    { inside: owner + 1, outside: strangers + owner + 1, count: Math.max(0, FILE_IDS - owner - 1) },
  ]
  return ranges.filter((range) => range.count > 0)
}
