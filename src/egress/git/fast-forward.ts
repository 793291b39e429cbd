import { type PackCommits, readPackCommits } from './pack-commits.ts'
import type { PushCommand } from './push-commands.ts'

/**
 * Which of these updates are shown by the pack itself to be fast-forwards: a chain of commits in it leads from the new one to the old.
 * That is a proof, for the id of a commit is the hash of its text, parents included. Gives why not, for each ref that is none.
 */
export async function notFastForward(pack: Uint8Array, updates: readonly PushCommand[]): Promise<Map<string, string>> {
  const reasons = new Map<string, string>()
  const first = updates[0]
  if (first === undefined) return reasons
  const commits = await readPackCommits(pack, first.new.length === 64 ? 'sha256' : 'sha1')
  for (const { ref, old, new: next } of updates) {
    const reason = typeof commits === 'string' ? commits : follow(commits, next, old)
    if (reason !== undefined) reasons.set(ref, reason)
  }
  return reasons
}

function follow({ parents, isWhole }: PackCommits, from: string, to: string): string | undefined {
  if (from === to) return undefined
  const seen = new Set<string>([from])
  const open = [from]
  for (let id = open.pop(); id !== undefined; id = open.pop()) {
    for (const parent of parents.get(id) ?? []) {
      if (parent === to) return undefined
      if (seen.has(parent)) continue
      seen.add(parent)
      open.push(parent)
    }
  }
  if (!parents.has(from)) return 'no fast-forward that can be seen: the push does not bring the new commit along'
  return isWhole ? 'no fast-forward' : 'no fast-forward that can be seen: some of its commits cannot be read'
}
