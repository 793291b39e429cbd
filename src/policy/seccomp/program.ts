import { Assembler, JEQ, JGE, JGT, type Label } from './assembler.ts'
import type { ArgumentTest, CallRule, WideTest, WordTest } from './rule.ts'
import { AUDIT_ARCH, type SeccompArch } from './syscall-table.ts'
import { ALLOW, ENOSYS, KILL_PROCESS, type Verdict } from './verdict.ts'

/** A filter before it is machine code. */
export interface Filter {
  readonly arch: SeccompArch
  /** Indexed by system call number, without holes. Numbers past the end fail with ENOSYS. */
  readonly calls: readonly CallRule[]
  /** As long as `calls`: a second opinion, asked where `calls` allows. */
  readonly narrowedBy?: readonly CallRule[]
}

// struct seccomp_data { int nr; u32 arch; u64 instruction_pointer; u64 args[6]; }
const NUMBER_OFFSET = 0
const ARCH_OFFSET = 4
const ARGS_OFFSET = 16

/** Set in the number of every call of the x32 ABI, which shares its architecture value with x86-64. */
const X32_BIT = 0x40000000

/** The most instructions the kernel takes. */
export const MAX_INSTRUCTIONS = 4096

/**
 * The filter as a program of `struct sock_filter`. It first kills calls of another architecture and of x32, then finds the
 * rule by binary search over the runs of numbers that share one. Calls allowed or refused by number alone read
 * nothing but number and architecture, which lets the kernel (5.11 on) answer them from a bitmap without running this.
 */
export function assemble(filter: Filter): Uint8Array {
  const assembler = new Assembler()
  const runs = runsOf(filter)
  const search = writeSearch(assembler, runs, 0, runs.length)
  // The bit is compared as "at or above", so numbers with bit 31 are killed as well; none exist.
  const numbered = filter.arch === 'x64' ? assembler.jump(JGE, X32_BIT, assembler.ret(KILL_PROCESS), search) : search
  const loaded = assembler.load(NUMBER_OFFSET, numbered)
  const checked = assembler.jump(JEQ, AUDIT_ARCH[filter.arch], loaded, assembler.ret(KILL_PROCESS))
  assembler.load(ARCH_OFFSET, checked)
  return assembler.bytes()
}

/** Neighbouring numbers with the same rules; `second` is asked where `rule` allows. */
interface Run {
  readonly first: number
  readonly rule: CallRule
  readonly second: CallRule
}

function runsOf({ calls, narrowedBy }: Filter): Run[] {
  const runs: Run[] = []
  let last: Run | undefined
  for (let first = 0; first < calls.length; first++) {
    const rule = calls[first]!
    const second = narrowedBy?.[first] ?? ALLOW
    if (last !== undefined && last.rule === rule && last.second === second) continue
    last = { first, rule, second }
    runs.push(last)
  }
  runs.push({ first: calls.length, rule: ENOSYS, second: ALLOW })
  return runs
}

function writeSearch(assembler: Assembler, runs: readonly Run[], from: number, to: number): Label {
  if (to - from === 1) return writeRun(assembler, runs[from]!)
  const middle = (from + to) >> 1
  const above = writeSearch(assembler, runs, middle, to)
  const below = writeSearch(assembler, runs, from, middle)
  return assembler.jump(JGE, runs[middle]!.first, above, below)
}

function writeRun(assembler: Assembler, { rule, second }: Run): Label {
  const mayAllow = typeof rule !== 'number' || rule === ALLOW
  return writeRule(assembler, rule, mayAllow && second !== ALLOW ? writeRule(assembler, second, undefined) : undefined)
}

function writeRule(assembler: Assembler, rule: CallRule, allowed: Label | undefined): Label {
  const target = (verdict: Verdict): Label => (verdict === ALLOW && allowed !== undefined ? allowed : assembler.ret(verdict))
  if (typeof rule === 'number') return target(rule)
  let label = target(rule.otherwise)
  for (const { when, verdict } of rule.clauses.toReversed()) {
    const failed = label
    label = target(verdict)
    for (const test of when.toReversed()) label = writeTest(assembler, test, label, failed)
  }
  return label
}

function writeTest(assembler: Assembler, test: ArgumentTest, yes: Label, no: Label): Label {
  return 'in' in test ? writeWordTest(assembler, test, yes, no) : writeWideTest(assembler, test, yes, no)
}

const wordOffset = (arg: number, word: 'low' | 'high'): number => ARGS_OFFSET + arg * 8 + (word === 'high' ? 4 : 0)

function writeWordTest(assembler: Assembler, test: WordTest, yes: Label, no: Label): Label {
  let label = no
  for (const value of test.in.toReversed()) label = assembler.jump(JEQ, value, yes, label)
  return assembler.load(wordOffset(test.arg, test.word ?? 'low'), label, test.mask)
}

function writeWideTest(assembler: Assembler, test: WideTest, yes: Label, no: Label): Label {
  const [holds, fails] = test.negate ? [no, yes] : [yes, no]
  const high = Number(test.value >> 32n)
  const low = Number(test.value & 0xffffffffn)
  const comparison = { eq: JEQ, ge: JGE, gt: JGT } as const
  const lowWord = assembler.load(wordOffset(test.arg, 'low'), assembler.jump(comparison[test.compare], low, holds, fails))
  const equalHigh = assembler.jump(JEQ, high, lowWord, fails)
  const highWord = test.compare === 'eq' ? equalHigh : assembler.jump(JGT, high, holds, equalHigh)
  return assembler.load(wordOffset(test.arg, 'high'), highWord)
}
