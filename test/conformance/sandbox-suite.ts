import { afterAll, describe, expect, test } from 'bun:test'
import type { Driver } from '../../src/drivers/driver.ts'
import { faultCases } from './cases/sandboxes/faults.ts'
import { lifecycleCases } from './cases/sandboxes/lifecycle.ts'
import { limitCases } from './cases/sandboxes/limits.ts'
import { projectCases } from './cases/sandboxes/projects.ts'
import { wallCases } from './cases/sandboxes/walls.ts'
import { badSkips, skipReason, type SuiteOptions, summary } from './driver-suite.ts'
import { type SandboxCase, withSandboxes } from './sandbox-kit.ts'

/** Every case of sandboxes that stay, in the order they run. */
export const SANDBOX_CASES: readonly SandboxCase[] = [...lifecycleCases, ...projectCases, ...faultCases, ...limitCases, ...wallCases]

/** Registers the cases of sandboxes that stay for one driver. Each gets a driver of its own. */
export async function runSandboxSuite(name: string, createDriver: () => Promise<Driver>, options: SuiteOptions): Promise<void> {
  const { facts } = await createDriver()
  describe(`driver ${name}, sandboxes that stay`, () => {
    const skipped: string[] = []
    test('every skip names a case and gives a reason', () => {
      expect(badSkips(options.skip, SANDBOX_CASES)).toEqual([])
    })
    for (const sandboxCase of SANDBOX_CASES) {
      const reason = skipReason(sandboxCase, facts, options)
      if (reason === undefined) {
        test(sandboxCase.name, () => runCase(sandboxCase, createDriver, options), options.caseTimeoutMs ?? 60_000)
      } else {
        skipped.push(reason)
        test.skip(`${sandboxCase.name} (${reason})`, () => undefined)
      }
    }
    afterAll(() => void process.stdout.write(`${summary(`${name}, sandboxes`, SANDBOX_CASES.length, skipped)}\n`))
  })
}

async function runCase(sandboxCase: SandboxCase, createDriver: () => Promise<Driver>, { leftovers }: SuiteOptions): Promise<void> {
  await withSandboxes(createDriver, sandboxCase.run)
  if (leftovers !== undefined) expect(await leftovers()).toEqual([])
}
