/** What a filter returns for a call: a `SECCOMP_RET_*` action with its data in the low 16 bits. */
export type Verdict = number

export const KILL_THREAD: Verdict = 0x00000000
export const KILL_PROCESS: Verdict = 0x80000000
export const TRAP: Verdict = 0x00030000
export const LOG: Verdict = 0x7ffc0000
export const ALLOW: Verdict = 0x7fff0000

/** The call fails with this errno. Range 1–4095; the kernel reads anything above as 4095. */
export function errno(number: number): Verdict {
  return 0x00050000 | number
}

// Errno numbers, the same on every architecture we filter for.
export const EPERM: Verdict = errno(1)
export const ENOSYS: Verdict = errno(38)
export const EPROTONOSUPPORT: Verdict = errno(93)
export const EAFNOSUPPORT: Verdict = errno(97)

/** Orders verdicts as the kernel does when several filters answer: the smaller number is the stricter. */
export function strictness(verdict: Verdict): number {
  // The kernel compares the action as a signed number, which puts KILL_PROCESS (bit 31) first.
  return (verdict & 0xffff0000) | 0
}
