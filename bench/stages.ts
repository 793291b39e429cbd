import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Contender } from './contenders.ts'
import { measure, type Times } from './times.ts'
import { BenchError, BINARY, GUEST, LAUNCHER, type World } from './world.ts'

/** Where the start-up time goes: the floor of the runtime, of the helper, and the launcher's share. */
export function measureStages(rounds: number, world: World): Times[] {
  const cwd = world.empty
  const stages: Contender[] = [
    { name: 'a compiled program that ends at once (the floor of the runtime)', command: [compileHello(world)], cwd },
    // It exits with 2 when it is told nothing that it knows.
    { name: 'the static helper, without a task', command: [GUEST, 'no-such-task'], cwd, exitCode: 2 },
    { name: 'the program, --version', command: [BINARY, '--version'], cwd },
    { name: 'through the launcher, --version', command: [LAUNCHER, '--version'], cwd },
  ]
  measure(stages, 2, world)
  return measure(stages, rounds, world)
}

/** Compiled as our own program is. */
function compileHello(world: World): string {
  const folder = join(world.home, 'hello')
  mkdirSync(folder)
  writeFileSync(join(folder, 'hello.ts'), "process.stdout.write('hello\\n')\n")
  const flags = ['--compile', '--bytecode', '--minify', '--format=esm', '--outfile', 'hello']
  const built = Bun.spawnSync([process.execPath, 'build', ...flags, 'hello.ts'], { cwd: folder, env: world.env })
  if (!built.success) throw new BenchError(`the empty program could not be compiled: ${built.stderr.toString()}`)
  return join(folder, 'hello')
}
