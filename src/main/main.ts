import { writeSync } from 'node:fs'
import pkg from '../../package.json' with { type: 'json' }
import { runCli } from '../cli/app.ts'
import type { CliContext, OutputStream } from '../cli/context.ts'
import { ignore } from '../lib/ignore.ts'
import { isErrno } from '../lib/errno.ts'
import { isTerminal } from '../lib/is-terminal.ts'
import { resolvePaths } from './paths.ts'

/** The composition root: the only place that reads the environment and ends the process. */
async function main(): Promise<void> {
  // Every file we make is for this user only.
  process.umask(0o077)
  if (process.argv[2] === '__daemon') {
    const { daemonCommand } = await import('./daemon/command.ts')
    process.exit(await daemonCommand(process.argv[3]))
  }
  const env = process.env
  const connection = async () => {
    const { userName } = await import('./user-name.ts')
    return { paths: resolvePaths(env, process.execPath), env, execPath: process.execPath, user: userName(env) }
  }
  const context: CliContext = {
    operations: async () => (await import('./operations.ts')).createOperations(resolvePaths(env, process.execPath), env),
    sandboxes: async () => {
      const { sandboxOperations } = await import('./daemon/control.ts')
      return sandboxOperations(await connection())
    },
    daemon: async () => {
      const { daemonOperations } = await import('./daemon/control.ts')
      return daemonOperations(await connection())
    },
    env,
    cwd: currentDirectory(),
    stdout: outputStream(1),
    stderr: outputStream(2),
    stdin: { isTTY: isTerminal(0) },
    version: pkg.version,
  }
  process.exit(await runCli(process.argv.slice(2), context))
}

function currentDirectory(): string | undefined {
  try {
    return process.cwd()
  } catch (error) {
    ignore(error, 'the directory was deleted under us; commands that need one say so')
    return undefined
  }
}

/** Writes at once and completely, also to a non-blocking pipe that is full. */
function outputStream(fd: 1 | 2): OutputStream {
  const write = (text: string): void => {
    const bytes = Buffer.from(text)
    for (let sent = 0; sent < bytes.length;) {
      try {
        sent += writeSync(fd, bytes, sent)
      } catch (error) {
        if (!isErrno(error, 'EAGAIN')) throw error
        Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 2)
      }
    }
  }
  if (!isTerminal(fd)) return { write, isTTY: false }
  return { write, isTTY: true, columns: (fd === 1 ? process.stdout : process.stderr).columns }
}

void main()
