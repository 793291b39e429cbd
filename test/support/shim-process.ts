import { closeSync, mkdirSync, mkdtempSync, rmSync, writeSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Guest } from '../../src/guestlink/index.ts'
import { createPipe } from '../../src/lib/pipe.ts'
import { ROOT } from './source-files.ts'

/** The shim of `guest/internal/shim` with an agent on this machine, without a sandbox around it. */
export interface ShimProcess extends AsyncDisposable {
  readonly socketPath: string
  /** A connection; any number may be made. Whoever makes one says BYE. */
  connect(): Promise<Guest>
}

export async function startShim(): Promise<ShimProcess> {
  const folder = mkdtempSync(join(tmpdir(), 'shim-'))
  const [runtime, logs] = [join(folder, 'run'), join(folder, 'log')]
  for (const path of [runtime, logs]) mkdirSync(path, { mode: 0o700 })
  const helper = join(ROOT, 'build/agentkernel-guest')
  const version = '0.0.0-test'
  const orders = Buffer.from(
    JSON.stringify({ runtime_dir: runtime, log_dir: logs, sandbox: 'test', helper, mode: 'none', agent_spec: { version }, version }),
  )
  const [say, report] = [createPipe(), createPipe()]
  const process = Bun.spawn([helper, 'shim'], { stdio: ['ignore', 'ignore', 'ignore', say.read, report.write] })
  for (const fd of [say.read, report.write]) closeSync(fd)
  writeSync(say.write, Uint8Array.of(orders.length, orders.length >>> 8, 0, 0))
  writeSync(say.write, orders)
  closeSync(say.write)
  const said = await readAll(report.read)
  if (!said.includes('"ready":true')) throw new Error(`the shim did not start: ${said}`)
  const socketPath = join(runtime, 'shim.sock')
  return {
    socketPath,
    connect: () => Guest.connect(socketPath, { role: 'client', version }),
    [Symbol.asyncDispose]: async () => {
      process.kill('SIGTERM')
      await process.exited
      rmSync(folder, { recursive: true, force: true })
    },
  }
}

/** Until the other side closes it. */
async function readAll(fd: number): Promise<string> {
  const text = await Bun.file(fd).text()
  closeSync(fd)
  return text
}
