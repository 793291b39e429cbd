import { describe, expect, test } from 'bun:test'
import type { RunOutcome, RunSpec } from '../drivers/driver.ts'
import { exitCodeOfOutcome, sentencesAbout } from './run-report.ts'

const SPEC: RunSpec = {
  id: 'abcdefgh01234567',
  command: ['true'],
  env: {},
  callerPath: '',
  cwd: undefined,
  image: 'host',
  workspace: undefined,
  timeoutMs: 1500,
  permissions: {
    profile: 'moderate',
    network: 'none',
    networkRules: { allow: [], block: [] },
    workspace: 'none',
    mountHome: false,
    passEnv: false,
    readOnlyRoot: false,
    seccomp: 'moderate',
    memoryBytes: 64 * 1024 ** 2,
    cpus: undefined,
    pids: 64,
    tmpBytes: 1,
    tmpExec: true,
  },
}
const outcome = (parts: Omit<RunOutcome, 'notices'>, notices: readonly string[] = []): RunOutcome => ({ notices, ...parts })

describe('the exit status', () => {
  test.each([
    [{ ended: 'exited', status: 0 }, 0],
    [{ ended: 'exited', status: 255 }, 255],
    [{ ended: 'signaled', signal: 15 }, 143],
    [{ ended: 'signaled', signal: 2 }, 130],
    [{ ended: 'out_of_memory' }, 137],
    [{ ended: 'timed_out' }, 124],
    [{ ended: 'canceled' }, 130],
  ] as const)('of %j is %d', (parts, status) => {
    expect(exitCodeOfOutcome(outcome(parts))).toBe(status)
  })
})

describe('after the command', () => {
  const say = (parts: Omit<RunOutcome, 'notices'>, notices?: readonly string[]) => sentencesAbout(outcome(parts, notices), SPEC, 1610)

  test.each([
    { ended: 'exited', status: 0 },
    { ended: 'exited', status: 1 },
    { ended: 'canceled' },
    { ended: 'signaled', signal: 2 },
    { ended: 'signaled', signal: 13 },
    { ended: 'exited', status: 0, changedFiles: 0 },
  ] as const)('nothing is said about %j', (parts) => {
    expect(say(parts)).toEqual([])
  })

  test('a time limit names what was used, the limit and its flag', () => {
    expect(say({ ended: 'timed_out' })).toEqual(['stopped after 1.6 s; its time limit was 1.5 s (--timeout).'])
  })

  test('a lack of memory names the limit, what was used where that is known, and its flag', () => {
    expect(say({ ended: 'out_of_memory' })).toEqual(['killed: out of memory at the limit of 64 MiB. Give it more with --memory.'])
    expect(say({ ended: 'out_of_memory', memoryPeakBytes: 63 * 1024 ** 2 })[0]).toContain('(it had used 63 MiB)')
  })

  test('another signal is named', () => {
    expect(say({ ended: 'signaled', signal: 11 })).toEqual(['the command was ended by SIGSEGV.'])
  })

  test('lost changes are counted, with the way to keep them', () => {
    expect(say({ ended: 'exited', status: 0, changedFiles: 1 })[0]).toMatch(/^1 changed file in .*--workspace mount/)
    expect(say({ ended: 'exited', status: 0, changedFiles: 7 })[0]).toMatch(/^7 changed files in /)
  })

  test("the driver's own notices come first", () => {
    expect(say({ ended: 'signaled', signal: 9 }, ['weak here.'])).toEqual(['weak here.', 'the command was ended by SIGKILL.'])
  })
})
