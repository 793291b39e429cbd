import { describe, expect, test } from 'bun:test'
import fc from 'fast-check'
import { identityFor, idMapFor, keptIdentity, ownsSandboxIds } from './identity.ts'

const runId = fc.stringMatching(/^[0-9a-z]{16}$/)
/** Owners of ordinary files, with the ends, and owners from beyond. */
const owner = fc.oneof(
  fc.integer({ min: 0, max: 65_535 }),
  fc.constantFrom(0, 1, 65_534, 65_535),
  fc.integer({ min: 65_536, max: 2 ** 31 }),
)

describe('an identity', () => {
  test('of a user is their own', () => {
    expect(identityFor('abcdefgh01234567', false)).toEqual({ dropTo: undefined })
  })

  test('of root is one that no system gives to anybody, the same for each run id', () => {
    fc.assert(
      fc.property(runId, (id) => {
        const { dropTo } = identityFor(id, true)
        expect(dropTo).toEqual(identityFor(id, true).dropTo!)
        expect(dropTo!.uid).toBe(dropTo!.gid)
        expect(dropTo!.uid).toBeGreaterThanOrEqual(900_000_000)
        expect(dropTo!.uid).toBeLessThan(900_000_000 + 65_536)
      }),
    )
  })

  test('of two runs is seldom the same', () => {
    // As random as real ids, and the same each time.
    const ids = Array.from({ length: 200 }, (_, i) => new Bun.CryptoHasher('sha256').update(`${i}`).digest('hex').slice(0, 16))
    expect(new Set(ids.map((id) => identityFor(id, true).dropTo?.uid)).size).toBeGreaterThan(190)
  })
})

describe('the identity of a sandbox that stays', () => {
  const nobody = (): ReadonlySet<number> => new Set()

  test('of a user is their own', () => {
    expect(keptIdentity('any', false, nobody)).toBeUndefined()
  })

  test('of root is the same for each id, and never that of a single run', () => {
    fc.assert(
      fc.property(fc.uuid(), runId, (id, run) => {
        const kept = keptIdentity(id, true, nobody)!
        expect(kept).toEqual(keptIdentity(id, true, nobody)!)
        expect(kept.uid).toBe(kept.gid)
        expect(kept.uid).toBeLessThan(900_000_000)
        expect(kept.uid).toBeGreaterThanOrEqual(900_000_000 - 65_536)
        expect(identityFor(run, true).dropTo!.uid).not.toBe(kept.uid)
      }),
    )
  })

  test('is nobody else’s, also at the end of the range', () => {
    const taken = new Set<number>()
    for (let i = 0; i < 1000; i++) {
      const { uid } = keptIdentity('same', true, () => taken)!
      expect(taken.has(uid)).toBe(false)
      taken.add(uid)
    }
    const all = new Set(Array.from({ length: 65_536 }, (_, i) => 900_000_000 - 65_536 + i))
    expect(() => keptIdentity('one-too-many', true, () => all)).toThrow('identities')
    all.delete(900_000_000 - 65_536)
    expect(keptIdentity('the-last', true, () => all)).toEqual({ uid: 900_000_000 - 65_536, gid: 900_000_000 - 65_536 })
  })
})

describe('ids of their own for sandboxes', () => {
  test.each([
    [0, '         0          0 4294967295\n', true],
    [0, '0 100000 4294867295\n', true],
    [1000, '0 0 4294967295\n', false],
    [0, '         0       1000          1\n', false],
    [0, '0 100000 65536\n', false],
    [0, '0 1000 1\n1 100000 65536\n', false],
    [0, '1000 0 4294967295\n', false],
    [0, '', false],
    [0, 'no map at all', false],
  ])('user %d with the map %j: %p', (uid, map, owns) => {
    expect(ownsSandboxIds(uid, map)).toBe(owns)
  })

  test('cover everything that an id map then uses', () => {
    fc.assert(
      fc.property(runId, owner, (id, whose) => {
        const highest = Math.max(
          ...idMapFor(identityFor(id, true).dropTo!.uid, { uid: whose, gid: 0 }).map((range) => range.outside + range.count),
        )
        expect(ownsSandboxIds(0, `0 0 ${highest - 1}`)).toBe(false)
      }),
    )
    expect(ownsSandboxIds(0, '0 0 1000000000')).toBe(true)
  })
})

describe('the id map of the project', () => {
  const maps = fc.tuple(runId, owner).map(([id, whose]) => {
    const sandbox = identityFor(id, true).dropTo!.uid
    // Users and groups are mapped alike, each by their own owner.
    return { sandbox, whose, ranges: idMapFor(sandbox, { uid: whose, gid: 7 }).filter((range) => range.groups === undefined) }
  })
  const holds = (start: number, count: number, id: number): boolean => id >= start && id < start + count

  test('maps the group of the project by itself', () => {
    expect(idMapFor(900_000_001, { uid: 1000, gid: 100 })).toContainEqual({ inside: 100, outside: 900_000_001, count: 1, groups: true })
    expect(idMapFor(900_000_001, { uid: 1000, gid: 100 })).toContainEqual({ inside: 1000, outside: 900_000_001, count: 1 })
  })

  test('gives every ordinary owner, and the project’s, exactly one identity', () => {
    fc.assert(
      fc.property(maps, fc.nat(65_535), ({ whose, ranges }, file) => {
        for (const id of [file, whose, 0, 65_535]) {
          expect(ranges.filter((range) => holds(range.inside, range.count, id))).toHaveLength(1)
        }
      }),
    )
  })

  test('covers nothing twice on either side, and has no empty line', () => {
    fc.assert(
      fc.property(maps, ({ ranges }) => {
        for (const side of ['inside', 'outside'] as const) {
          const sorted = ranges.toSorted((a, b) => a[side] - b[side])
          sorted.slice(1).forEach((range, i) => expect(range[side]).toBeGreaterThanOrEqual(sorted[i]![side] + sorted[i]!.count))
        }
        for (const range of ranges) expect(range.count).toBeGreaterThan(0)
      }),
    )
  })

  test("shows the project's owner as the sandbox and nobody else as it", () => {
    fc.assert(
      fc.property(maps, fc.nat(65_535), ({ sandbox, whose, ranges }, file) => {
        const seen = (id: number): number => {
          const range = ranges.find((candidate) => holds(candidate.inside, candidate.count, id))!
          return range.outside + id - range.inside
        }
        expect(seen(whose)).toBe(sandbox)
        if (file === whose) return
        // Beyond the identities that any sandbox may have.
        expect(seen(file)).toBeGreaterThanOrEqual(900_000_000 + 65_536)
      }),
    )
  })
})
