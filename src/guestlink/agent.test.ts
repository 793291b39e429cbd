import { describe, expect, test } from 'bun:test'
import { chmodSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type AgentProcess, startAgent } from '../../test/support/agent-process.ts'
import { failure } from '../../test/support/guest-peer.ts'
import type { ExecOpen } from '../contract/guest-protocol.ts'
import { ignore } from '../lib/ignore.ts'
import type { GuestExecStream } from './exec-stream.ts'
import type { Guest } from './guest.ts'

/** The real agent, as a process of this machine. */
const SIGTERM = 15
const SIGKILL = 9

let ids = 0
function command(argv: readonly string[], more: Partial<ExecOpen> = {}): ExecOpen {
  return { op: 'exec', id: `t${ids++}`, argv, env: ['PATH=/usr/bin:/bin', 'LC_ALL=C'], cwd: '/', ...more }
}
const shell = (script: string, more: Partial<ExecOpen> = {}): ExecOpen => command(['/bin/sh', '-c', script], more)

async function collect(exec: GuestExecStream): Promise<{ stdout: Buffer; stderr: Buffer }> {
  const parts = { stdout: [] as Uint8Array[], stderr: [] as Uint8Array[] }
  for await (const chunk of exec.output) if ('bytes' in chunk) parts[chunk.channel].push(chunk.bytes)
  return { stdout: Buffer.concat(parts.stdout), stderr: Buffer.concat(parts.stderr) }
}

async function run(guest: Guest, open: ExecOpen) {
  const exec = guest.exec(open)
  const { stdout, stderr } = await collect(exec)
  const { duration_ms: _, max_rss: __, ...result } = await exec.result
  return { stdout: stdout.toString(), stderr: stderr.toString(), ...result }
}

/** The first output that contains `text`. */
async function says(exec: GuestExecStream, text: string): Promise<string> {
  let all = ''
  for await (const chunk of exec.output) {
    if ('bytes' in chunk) all += Buffer.from(chunk.bytes).toString()
    if (all.includes(text)) return all
  }
  return all
}

const withAgent = (test: (agent: AgentProcess) => Promise<void>) => async () => {
  await using agent = await startAgent()
  await test(agent)
}

describe('a command of the agent', () => {
  test(
    'has its own stdout, stderr, environment and directory',
    withAgent(async ({ guest, folder }) => {
      const open = shell('echo "out $A"; pwd >&2; exit 3', { env: ['A=1'], cwd: folder })
      expect(await run(guest, open)).toEqual({ ended: 'exited', status: 3, stdout: 'out 1\n', stderr: `${folder}\n` })
    }),
  )

  test(
    'that cannot start says why',
    withAgent(async ({ guest, folder }) => {
      const plain = join(folder, 'plain')
      writeFileSync(plain, 'text')
      chmodSync(plain, 0o644)
      const codes = [command(['no-such-program-here']), command([plain]), command(['/bin/true'], { cwd: '/no/such/folder' })].map((open) =>
        failure(guest.exec(open).started),
      )
      expect(await Promise.all(codes)).toEqual(['command_not_found', 'command_not_executable', 'workdir_not_found'])
    }),
  )

  test(
    'gets its stdin and gives it back, byte for byte, in pieces of any size',
    withAgent(async ({ guest }) => {
      const exec = guest.exec(command(['/bin/cat'], { stdin: true }))
      const sent = crypto.getRandomValues(new Uint8Array(65_536))
      const whole: Uint8Array[] = []
      const write = async () => {
        for (let size = 1; size < 3_000_000; size = size * 3 + 1) {
          const piece = Buffer.concat(Array.from({ length: Math.ceil(size / sent.length) }, () => sent)).subarray(0, size)
          whole.push(piece)
          await exec.write(piece)
        }
        exec.closeStdin()
      }
      const [{ stdout }] = await Promise.all([collect(exec), write()])
      expect(Bun.hash(stdout)).toBe(Bun.hash(Buffer.concat(whole)))
      expect(await exec.result).toMatchObject({ ended: 'exited', status: 0 })
    }),
  )

  test(
    'without stdin reads an end of file',
    withAgent(async ({ guest }) => {
      expect(await run(guest, command(['/bin/cat']))).toMatchObject({ status: 0, stdout: '' })
    }),
  )

  test(
    'dies of the signal it is sent, as does what it started',
    withAgent(async ({ guest }) => {
      const exec = guest.exec(shell('sleep 1000 & echo ready; wait'))
      await says(exec, 'ready')
      exec.signal(SIGTERM)
      expect(await exec.result).toMatchObject({ ended: 'signaled', signal: SIGTERM })
    }),
  )

  test(
    'ends when it is canceled or takes too long',
    withAgent(async ({ guest }) => {
      const abort = new AbortController()
      const exec = guest.exec(shell('echo ready; exec sleep 1000'), abort.signal)
      await says(exec, 'ready')
      abort.abort()
      expect(await exec.result).toMatchObject({ ended: 'canceled' })
      expect(await guest.exec(command(['/bin/sleep', '1000'], { timeout_ms: 20 })).result).toMatchObject({ ended: 'timed_out' })
    }),
  )

  test(
    'on a terminal sees its size, and a new one',
    withAgent(async ({ guest }) => {
      const open = shell('stty size; trap "stty size; exit 4" WINCH; echo ready; while :; do sleep 0.01; done', {
        tty: { cols: 81, rows: 25 },
        stdin: true,
      })
      const exec = guest.exec(open)
      const reader = exec.output[Symbol.asyncIterator]()
      let text = ''
      const until = async (word: string) => {
        while (!text.includes(word)) {
          const { done, value } = await reader.next()
          if (done === true) break
          if ('bytes' in value) text += Buffer.from(value.bytes).toString()
        }
      }
      await until('ready')
      expect(text).toContain('25 81')
      exec.resize(101, 41)
      await until('41 101')
      expect(text).toContain('41 101')
      expect(await exec.result).toMatchObject({ ended: 'exited', status: 4 })
    }),
  )

  test(
    'whose output nobody reads holds up no other, and loses nothing',
    withAgent(async ({ guest }) => {
      const bytes = 8 << 20
      const slow = guest.exec(command(['/usr/bin/head', '-c', String(bytes), '/dev/zero']))
      await slow.started
      for (let round = 0; round < 20; round++) expect(await run(guest, command(['/bin/echo', 'hi']))).toMatchObject({ stdout: 'hi\n' })
      await guest.connection.ping()
      expect((await collect(slow)).stdout).toHaveLength(bytes)
      expect(await slow.result).toMatchObject({ status: 0 })
    }),
  )

  test(
    'may be one of very many at once',
    withAgent(async ({ guest }) => {
      const all = await Promise.all(Array.from({ length: 300 }, (_, index) => run(guest, command(['/bin/echo', String(index)]))))
      expect(all.map(({ stdout }) => Number(stdout))).toEqual(Array.from({ length: 300 }, (_, index) => index))
    }),
  )
})

describe('the agent', () => {
  test(
    'tells of its processes',
    withAgent(async ({ guest }) => {
      const exec = guest.exec(command(['/bin/sleep', '1000']))
      const pid = await exec.started
      const { processes } = await guest.stats()
      expect(processes.find((one) => one.pid === pid)).toMatchObject({ argv: ['/bin/sleep', '1000'] })
      exec.signal(SIGKILL)
      expect(await exec.result).toMatchObject({ ended: 'signaled', signal: SIGKILL })
    }),
  )

  test(
    'that is killed fails everything with sandbox_lost',
    withAgent(async ({ guest, process }) => {
      const exec = guest.exec(command(['/bin/sleep', '1000'], { timeout_ms: 60_000 }))
      const pid = await exec.started
      const output = failure(collect(exec))
      process.kill('SIGKILL')
      expect(await Promise.all([failure(exec.result), output])).toEqual(['sandbox_lost', 'sandbox_lost'])
      expect((await guest.closed).how).toBe('lost')
      // Without a sandbox around it nobody else ends what it leaves behind.
      try {
        globalThis.process.kill(pid, 'SIGKILL')
      } catch (error) {
        ignore(error, 'it ended by itself')
      }
    }),
  )

  test(
    'ends with all its commands when it is asked to',
    withAgent(async ({ guest, process }) => {
      const exec = guest.exec(command(['/bin/sleep', '1000']))
      await exec.started
      await guest.shutdown(1_000)
      expect(await process.exited).toBe(0)
      await guest.closed
      expect(guest.connection.isOpen).toBe(false)
    }),
  )
})
