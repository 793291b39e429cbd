import { afterAll, describe, expect, test } from 'bun:test'
import type { Driver } from '../../src/drivers/driver.ts'
import { endCases } from './cases/ends.ts'
import { environmentCases } from './cases/environment.ts'
import { fileCases } from './cases/files.ts'
import { lifetimeCases } from './cases/lifetime.ts'
import { limitCases } from './cases/limits.ts'
import { networkCases } from './cases/network.ts'
import { streamCases } from './cases/streams.ts'
import { workspaceCases } from './cases/workspace.ts'
import type { ConformanceCase } from './kit.ts'
import { withKit } from './kit.ts'

/** Every case, in the order they run. */
export const CASES: readonly ConformanceCase[] = [
  ...endCases,
  ...streamCases,
  ...environmentCases,
  ...lifetimeCases,
  ...fileCases,
  ...networkCases,
  ...limitCases,
  ...workspaceCases,
]

export interface SuiteOptions {
  /** Cases this driver cannot pass, by name, each with the reason. A name that no case has fails the suite. */
  readonly skip: Readonly<Record<string, string>>
  /** Names what runs left behind on the host (processes, mounts, cgroups, files); looked at after every case. */
  readonly leftovers?: () => Promise<readonly string[]>
  /** Time limit of one case, in ms. @default 30000 */
  readonly caseTimeoutMs?: number
}

/**
 * Registers the conformance suite for one driver. Each case gets a driver of its own. Skipped cases stay visible: as
 * skipped tests and in one closing line with their reasons.
 */
export function runDriverSuite(name: string, createDriver: () => Driver, options: SuiteOptions): void {
  describe(`driver ${name}`, () => {
    const { facts } = createDriver()
    const skipped: string[] = []
    test('every skip names a case and gives a reason', () => {
      expect(badSkips(options.skip)).toEqual([])
    })
    for (const conformanceCase of CASES) {
      const reason = skipReason(conformanceCase, facts, options)
      if (reason === undefined) {
        test(conformanceCase.name, () => runCase(conformanceCase, createDriver(), options), options.caseTimeoutMs ?? 30_000)
      } else {
        skipped.push(reason)
        test.skip(`${conformanceCase.name} (${reason})`, () => undefined)
      }
    }
    afterAll(() => void process.stdout.write(`${summary(name, CASES.length, skipped)}\n`))
  })
}

async function runCase(conformanceCase: ConformanceCase, driver: Driver, { leftovers }: SuiteOptions): Promise<void> {
  await withKit(driver, conformanceCase.run)
  if (leftovers !== undefined) expect(await leftovers()).toEqual([])
}

/** What is wrong with a table of skips; empty when nothing is. */
export function badSkips(skip: SuiteOptions['skip'], cases: readonly { readonly name: string }[] = CASES): readonly string[] {
  const names = new Set(cases.map((each) => each.name))
  return Object.entries(skip).flatMap(([name, reason]) => {
    if (!names.has(name)) return [`no case is called "${name}"`]
    return reason.trim() === '' ? [`no reason for "${name}"`] : []
  })
}

/** Why a case is not run for a driver; undefined when it is. */
export function skipReason(
  { name, claim }: Pick<ConformanceCase, 'name' | 'claim'>,
  facts: Driver['facts'],
  { skip }: SuiteOptions,
): string | undefined {
  if (Object.hasOwn(skip, name)) return skip[name]
  return claim === undefined || claim.made(facts) ? undefined : `the driver does not claim that ${claim.says}`
}

/** The count of cases run and skipped, and for each reason how many it skipped; the names are those of the skipped tests. */
export function summary(name: string, cases: number, reasons: readonly string[]): string {
  const counts = new Map<string, number>()
  for (const reason of reasons) counts.set(reason, (counts.get(reason) ?? 0) + 1)
  const lines = [...counts].map(([reason, count]) => `  ${count} skipped: ${reason}`)
  return [`driver ${name}: ${cases - reasons.length} conformance cases run, ${reasons.length} skipped`, ...lines].join('\n')
}
