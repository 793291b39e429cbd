import { describe, expect, test } from 'bun:test'
import { forBothCallers } from './attack.ts'
import { run } from './callers.ts'
import { leftovers } from './left.ts'
import type { World } from './world.ts'

const python = (world: World, script: string, ...flags: string[]) =>
  run(world, ['/usr/bin/python3', '-c', script], { flags: ['-q', ...flags] })

describe('resources of the machine', () => {
  forBothCallers('a bomb', (world) => {
    test('S34 of processes ends at the limit, and the host can still start some', async () => {
      const script = `
import os, time
count = 0
try:
    while count < 20000:
        if os.fork() == 0:
            time.sleep(60)
            os._exit(0)
        count += 1
except OSError as error:
    print(error.errno, count < 2048)
`
      const bomb = python(world(), script)
      const answers = [1, 2, 3].map(() => Bun.spawnSync(['/bin/echo', 'alive']).stdout.toString())
      const { stdout, pid } = await bomb
      expect(answers).toEqual(['alive\n', 'alive\n', 'alive\n'])
      expect(stdout).toBe('11 True\n')
      expect(leftovers(world(), [pid])).toEqual([])
    })

    test('S34 of memory ends at the limit', async () => {
      const script = 'held = []\nwhile len(held) < 1024: held.append(bytearray(1 << 20))\nprint("took it")'
      const { stdout, code, pid } = await python(world(), script, '--memory', '128m')
      expect(stdout).toBe('')
      expect(code).not.toBe(0)
      expect(leftovers(world(), [pid])).toEqual([])
    })

    test('S34 of ten gigabytes in /tmp ends in ENOSPC', async () => {
      const script = `
import os
written = 0
try:
    with open("/tmp/big", "wb", buffering=0) as file:
        while written < 10 << 30:
            written += file.write(bytes(4 << 20))
except OSError as error:
    print(error.errno, written < 1 << 30)
`
      const { stdout, pid } = await python(world(), script, '--memory', '512m')
      expect(stdout).toBe('28 True\n')
      expect(leftovers(world(), [pid])).toEqual([])
    })

    test('S34 of /dev/shm and of the root ends the same way', async () => {
      const script = `
import os
for folder in ("/dev/shm", "/", "/dev", "/etc", "/.agentkernel", "/run"):
    written = 0
    try:
        with open(folder + "/big", "wb", buffering=0) as file:
            while written < 2 << 30:
                written += file.write(bytes(4 << 20))
        print(folder, "filled")
    except OSError as error:
        print(folder, error.errno in (28, 13, 30))
`
      const { stdout } = await python(world(), script, '--memory', '256m')
      expect(stdout).toBe(['/dev/shm', '/', '/dev', '/etc', '/.agentkernel', '/run'].map((folder) => `${folder} True\n`).join(''))
    })

    test('S35 a command that leaves processes behind, ignores signals and hides in sessions leaves nothing', async () => {
      const script = `
import os, signal, time
for number in range(1, 32):
    try:
        signal.signal(number, signal.SIG_IGN)
    except (OSError, ValueError):
        pass
for _ in range(5):
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            os.close(1); os.close(2)
            time.sleep(600)
        os._exit(0)
print("done")
`
      const { stdout, pid } = await python(world(), script)
      expect(stdout).toBe('done\n')
      expect(leftovers(world(), [pid])).toEqual([])
    })
  })
})
