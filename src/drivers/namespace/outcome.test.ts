import { describe, expect, test } from 'bun:test'
import { makeSpec } from '../../../test/conformance/make-spec.ts'
import { isAppError } from '../../contract/errors.ts'
import { outcomeOf } from './outcome.ts'
import type { StatusLine } from '../shared/status-lines.ts'

type StopReason = Parameters<typeof outcomeOf>[1]

const ENOENT = 2
const EACCES = 13
const MIB = 1024 ** 2

const outcome = (lines: readonly StatusLine[], stop?: StopReason, oomKills?: number, command = ['tool']) =>
  outcomeOf(lines, stop, makeSpec({ command }), oomKills === undefined ? undefined : { oomKills, peakBytes: 5 * MIB })

function failure(line: StatusLine, command?: string[]): { code: string; message: string; fix: string } {
  try {
    outcome([line], undefined, undefined, command)
  } catch (error) {
    if (isAppError(error)) return { code: error.code, message: error.message, fix: error.fix }
    throw error
  }
  throw new Error('the line is no failure')
}

describe('a run that ended', () => {
  test.each<[StatusLine, StopReason, number | undefined, object]>([
    [{ ended: 'exited', code: 0 }, undefined, 0, { ended: 'exited', status: 0 }],
    [{ ended: 'exited', code: 255 }, undefined, 0, { ended: 'exited', status: 255 }],
    [{ ended: 'exited' }, undefined, undefined, { ended: 'exited', status: 0 }],
    [{ ended: 'signaled', code: 15 }, undefined, 0, { ended: 'signaled', signal: 15 }],
    [{ ended: 'signaled', code: 9 }, undefined, 0, { ended: 'signaled', signal: 9 }],
    [{ ended: 'signaled', code: 9 }, undefined, undefined, { ended: 'signaled', signal: 9 }],
    [{ ended: 'signaled', code: 9 }, undefined, 1, { ended: 'out_of_memory' }],
    // A child was killed for memory; what ended the command is something else.
    [{ ended: 'signaled', code: 15 }, undefined, 1, { ended: 'signaled', signal: 15 }],
    [{ ended: 'exited', code: 137 }, undefined, 1, { ended: 'exited', status: 137 }],
    [{ ended: 'signaled', code: 15 }, 'timed_out', 0, { ended: 'timed_out' }],
    [{ ended: 'exited', code: 0 }, 'canceled', 0, { ended: 'canceled' }],
  ])('with %j, stopped: %s, killed for memory: %s', (line, stop, oomKills, expected) => {
    const { notices, memoryPeakBytes, ...rest } = outcome([line], stop, oomKills)
    expect(rest as object).toEqual(expected)
    expect(notices).toEqual([])
    expect(memoryPeakBytes).toBe(oomKills === undefined ? undefined : 5 * MIB)
  })

  test('without a word is a lack of memory when the kernel killed for it, what we did when we ended it, else a failure', () => {
    expect(outcome([], undefined, 1)).toMatchObject({ ended: 'out_of_memory' })
    expect(outcome([], 'canceled', 0)).toMatchObject({ ended: 'canceled' })
    expect(outcome([], 'timed_out')).toMatchObject({ ended: 'timed_out' })
    expect(() => outcome([], undefined, 0)).toThrow('without a word')
  })

  test('has the memory of its largest process where there is no control group', () => {
    expect(outcome([{ ended: 'exited', code: 0, max_rss: 7 * MIB }]).memoryPeakBytes).toBe(7 * MIB)
    expect(outcome([{ ended: 'exited', code: 0, max_rss: 7 * MIB }], undefined, 0).memoryPeakBytes).toBe(5 * MIB)
  })

  test('is told apart from other lines', () => {
    expect(outcome([{ started: true }, { copied: true }, { ended: 'exited', code: 3 }])).toMatchObject({ status: 3 })
  })
})

describe('a run that did not start', () => {
  test.each<[StatusLine, string, RegExp]>([
    [
      { error: 'workdir', step: '/nowhere', errno: ENOENT, detail: 'no such file or directory' },
      'workdir_not_found',
      /\/nowhere: no such file/,
    ],
    [{ error: 'lookup', step: 'tool', errno: ENOENT }, 'command_not_found', /^tool: command not found$/],
    [{ error: 'exec', step: '/bin/tool', errno: ENOENT }, 'command_not_executable', /interpreter does not exist/],
    [{ error: 'exec', step: '/bin/tool', errno: 20 }, 'command_not_executable', /interpreter does not exist/],
    [{ error: 'exec', step: '/bin/tool', errno: EACCES }, 'command_not_executable', /permission denied/],
    [{ error: 'exec', step: '/bin/tool', errno: 21 }, 'command_not_executable', /is a directory/],
    [{ error: 'exec', step: '/bin/tool', errno: 8 }, 'command_not_executable', /neither a program/],
    [
      { error: 'exec', step: '/bin/tool', errno: 7, detail: 'argument list too long' },
      'command_not_executable',
      /^tool: arguments and variables are too large \(\d+ B\): the kernel gives a program about 2 MiB, and 128 KiB in one of them$/,
    ],
    [{ error: 'launch', step: 'overlay workspace', errno: 28, detail: 'no space left on device' }, 'disk_full', /overlay workspace/],
    [
      { error: 'launch', step: 'pivot root', errno: 22, detail: 'invalid argument' },
      'sandbox_start_failed',
      /pivot root: invalid argument/,
    ],
    [{ error: 'launch', step: 'user namespace', errno: 28, detail: 'no space left on device' }, 'sandbox_start_failed', /user namespaces/],
    [{ error: 'launch', step: 'plan' }, 'sandbox_start_failed', /plan: unknown error/],
  ])('because of %j is %s', (line, code, message) => {
    const found = failure(line)
    expect(found.code).toBe(code)
    expect(found.message).toMatch(message)
    expect(found.fix).toEndWith('.')
  })

  test('names the command as it was given', () => {
    expect(failure({ error: 'lookup' }, ['./tool']).message).toBe('./tool: no such file in the sandbox')
    expect(failure({ error: 'exec', errno: EACCES }, ['./tool', 'x']).message).toStartWith('./tool: ')
  })

  test('says why also when it was canceled meanwhile or something was said before', () => {
    expect(() => outcome([{ error: 'lookup' }], 'canceled')).toThrow('command not found')
    expect(() => outcome([{ copied: true }, { error: 'lookup' }])).toThrow('command not found')
  })
})
