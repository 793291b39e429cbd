import { AUDIT_ARCH, type SeccompArch } from '../../src/policy/seccomp/syscall-table.ts'

/** One system call as the kernel shows it to a filter. Arguments left out are 0. */
export interface Call {
  readonly arch: SeccompArch | number
  readonly number: number
  readonly args?: readonly bigint[]
}

/**
 * Runs a seccomp program as the kernel would and returns its verdict. Throws where the kernel's checker would refuse
 * the program: a jump out of it, an instruction that is not allowed, a load that is not aligned or out of bounds.
 */
export function runFilter(program: Uint8Array, call: Call): number {
  const code = new DataView(program.buffer, program.byteOffset, program.byteLength)
  const data = seccompData(call)
  let accumulator = 0
  for (let at = 0; ; at++) {
    if (at * 8 >= program.length) throw new Error(`jump out of the program to ${at}`)
    const k = code.getUint32(at * 8 + 4, true)
    const jump = (taken: boolean): number => code.getUint8(at * 8 + (taken ? 2 : 3))
    switch (code.getUint16(at * 8, true)) {
      case 0x20:
        if (k % 4 !== 0 || k >= 64) throw new Error(`load from ${k}`)
        accumulator = data.getUint32(k, true)
        break
      case 0x54:
        accumulator = (accumulator & k) >>> 0
        break
      case 0x05:
        at += k
        break
      case 0x15:
        at += jump(accumulator === k)
        break
      case 0x25:
        at += jump(accumulator > k)
        break
      case 0x35:
        at += jump(accumulator >= k)
        break
      case 0x06:
        return k
      default:
        throw new Error(`instruction ${code.getUint16(at * 8, true)} at ${at}`)
    }
  }
}

/** struct seccomp_data { int nr; u32 arch; u64 instruction_pointer; u64 args[6]; } */
function seccompData(call: Call): DataView {
  const data = new DataView(new ArrayBuffer(64))
  data.setUint32(0, call.number, true)
  data.setUint32(4, typeof call.arch === 'number' ? call.arch : AUDIT_ARCH[call.arch], true)
  for (const [i, value] of (call.args ?? []).entries()) data.setBigUint64(16 + i * 8, value, true)
  return data
}
