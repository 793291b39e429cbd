import { formatByteSize } from '../lib/byte-size.ts'
import { signalName } from '../lib/signals.ts'
import { unreachable } from '../lib/unreachable.ts'
import type { RunOutcome, RunSpec } from '../drivers/driver.ts'

const SIGKILL = 9
const SIGINT = 2
const SIGPIPE = 13
/** Ends that the user caused and expects, so that a sentence would only disturb: Ctrl-C, and `| head`. */
const UNREMARKABLE: readonly number[] = [SIGINT, SIGPIPE]

/** The exit status a shell would report for an outcome. */
export function exitCodeOfOutcome(outcome: RunOutcome): number {
  switch (outcome.ended) {
    case 'exited':
      return outcome.status ?? 0
    case 'signaled':
      return 128 + (outcome.signal ?? SIGKILL)
    case 'out_of_memory':
      return 128 + SIGKILL
    case 'timed_out':
      return 124
    case 'canceled':
      return 128 + SIGINT
    default:
      return unreachable(outcome.ended)
  }
}

/** What to tell the user after the command's own output. */
export function sentencesAbout(outcome: RunOutcome, spec: RunSpec, durationMs: number): string[] {
  const sentences = [...outcome.notices]
  if (outcome.ended === 'timed_out')
    sentences.push(`stopped after ${(durationMs / 1000).toFixed(1)} s; its time limit was ${(spec.timeoutMs ?? 0) / 1000} s (--timeout).`)
  if (outcome.ended === 'out_of_memory') {
    const peak = outcome.memoryPeakBytes === undefined ? '' : ` (it had used ${formatByteSize(outcome.memoryPeakBytes)})`
    sentences.push(
      `killed: out of memory at the limit of ${formatByteSize(spec.permissions.memoryBytes)}${peak}. Give it more with --memory.`,
    )
  }
  if (outcome.ended === 'signaled' && outcome.signal !== undefined && !UNREMARKABLE.includes(outcome.signal)) {
    sentences.push(`the command was ended by ${signalName(outcome.signal)}.`)
  }
  if ((outcome.changedFiles ?? 0) > 0) {
    const many = outcome.changedFiles === 1 ? '1 changed file' : `${outcome.changedFiles} changed files`
    sentences.push(`${many} in /workspace went away with the sandbox; to keep changes, run with --workspace mount.`)
  }
  return sentences
}
