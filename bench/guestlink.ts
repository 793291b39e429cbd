import { startAgent } from '../test/support/agent-process.ts'
import type { Guest } from '../src/guestlink/index.ts'
import { percentile } from './statistics.ts'

/**
 * `bun bench/guestlink.ts`: what the connection to an agent costs by itself, without a sandbox, a daemon or HTTP. By hand; the figures
 * are in no page.
 */
const ROUNDS = 2_000
const STREAM_BYTES = 2_000_000_000

async function main(): Promise<void> {
  await using agent = await startAgent()
  const { guest } = agent
  const run = commands(guest)
  console.log(`ping            ${line(await times(ROUNDS, () => guest.connection.ping()))}`)
  console.log(`exec, no output ${line(await times(ROUNDS, () => run(['/bin/true'])))}`)
  console.log(`exec, echo      ${line(await times(ROUNDS, () => run(['/bin/echo', 'hi'])))}`)
  console.log(`exec, 8 at once ${(await rate(8, ROUNDS / 4, () => run(['/bin/echo', 'hi']))).toFixed(0)} a second`)
  console.log(`stdout          ${await speed(() => run(['/usr/bin/head', '-c', String(STREAM_BYTES), '/dev/zero']))}`)
  if (guest.connection.peer.features.includes('files')) {
    const path = `${agent.folder}/file`
    console.log(`upload          ${await speed(() => guest.write(path, zeros()))}`)
    console.log(`download        ${await speed(async () => count((await guest.read(path)).bytes))}`)
  }
  console.log(`memory          ${(process.memoryUsage.rss() / 1e6).toFixed(0)} MB`)
}

/** Runs a command and resolves with the number of bytes it wrote. */
function commands(guest: Guest): (argv: readonly string[]) => Promise<number> {
  let last = 0
  return async (argv) => {
    const exec = guest.exec({ op: 'exec', id: `b${last++}`, argv, env: ['PATH=/usr/bin:/bin'], cwd: '/' })
    let bytes = 0
    for await (const chunk of exec.output) if ('bytes' in chunk) bytes += chunk.bytes.length
    const { ended, status } = await exec.result
    if (ended !== 'exited' || status !== 0) throw new Error(`${argv.join(' ')} ${ended}`)
    return bytes
  }
}

async function times(rounds: number, once: () => Promise<unknown>): Promise<number[]> {
  for (let warm = 0; warm < rounds / 10; warm++) await once()
  const all: number[] = []
  for (let round = 0; round < rounds; round++) {
    const start = performance.now()
    await once()
    all.push(performance.now() - start)
  }
  return all
}

async function rate(clients: number, rounds: number, once: () => Promise<unknown>): Promise<number> {
  const start = performance.now()
  await Promise.all(Array.from({ length: clients }, async () => times(rounds, once)))
  return (clients * rounds * 1.1 * 1_000) / (performance.now() - start)
}

async function speed(transfer: () => Promise<number>): Promise<string> {
  const start = performance.now()
  const bytes = await transfer()
  return `${(bytes / (performance.now() - start) / 1e6).toFixed(2)} GB/s`
}

async function* zeros(): AsyncGenerator<Uint8Array> {
  const block = new Uint8Array(256 * 1024)
  for (let sent = 0; sent < STREAM_BYTES; sent += block.length) yield block
}

async function count(chunks: AsyncIterable<Uint8Array>): Promise<number> {
  let bytes = 0
  for await (const chunk of chunks) bytes += chunk.length
  return bytes
}

function line(all: readonly number[]): string {
  return `p50 ${percentile(all, 0.5).toFixed(3)} ms, p99 ${percentile(all, 0.99).toFixed(3)} ms`
}

await main()
