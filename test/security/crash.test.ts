import { describe, expect, test } from 'bun:test'
import { existsSync } from 'node:fs'
import { forBothCallers } from './attack.ts'
import { environmentOf, run, runCommand } from './callers.ts'
import { leftovers, membersOf, newMounts, sandboxProcesses, untilEmpty } from './left.ts'
import { runFolders, type World } from './world.ts'

const start = (world: World, command: readonly string[]) =>
  Bun.spawn(runCommand(world, command, { flags: ['-q'] }), {
    cwd: world.project,
    env: environmentOf(world, 'x'),
    stdin: 'ignore',
    stdout: 'pipe',
    stderr: 'ignore',
  })

describe('agentkernel killed with SIGKILL', () => {
  forBothCallers('while a command runs', (world) => {
    test('S35 takes the whole sandbox with it, and the next run removes the rest', async () => {
      const child = start(world(), ['/bin/sh', '-c', 'echo up; touch ~/file; setsid sleep 1000 & sleep 1000'])
      await child.stdout.getReader().read()
      expect(sandboxProcesses(world())).not.toEqual([])
      child.kill('SIGKILL')
      await child.exited
      await untilEmpty(() => [...sandboxProcesses(world()), ...membersOf([child.pid])])
      expect(runFolders(world())).not.toEqual([])
      const { pid } = await run(world(), ['true'])
      expect(leftovers(world(), [pid, child.pid])).toEqual([])
    })

    test('S35 when the first process of the sandbox is killed, nothing is left either', async () => {
      const { pid } = await run(world(), ['/bin/sh', '-c', 'kill -9 -1; kill -9 1; sleep 0.01'])
      expect(leftovers(world(), [pid])).toEqual([])
    })
  })

  forBothCallers('at any moment of the start', (world) => {
    test('S35 leaves no process, no mount, and after the next run no folder and no group', async () => {
      const pids: number[] = []
      for (let batch = 0; batch < 15; batch++) {
        const children = [0, 1, 2, 3].map(() => start(world(), ['sleep', '1000']))
        // Moments spread over the time a start takes.
        await Promise.all(
          children.map(async (child, index) => {
            await Bun.sleep((batch * 4 + index) / 2)
            child.kill('SIGKILL')
            await child.exited
          }),
        )
        pids.push(...children.map((child) => child.pid))
      }
      await untilEmpty(() => sandboxProcesses(world()))
      expect(newMounts()).toEqual([])
      const { pid, code } = await run(world(), ['true'])
      expect(code).toBe(0)
      // What was just ending when that run looked is taken by the one after it.
      await untilEmpty(() => membersOf(pids))
      await run(world(), ['true'])
      expect(leftovers(world(), [...pids, pid])).toEqual([])
      expect(existsSync(world().project)).toBe(true)
    }, 60_000)
  })
})
