/**
 * Classic BPF, written from the last instruction to the first. Every jump of a filter goes forward, so its target is
 * written before it and its distance is known at once: no second pass, no patching.
 *
 * One instruction is 8 bytes, little endian: `u16 code, u8 jump-if-true, u8 jump-if-false, u32 k`. A jump counts the
 * instructions it leaves out and reaches 255; `near` bridges longer ways.
 */

/** Where an instruction stands, counted from the end of the program. */
export type Label = number

const LD_W_ABS = 0x20
const ALU_AND_K = 0x54
const JMP_JA = 0x05
const RET_K = 0x06
export const JEQ = 0x15
export const JGT = 0x25
export const JGE = 0x35
export type Comparison = typeof JEQ | typeof JGT | typeof JGE

/** Short of 255 by the bridges that one comparison may put between itself and its targets. */
const REACH = 250

export class Assembler {
  // The program's last instruction first; an instruction is `#code[label]` (code and jumps) and `#k[label]`.
  readonly #code: number[] = []
  readonly #k: number[] = []
  readonly #returns = new Map<number, Label>()
  #length = 0

  /** `return value`; shared with an earlier one of the same value. */
  ret(value: number): Label {
    const known = this.#returns.get(value)
    if (known !== undefined && this.#distance(known) <= REACH) return known
    const label = this.#write(RET_K, value)
    this.#returns.set(value, label)
    return label
  }

  /** Compares the accumulator with `k`, unsigned, and goes on at `yes` or `no`. */
  jump(comparison: Comparison, k: number, yes: Label, no: Label): Label {
    const nearYes = this.#near(yes)
    const nearNo = this.#near(no)
    const end = this.#length - 1
    return this.#write(comparison | ((end - nearYes) << 16) | ((end - nearNo) << 24), k)
  }

  /** Loads the 32-bit word at `offset` of `struct seccomp_data`, keeps the bits of `mask`, and goes on at `next`. */
  load(offset: number, next: Label, mask = 0xffffffff): Label {
    this.#continueAt(next)
    if (mask !== 0xffffffff) this.#write(ALU_AND_K, mask)
    return this.#write(LD_W_ABS, offset)
  }

  /** The finished program, which starts at the instruction written last. */
  bytes(): Uint8Array {
    // Every machine we run on is little endian, so its own words are the format.
    const words = new Uint32Array(this.#length * 2)
    for (let label = this.#length - 1, at = 0; label >= 0; label--) {
      words[at++] = this.#code[label]!
      words[at++] = this.#k[label]!
    }
    return new Uint8Array(words.buffer)
  }

  #write(code: number, k: number): Label {
    this.#code.push(code)
    this.#k.push(k)
    return this.#length++
  }

  /** Instructions between the next one to be written and `target`. */
  #distance(target: Label): number {
    return this.#length - target - 1
  }

  /** Makes sure that the next instruction written falls through to `target`. */
  #continueAt(target: Label): void {
    if (this.#distance(target) > 0) this.#write(JMP_JA, this.#distance(target))
  }

  /** `target`, or an instruction in reach that leads there: a copy where it is a return, else an unconditional jump. */
  #near(target: Label): Label {
    if (this.#distance(target) <= REACH) return target
    if (this.#code[target] === RET_K) return this.ret(this.#k[target]!)
    return this.#write(JMP_JA, this.#distance(target))
  }
}
