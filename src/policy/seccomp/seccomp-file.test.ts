import { describe, expect, test } from 'bun:test'
import fc from 'fast-check'
import { isAppError } from '../../contract/errors.ts'
import { runFilter } from '../../../test/support/bpf-machine.ts'
import { compileSeccomp, compileSeccompFile } from './compile.ts'
import { parseSeccompFile } from './seccomp-file.ts'
import { syscallTable } from './syscall-table.ts'
import { ALLOW, ENOSYS, EPERM, errno, KILL_PROCESS, KILL_THREAD, LOG, strictness, TRAP } from './verdict.ts'

const compile = (file: unknown) => compileSeccompFile(JSON.stringify(file), 'own.json', 'x64')

/** The verdict of a file on a call by name. */
function verdict(file: unknown, name: string, ...args: readonly (number | bigint)[]): number {
  return runFilter(compile(file), { arch: 'x64', number: syscallTable('x64').get(name) ?? -1, args: args.map(BigInt) })
}

/** The message of the error that a file makes, with its code checked. */
function complaint(text: string): string {
  try {
    compileSeccompFile(text, 'own.json', 'x64')
  } catch (error) {
    if (isAppError(error, 'config_invalid')) return error.message
    throw error
  }
  return 'no error'
}

const allowing = (entries: readonly unknown[]) => ({ defaultAction: 'SCMP_ACT_ALLOW', syscalls: entries })
const denying = (entries: readonly unknown[]) => ({ defaultAction: 'SCMP_ACT_ERRNO', syscalls: entries })

describe('a seccomp file', () => {
  test('allows what it lists and refuses the rest', () => {
    const file = denying([{ names: ['read', 'write', 'mmap2'], action: 'SCMP_ACT_ALLOW' }])
    expect([verdict(file, 'read'), verdict(file, 'open')]).toEqual([ALLOW, EPERM])
  })

  test('gives refusals its own errno or action', () => {
    const file = {
      defaultAction: 'SCMP_ACT_ERRNO',
      defaultErrnoRet: 38,
      syscalls: [
        { name: 'read', action: 'SCMP_ACT_KILL_PROCESS' },
        { names: ['write'], action: 'SCMP_ACT_ERRNO', errno: 'EACCES' },
        { names: ['close'], action: 'SCMP_ACT_LOG', args: null, comment: 'seen', includes: {}, excludes: {} },
        { names: ['dup'], action: 'SCMP_ACT_TRAP' },
        { names: ['dup2'], action: 'SCMP_ACT_KILL' },
      ],
    }
    expect(['open', 'read', 'write', 'close', 'dup', 'dup2'].map((name) => verdict(file, name))).toEqual([
      errno(38),
      KILL_PROCESS,
      errno(13),
      LOG,
      TRAP,
      KILL_THREAD,
    ])
  })

  test('cannot allow what the widest profile refuses', () => {
    const file = allowing([{ names: ['mount', 'clone3', 'ioctl', 'clone', 'unshare', 'socket'], action: 'SCMP_ACT_ALLOW' }])
    expect(['mount', 'unshare', 'bpf', 'io_uring_setup'].map((name) => verdict(file, name))).toEqual([EPERM, EPERM, EPERM, EPERM])
    expect(verdict(file, 'clone3')).toBe(ENOSYS)
    expect(verdict(file, 'clone', 0x10000000)).toBe(EPERM)
    expect(verdict(file, 'ioctl', 0, (7n << 32n) | 0x5412n)).toBe(EPERM)
    expect(verdict(file, 'socket', 17, 3, 0)).toBe(EPERM)
    expect(runFilter(compile(file), { arch: 0x40000003, number: 0 })).toBe(KILL_PROCESS)
    expect(runFilter(compile(file), { arch: 'x64', number: 0x40000001 })).toBe(KILL_PROCESS)
    expect(runFilter(compile(file), { arch: 'x64', number: 600 })).toBe(ENOSYS)
  })

  test('narrows a call that the widest profile allows with some arguments', () => {
    const file = allowing([{ names: ['socket'], action: 'SCMP_ACT_ERRNO', args: [{ index: 0, value: 2, op: 'SCMP_CMP_EQ' }] }])
    expect([verdict(file, 'socket', 2, 1), verdict(file, 'socket', 10, 1), verdict(file, 'socket', 1, 1)]).toEqual([EPERM, ALLOW, ALLOW])
  })

  test('lets the strictest of the matching entries decide, in any order', () => {
    const entries = [
      { names: ['read'], action: 'SCMP_ACT_ALLOW' },
      { names: ['read'], action: 'SCMP_ACT_ERRNO', args: [{ index: 0, value: 9, op: 'SCMP_CMP_EQ' }] },
      { names: ['read'], action: 'SCMP_ACT_KILL_PROCESS', args: [{ index: 2, value: 1, op: 'SCMP_CMP_GE' }] },
    ]
    for (const file of [allowing(entries), allowing(entries.toReversed())]) {
      expect(verdict(file, 'read', 1, 0, 0)).toBe(ALLOW)
      expect(verdict(file, 'read', 9, 0, 0)).toBe(EPERM)
      expect(verdict(file, 'read', 9, 0, 5)).toBe(KILL_PROCESS)
    }
  })

  test('asks for all arguments of an entry', () => {
    const args = [
      { index: 0, value: 1, op: 'SCMP_CMP_EQ' },
      { index: 1, value: 2, op: 'SCMP_CMP_EQ' },
    ]
    const file = denying([{ names: ['read'], action: 'SCMP_ACT_ALLOW', args }])
    expect([verdict(file, 'read', 1, 2), verdict(file, 'read', 1, 3), verdict(file, 'read', 0, 2)]).toEqual([ALLOW, EPERM, EPERM])
  })

  test('leaves out entries for capabilities, other machines and newer kernels', () => {
    const text = JSON.stringify(
      denying([
        { names: ['read'], action: 'SCMP_ACT_ALLOW', includes: { caps: ['CAP_SYS_ADMIN'] } },
        { names: ['write'], action: 'SCMP_ACT_ALLOW', excludes: { caps: ['CAP_SYS_ADMIN'] } },
        { names: ['open'], action: 'SCMP_ACT_ALLOW', includes: { arches: ['arm64'] } },
        { names: ['close'], action: 'SCMP_ACT_ALLOW', includes: { arches: ['amd64', 'x32'] } },
        { names: ['dup'], action: 'SCMP_ACT_ALLOW', includes: { minKernel: '4.8' } },
        { names: ['dup2'], action: 'SCMP_ACT_ALLOW', includes: { minKernel: '6.20' } },
      ]),
    )
    const { calls } = parseSeccompFile(text, 'own.json', 'x64', () => '6.9.12-amd64')
    expect(Object.fromEntries(calls)).toEqual({ 1: ALLOW, 3: ALLOW, 32: ALLOW })
  })
})

describe('a comparison in a seccomp file', () => {
  const holds: Readonly<Record<string, (a: bigint, value: bigint) => boolean>> = {
    SCMP_CMP_EQ: (a, value) => a === value,
    SCMP_CMP_NE: (a, value) => a !== value,
    SCMP_CMP_LT: (a, value) => a < value,
    SCMP_CMP_LE: (a, value) => a <= value,
    SCMP_CMP_GT: (a, value) => a > value,
    SCMP_CMP_GE: (a, value) => a >= value,
  }
  const near = (value: number) =>
    fc.oneof(
      fc.bigInt(0n, 2n ** 64n - 1n),
      fc.bigInt(-1n, 1n).map((step) => BigInt.asUintN(64, BigInt(value) + step)),
    )
  const values = fc.oneof(fc.nat(0xffffffff), fc.maxSafeNat())
  const cases = values.chain((value) => fc.tuple(fc.constant(value), near(value), fc.nat(5)))

  test.each(Object.keys(holds))('%s compares all 64 bits, unsigned', (op) => {
    fc.assert(
      fc.property(cases, ([value, argument, index]) => {
        const args = Array.from({ length: 6 }, (_, i) => (i === index ? argument : 0n))
        const file = denying([{ names: ['read'], action: 'SCMP_ACT_ALLOW', args: [{ index, value, op }] }])
        expect(verdict(file, 'read', ...args)).toBe(holds[op]?.(argument, BigInt(value)) === true ? ALLOW : EPERM)
      }),
    )
  })

  test('SCMP_CMP_MASKED_EQ masks with the first value and compares with the second', () => {
    fc.assert(
      fc.property(fc.maxSafeNat(), fc.maxSafeNat(), fc.bigInt(0n, 2n ** 64n - 1n), fc.boolean(), (mask, other, argument, matching) => {
        const wanted = matching ? Number(argument & BigInt(mask)) : other
        const args = [{ index: 0, value: mask, valueTwo: wanted, op: 'SCMP_CMP_MASKED_EQ' }]
        const file = denying([{ names: ['read'], action: 'SCMP_ACT_ALLOW', args }])
        expect(verdict(file, 'read', argument)).toBe((argument & BigInt(mask)) === BigInt(wanted) ? ALLOW : EPERM)
      }),
    )
  })
})

describe('a seccomp file that is not understood is an error that says where', () => {
  const entry = (more: object) => JSON.stringify(allowing([{ names: ['read'], action: 'SCMP_ACT_ERRNO', ...more }]))
  const args = (...list: readonly object[]) => entry({ args: list })
  const CASES: readonly (readonly [string, string])[] = [
    ['{', 'own.json: not a JSON file: '],
    ['[]', 'own.json: expected an object, found []'],
    ['{}', 'own.json: defaultAction: expected a string, found nothing'],
    ['{"defaultAction":"SCMP_ACT_ALOW"}', 'own.json: defaultAction: "SCMP_ACT_ALOW" is not supported; known: SCMP_ACT_ALLOW, '],
    ['{"defaultAction":"SCMP_ACT_TRACE"}', '"SCMP_ACT_TRACE" is not supported'],
    ['{"defaultAction":"SCMP_ACT_ALLOW","syscals":[]}', 'own.json: unknown key "syscals", did you mean "syscalls"?'],
    ['{"defaultAction":"SCMP_ACT_ALLOW","syscalls":{}}', 'own.json: syscalls: expected a list, found {}'],
    ['{"defaultAction":"SCMP_ACT_ALLOW","defaultErrnoRet":1}', 'own.json: defaultErrnoRet: goes with SCMP_ACT_ERRNO only'],
    ['{"defaultAction":"SCMP_ACT_ALLOW","flags":["SECCOMP_FILTER_FLAG_LOG"]}', 'own.json: flags[0]: this flag is not supported'],
    ['{"defaultAction":"SCMP_ACT_ALLOW","listenerPath":"/x"}', 'own.json: unknown key "listenerPath"'],
    ['{"defaultAction":"SCMP_ACT_ALLOW","architectures":["SCMP_ARCH_AARCH64"]}', 'own.json: architectures: SCMP_ARCH_X86_64 is not listed'],
    [entry({ names: [] }), 'own.json: syscalls[0]: names no system call'],
    [entry({ names: ['ptrcae'] }), 'own.json: syscalls[0].names[0]: no system call has the name "ptrcae", did you mean "ptrace"?'],
    [entry({ errnoRet: 4096 }), 'own.json: syscalls[0].errnoRet: expected a number up to 4095, found 4096'],
    [entry({ errnoRet: 1, errno: 'ENOSYS' }), 'own.json: syscalls[0].errnoRet: differs from ENOSYS, which is 38'],
    [entry({ includes: { minKernel: 'six' } }), 'own.json: syscalls[0].includes.minKernel: expected a version'],
    [args({ index: 6, value: 1, op: 'SCMP_CMP_EQ' }), 'own.json: syscalls[0].args[0].index: expected a number up to 5, found 6'],
    [args({ index: 0, value: -1, op: 'SCMP_CMP_EQ' }), 'own.json: syscalls[0].args[0].value: expected a whole number, found -1'],
    [args({ index: 0, value: 2 ** 60, op: 'SCMP_CMP_EQ' }), 'own.json: syscalls[0].args[0].value: expected a number up to'],
    [args({ index: 0, value: 1, op: '==' }), 'own.json: syscalls[0].args[0].op: "==" is not supported'],
    [
      args({ index: 0, value: 1, op: 'SCMP_CMP_GE' }, { index: 0, value: 9, op: 'SCMP_CMP_LE' }),
      'own.json: syscalls[0].args[1]: argument 0 is compared twice in one entry',
    ],
  ]
  test.each(CASES)('%s', (text, expected) => {
    expect(complaint(text)).toContain(expected)
  })

  test('also when it is too long to read or too long for the kernel', () => {
    expect(complaint(' '.repeat(1024 * 1024 + 1))).toContain('own.json: a seccomp file may have 1048576 characters')
    const entries = Array.from({ length: 2000 }, (_, value) => ({
      names: ['read'],
      action: 'SCMP_ACT_ERRNO',
      args: [{ index: 0, value, op: 'SCMP_CMP_EQ' }],
    }))
    expect(complaint(JSON.stringify(allowing(entries)))).toMatch(/^own.json: the filter has \d+ instructions, the kernel takes 4096$/)
  })

  test('an unknown name may be allowed, since a newer kernel may have it', () => {
    expect(complaint(JSON.stringify(denying([{ names: ['brand_new_call'], action: 'SCMP_ACT_ALLOW' }])))).toBe('no error')
  })

  test('whatever the JSON is, the answer is a program or config_invalid', () => {
    fc.assert(fc.property(fc.json(), (text) => expect(complaint(text)).toStartWith('own.json: ')))
  })
})

const names = fc.constantFrom('read', 'openat', 'clone', 'ioctl', 'socket', 'mknod', 'mount', 'clone3', 'futex', 'keyctl')
const actions = fc.constantFrom('SCMP_ACT_ALLOW', 'SCMP_ACT_ERRNO', 'SCMP_ACT_KILL_PROCESS', 'SCMP_ACT_LOG')
const operators = fc.constantFrom('SCMP_CMP_EQ', 'SCMP_CMP_NE', 'SCMP_CMP_LT', 'SCMP_CMP_GE', 'SCMP_CMP_MASKED_EQ')
const comparison = fc.record({ index: fc.nat(2), value: fc.nat(40), valueTwo: fc.nat(3), op: operators })
const entry = fc.record({
  names: fc.array(names, { minLength: 1, maxLength: 3 }),
  action: actions,
  args: fc.uniqueArray(comparison, { maxLength: 3, selector: ({ index }) => index }),
})

test('no file ever widens the profile `default`', () => {
  const widest = compileSeccomp('default', 'x64')
  const table = syscallTable('x64')
  const args = fc.array(fc.oneof(fc.bigInt(0n, 40n), fc.bigInt(0n, 2n ** 64n - 1n)), { minLength: 3, maxLength: 3 })
  fc.assert(
    fc.property(actions, fc.array(entry, { maxLength: 60 }), names, args, (defaultAction, syscalls, name, values) => {
      const call = { arch: 'x64', number: table.get(name) ?? -1, args: values } as const
      const [own, base] = [runFilter(compile({ defaultAction, syscalls }), call), runFilter(widest, call)]
      expect(strictness(own)).toBeLessThanOrEqual(strictness(base))
      if (base !== ALLOW) expect(own).toBe(base)
    }),
  )
})

test('long filters jump right: each of 400 calls with its own rule', () => {
  const calls = [...syscallTable('x64')].filter(([name]) => name !== 'clone3')
  const syscalls = calls.map(([name, number]) => ({
    names: [name],
    action: 'SCMP_ACT_ERRNO',
    errnoRet: 1000 + number,
    args: [{ index: 5, value: number, op: 'SCMP_CMP_EQ' }],
  }))
  const [own, widest] = [compile(allowing(syscalls)), compileSeccomp('default', 'x64')]
  expect(own.length / 8).toBeGreaterThan(1000)
  for (const [, number] of calls) {
    const call = { arch: 'x64', number } as const
    const hit = { ...call, args: [0n, 0n, 0n, 0n, 0n, BigInt(number)] }
    const base = runFilter(widest, hit)
    expect(runFilter(own, hit)).toBe(base === ALLOW ? errno(1000 + number) : base)
    const miss = { ...call, args: [0n, 0n, 0n, 0n, 0n, 999n] }
    expect(runFilter(own, miss)).toBe(runFilter(widest, miss))
  }
})
