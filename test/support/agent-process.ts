import { closeSync, mkdtempSync, openSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Guest } from '../../src/guestlink/index.ts'
import { createPipe } from '../../src/lib/pipe.ts'
import { ROOT } from './source-files.ts'
import { UnixListener } from './unix-listener.ts'

/** The agent of `guest/internal/agent` as a process of this machine, without a sandbox around it, and a connection to it. */
export interface AgentProcess extends AsyncDisposable {
  readonly guest: Guest
  readonly process: Bun.Subprocess
  /** A folder of its own, for what a test makes. */
  readonly folder: string
}

/** `orders`: see the comment of the Go package. */
export async function startAgent(orders: object = { version: '0.0.0-test' }): Promise<AgentProcess> {
  const folder = mkdtempSync(join(tmpdir(), 'agent-'))
  const [control, status] = [createPipe(), createPipe()]
  using listener = new UnixListener(join(folder, 's'))
  const connecting = Guest.connect(join(folder, 's'), { role: 'client', version: '0.0.0-test' })
  const socket = await listener.accept()
  writeFileSync(join(folder, 'orders'), JSON.stringify(orders))
  const file = openSync(join(folder, 'orders'), 'r')
  const process = Bun.spawn([join(ROOT, 'build/agentkernel-guest'), 'agent', '6', '5'], {
    stdio: ['ignore', 'ignore', 'inherit', control.read, status.write, socket, file],
  })
  for (const fd of [control.read, status.write, socket, file]) closeSync(fd)
  const guest = await connecting
  return {
    guest,
    process,
    folder,
    [Symbol.asyncDispose]: async () => {
      await guest.connection.bye()
      // The agent ends with all its commands when this end is closed.
      closeSync(control.write)
      closeSync(status.read)
      await process.exited
      rmSync(folder, { recursive: true, force: true })
    },
  }
}
