import { describe, expect, test } from 'bun:test'
import { createFakeDriver } from '../../src/drivers/fake/index.ts'
import type { FakeDriverOptions } from '../../src/drivers/fake/index.ts'
import { badSkips, CASES } from './driver-suite.ts'
import { withKit } from './kit.ts'

/** Runs one case by name over a fake with the given knobs. */
async function attempt(name: string, options: FakeDriverOptions): Promise<void> {
  const found = CASES.find((conformanceCase) => conformanceCase.name === name)
  if (found === undefined) throw new Error(`no case is called "${name}"`)
  await withKit(createFakeDriver(options), found.run)
}

describe('the conformance suite', () => {
  test('no two cases share a name', () => {
    const names = CASES.map((conformanceCase) => conformanceCase.name)
    expect(new Set(names).size).toBe(names.length)
  })

  test('a skip of a case that does not exist is reported', () => {
    expect(badSkips({ 'no such case': 'because' })).toEqual(['no case is called "no such case"'])
  })

  test('a skip without a reason is reported', () => {
    expect(badSkips({ [CASES[0]!.name]: ' ' })).toEqual([`no reason for "${CASES[0]!.name}"`])
  })

  const faults: readonly (readonly [name: string, options: FakeDriverOptions])[] = [
    ['exit status 42 arrives as it is', { exitCode: 41 }],
    ['exit status 0 arrives as it is', { killedBy: 9 }],
    ['standard output and standard error stay apart', { output: 'outerr' }],
    ['a mebibyte of any bytes goes in and comes out unchanged', { output: 'other bytes' }],
    ['a command that does not exist is command_not_found', { exitCode: 127 }],
    ['a folder is command_not_executable', { failStart: 'command_not_found' }],
    ['the time limit ends a command', { exitCode: 0 }],
    ['a caller that gives up ends the run as canceled', { output: 'ready' }],
    ['SIGTERM reaches a command that handles it', { output: 'ready', hangUntilSignal: true }],
    ['recovering when nothing was left behind finds nothing, again and again', { leaveTrace: true }],
    ['probing finds the driver usable, twice', { unusable: 'broken' }],
    ['twenty runs at once all end with their own output and status', { output: 'run 1\n' }],
  ]
  for (const [name, options] of faults) {
    test(`"${name}" fails over a driver with ${JSON.stringify(options)}`, async () => {
      await expect(attempt(name, options)).rejects.toThrow()
    })
  }
})
