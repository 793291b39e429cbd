import { readdirSync, readFileSync } from 'node:fs'

/** User and system time of a process so far, in ms, to a hundredth of a second; 0 when it is gone. */
export function cpuMs(pid: number): number {
  // The name before it may have spaces and brackets of its own. Fields 14 and 15 of proc(5), in hundredths of a second.
  const text = textOf(`/proc/${pid}/stat`)
  const fields = text.slice(text.lastIndexOf(') ') + 2).split(' ')
  return (Number(fields[11] ?? 0) + Number(fields[12] ?? 0)) * 10
}

/** What of a process is in memory, in MiB; 0 when it is gone. */
export function residentMiB(pid: number): number {
  return Number(/^VmRSS:\s+(\d+)/m.exec(textOf(`/proc/${pid}/status`))?.[1] ?? 0) / 1_024
}

/** Process 1 of the sandbox that `pid` has started: the helper with the network stack, below it however deep. */
export function processOne(pid: number): number | undefined {
  const parents = new Map(processes().map((each) => [each, Number(/^PPid:\s+(\d+)/m.exec(textOf(`/proc/${each}/status`))?.[1] ?? 0)]))
  const isBelow = (each: number): boolean => each === pid || (each > 1 && isBelow(parents.get(each) ?? 0))
  const isFirst = (each: number): boolean =>
    /^NSpid:.*\s1$/m.test(textOf(`/proc/${each}/status`)) && !textOf(`/proc/${each}/comm`).startsWith('bwrap')
  return [...parents.keys()].find((each) => each !== pid && isFirst(each) && isBelow(each))
}

function processes(): number[] {
  return readdirSync('/proc')
    .map(Number)
    .filter((pid) => Number.isInteger(pid))
}

function textOf(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return ''
  }
}
