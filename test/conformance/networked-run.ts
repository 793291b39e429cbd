import { closeSync, openSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { NetworkView, RunOutcome } from '../../src/drivers/driver.ts'
import { createNamespaceDriver } from '../../src/drivers/namespace/index.ts'
import { type GuestFlow, GatewayConnection } from '../../src/guestlink/index.ts'
import { createPipe } from '../../src/lib/pipe.ts'
import { makeSpec, type SpecParts } from './make-spec.ts'

/** How a run with a network ended, what it wrote, and the flows that left it. */
export interface Networked {
  readonly outcome: RunOutcome
  readonly output: string
  readonly flows: readonly string[]
}

/** Sends back what comes. */
export async function echo(flow: GuestFlow): Promise<void> {
  flow.accept()
  try {
    for (let bytes = await flow.read(); bytes !== undefined; bytes = await flow.read()) await flow.write(bytes)
    flow.end()
  } catch {
    // The sandbox has ended.
  }
}

/** Runs a shell script in a sandbox whose flows all go to `serve`. */
export async function networkedRun(
  {
    dataDir,
    script,
    network = { files: [], env: {} },
    ...parts
  }: Omit<SpecParts, 'command' | 'network'> & {
    readonly dataDir: string
    readonly script: string
    readonly network?: NetworkView
  },
  serve: (flow: GuestFlow) => unknown = echo,
  onConnection: (connection: GatewayConnection) => void = () => undefined,
): Promise<Networked> {
  const driver = createNamespaceDriver({
    dataDir,
    helperPath: join(import.meta.dir, '../../build/agentkernel-guest'),
    home: dataDir,
    uid: process.getuid?.() ?? 0,
    arch: process.arch === 'arm64' ? 'arm64' : 'x64',
    bwrapPaths: ['/usr/bin/bwrap', '/usr/local/bin/bwrap'],
  })
  const flows: string[] = []
  let connection: GatewayConnection | undefined
  const attach = (fd: number): void => {
    const onFlow = (flow: GuestFlow): void => {
      const { op, dst, port, via } = flow.request
      flows.push(`${op} ${dst} ${port} ${via}`)
      void serve(flow)
    }
    connection = new GatewayConnection({ fd }, { version: '0.0.0', onFlow })
    onConnection(connection)
  }
  const output = createPipe()
  const stdin = openSync('/dev/null', 'r')
  const text = Bun.file(output.read).text()
  let open = true
  const release = (): void => {
    if (open) closeSync(output.write)
    open = false
  }
  try {
    const spec = makeSpec({ ...parts, command: ['bash', '-c', script], network: { ...network, attach } })
    const io = { stdin, stdout: output.write, stderr: output.write, onNotice: () => undefined, onStarted: release }
    const outcome = await driver.runOnce!(spec, io, new AbortController().signal)
    release()
    await connection?.closed
    return { outcome, output: await text, flows }
  } finally {
    release()
    await connection?.bye()
    for (const fd of [stdin, output.read]) closeSync(fd)
  }
}

// As a program of its own it does one run, as whoever starts it: `networked-run.ts DATA_DIR SCRIPT_FILE`.
if (import.meta.main) {
  const [dataDir = '', script = ''] = process.argv.slice(2)
  process.stdout.write(JSON.stringify(await networkedRun({ dataDir, script: readFileSync(script, 'utf8') })))
}
