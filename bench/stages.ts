import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Contender } from './contenders.ts'
import { measure, type Times } from './times.ts'
import { BenchError, BINARY, GUEST, LAUNCHER, type World } from './world.ts'

/** Where the start-up time goes: the floor of the runtime, of the helper, and the launcher's share. */
export async function measureStages(rounds: number, world: World): Promise<Times[]> {
  const cwd = world.empty
  const stages: Contender[] = [
    { name: 'a compiled hello world (the floor of the runtime)', command: [compileHello(world)], cwd },
    // It exits with 2 when it is told nothing that it knows.
    { name: 'the static helper, without a task', command: [GUEST, 'no-such-task'], cwd, exitCode: 2 },
    { name: 'the program, --version', command: [BINARY, '--version'], cwd },
    { name: 'through the launcher, --version', command: [LAUNCHER, '--version'], cwd },
  ]
  await measure(stages, 2, world)
  return measure(stages, rounds, world)
}

/** Compiled as `scripts/build-binary.sh` compiles our own program. */
function compileHello(world: World): string {
  const folder = join(world.home, 'hello')
  mkdirSync(folder)
  writeFileSync(join(folder, 'hello.ts'), "console.log('hello')\n")
  const alone = ['dotenv', 'bunfig', 'tsconfig', 'package-json'].map((file) => `--no-compile-autoload-${file}`)
  const flags = ['--compile', '--bytecode', '--minify', '--splitting', '--format=esm', ...alone, '--outfile', 'hello']
  const built = Bun.spawnSync([process.execPath, 'build', ...flags, 'hello.ts'], { cwd: folder, env: world.env })
  if (!built.success) throw new BenchError(`the empty program could not be compiled: ${built.stderr.toString()}`)
  return join(folder, 'hello')
}
