import { LAUNCHER, type World } from './world.ts'

/**
 * Starts the command and prints the peak resident memory of it and all it waited for, in KiB. A small program has to do
 * that: at an exec the kernel charges a process with the peak of the one that it was forked from, so a child of ours would
 * never seem smaller than this bench. That floor is Python's own, some 10 MiB.
 */
const PROBE = `
import resource, subprocess, sys
subprocess.run(sys.argv[1:], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, check=True)
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
`

/**
 * Peak resident memory of the largest process of one run, in MiB: the command line program, as nothing else of a run of
 * /bin/true comes near. The largest of `runs` runs. Undefined without python3.
 */
export function peakMemoryMiB(cwd: string, runs: number, world: World): number | undefined {
  let peak: number | undefined
  for (let run = 0; run < runs; run++) {
    const python = Bun.which('python3', { PATH: world.env['PATH']! })
    if (python === null) return undefined
    const result = Bun.spawnSync([python, '-c', PROBE, LAUNCHER, 'run', '/bin/true'], { cwd, env: world.env })
    const kibibytes = Number(result.stdout.toString())
    if (!result.success || !(kibibytes > 0)) throw new Error(`the memory probe failed: ${result.stderr.toString()}`)
    peak = Math.max(peak ?? 0, kibibytes / 1024)
  }
  return peak
}
