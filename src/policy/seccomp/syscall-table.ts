import { SYSCALLS_ARM64 } from './syscalls-arm64.ts'
import { SYSCALLS_X64 } from './syscalls-x64.ts'

/** A machine we make filters for, named as `process.arch` names it. */
export type SeccompArch = 'x64' | 'arm64'

/** `AUDIT_ARCH_*`: the architecture the kernel reports with each call (ELF machine, 64-bit and little-endian bits). */
export const AUDIT_ARCH: Readonly<Record<SeccompArch, number>> = { x64: 0xc000003e, arm64: 0xc00000b7 }

/** Every system call of `arch` by name. */
export function syscallTable(arch: SeccompArch): ReadonlyMap<string, number> {
  const table = new Map<string, number>()
  const list = words(arch === 'x64' ? SYSCALLS_X64 : SYSCALLS_ARM64)
  let number = 0
  for (let i = 0; i < list.length; i++) {
    const word = list[i]!
    if (word === '') continue
    // Names start with a letter or an underscore, so a word below ':' is the number a line starts with.
    if (word < ':') number = Number(word)
    else table.set(word, number++)
  }
  return table
}

/**
 * The words of a text that spaces and line ends part, with empty ones between two of these in a row. Plain splitting
 * and counting loops, here and where the result is used: every `run` pays for them once, before any of it is compiled.
 */
export function words(text: string): string[] {
  return text.replaceAll('\n', ' ').split(' ')
}
