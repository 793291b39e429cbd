import type { NetworkEvent } from '../../contract/network.ts'
import type { RunRequest, RunResult } from '../../contract/run.ts'
import type { CliContext } from '../context.ts'
import { refusalLine } from '../network-line.ts'
import { printable, printableJson } from '../printable.ts'
import { forwardSignals } from './forward-signals.ts'
import { openStreams } from './streams.ts'

interface RunOptions {
  readonly json: boolean
  readonly quiet: boolean
  /** Refusals on the network are said when they happen. */
  readonly verbose?: boolean
}

/**
 * Runs a command with the caller's streams and resolves with the exit status for the process.
 * On a terminal the command gets a private one; else its bytes go through pipes, stdout and stderr apart.
 */
export async function runWithIo(request: RunRequest, options: RunOptions, context: CliContext): Promise<number> {
  const operations = await context.operations()
  const onNotice = (text: string): void => {
    if (!options.quiet) context.stderr.write(`agentkernel: ${printable(text)}\n`)
  }
  const onNetworkEvent = (event: NetworkEvent): void => {
    const line = refusalLine(event)
    if (line !== undefined) context.stderr.write(`agentkernel: ${printable(line)}\n`)
  }
  const told = { onNotice, ...(options.verbose === true ? { onNetworkEvent } : {}) }
  const onTerminal = context.stdin.isTTY && context.stdout.isTTY && context.stderr.isTTY && !options.json
  if (onTerminal) {
    const { runOnTerminal } = await import('./terminal.ts')
    return (await runOnTerminal(operations, request, told)).exitCode
  }
  const isReady = context.stdin.isTTY ? (await import('../../lib/terminal-device.ts')).terminalDevice(0).isReady : undefined
  const streams = openStreams(options.json, isReady)
  const abort = new AbortController()
  const signals = forwardSignals(() => abort.abort())
  let result: RunResult
  try {
    result = await operations.run(
      request,
      { ...streams.descriptors, ...told, onStarted: streams.onStarted, onSignalable: signals.connect },
      abort.signal,
    )
    await streams.drained()
  } finally {
    signals.stop()
    streams.close()
  }
  if (options.json) context.stdout.write(`${printableJson(report(result, streams.captured()))}\n`)
  return result.exitCode
}

function report(result: RunResult, captured: { readonly stdout: string; readonly stderr: string; readonly truncated: boolean }) {
  return {
    exit_code: result.exitCode,
    ended: result.ended,
    duration_ms: Math.round(result.durationMs),
    stdout: captured.stdout,
    stderr: captured.stderr,
    ...(result.ports === undefined ? {} : { ports: result.ports }),
    ...(captured.truncated ? { truncated: true } : {}),
  }
}
