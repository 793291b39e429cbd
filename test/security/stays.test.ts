import { describe, expect, test } from 'bun:test'
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { descendantsOf } from '../conformance/sandbox-kit.ts'
import { forBothCallers, runAttacks, type Attack } from './attack.ts'
import { environmentOf, keptCommand, run } from './callers.ts'
import { newMounts, sandboxProcesses, untilEmpty } from './left.ts'
import { CANARY, type World } from './world.ts'

/** Attacks on what holds a sandbox that stays. `@SOCKET@` and `@ID@` are told to the attacker, who would have to guess them. */
const walls: readonly Attack[] = [
  {
    id: 'S37',
    title: 'process 1 can be neither traced nor read, and none of its descriptors taken',
    code: `
iovec = struct.pack("QQ", 0, 8)
pidfd = os.pidfd_open(1)
results = [
    errno_of(syscall, "ptrace", 16, 1, 0, 0),
    errno_of(syscall, "ptrace", 0x4206, 1, 0, 0),
    errno_of(syscall, "process_vm_readv", 1, iovec, 1, iovec, 1, 0),
    errno_of(syscall, "process_vm_writev", 1, iovec, 1, iovec, 1, 0),
    errno_of(syscall, "kcmp", os.getpid(), 1, 0, 0, 0),
]
results += [errno_of(syscall, "pidfd_getfd", pidfd, number, 0) for number in range(12)]
results += [errno_of(os.open, "/proc/1/" + name, os.O_RDONLY) for name in ("mem", "environ", "auxv", "maps", "fd/3", "fd/5", "task/1/mem")]
return sorted(set(results))
`,
    expected: /^\['EACCES', 'EPERM'\]$/,
  },
  {
    id: 'S37',
    title: 'process 1 survives every signal, also those that pretend to be a fault',
    code: `
for number in range(1, 65):
    for send in (lambda: os.kill(1, number), lambda: syscall("tgkill", 1, 1, number)):
        try:
            send()
        except OSError:
            pass
    # As the kernel would tell of a fault: SI_KERNEL, SEGV_MAPERR, and what only a process may say of itself.
    for code in (0x80, 1, -1, -6):
        info = struct.pack("iii", number, 0, code).ljust(128, b"\\0")
        for name, args in (("rt_sigqueueinfo", (1, number)), ("rt_tgsigqueueinfo", (1, 1, number))):
            try:
                syscall(name, *args, info)
            except OSError:
                pass
for task in os.listdir("/proc/1/task"):
    for number in (6, 9, 11, 19):
        try:
            syscall("tkill", int(task), number)
        except OSError:
            pass
return status(1)["State"][0] in "SR"
`,
    expected: 'True',
  },
  {
    id: 'S38',
    title: 'the socket cannot be reached, by its path or by any other name',
    code: `
def connect(address):
    client = socket.socket(socket.AF_UNIX)
    client.settimeout(2)
    client.connect(address)
path = "@SOCKET@"
names = [path, "\\0" + path, os.path.dirname(path), "shim.sock", "/.agentkernel/shim.sock", "/run/shim.sock"]
results = set(errno_of(connect, name) for name in names)
listed = [line for line in read("/proc/net/unix").splitlines()[1:] if "@" in line or "/" in line]
return [sorted(results), listed, errno_of(os.listdir, os.path.dirname(path))]
`,
    expected: /^\[\['ECONNREFUSED', 'ENOENT'\], \[\], 'ENOENT'\]$|^\[\['ECONNREFUSED', 'ENOENT', 'ENOTSOCK'\], \[\], 'ENOENT'\]$/,
  },
  {
    id: 'S38',
    title: 'neither the log of what commands write nor the notes about the sandbox exist inside',
    code: `
print("a-word-" + "in-the-log", flush=True)
found = []
for top in ("/", "/proc/self/fd", "/dev"):
    for folder, folders, files in os.walk(top):
        folders[:] = [name for name in folders if os.path.join(folder, name) not in ("/proc", "/usr", "/sys")]
        found += [os.path.join(folder, name) for name in folders + files if name in ("shim.sock", "shim.json", "live.json", "owner.json", "upper.new")]
mounts = read("/proc/self/mountinfo")
shown = sorted(set(part for line in mounts.splitlines() for part in [line.split()[3]] if "@ID@" in part and not part.endswith(("/home", "/upper"))))
return [found, shown, errno_of(os.listdir, "/workspace/../log"), errno_of(os.listdir, "/home/user/../log")]
`,
    expected: "[[], [], 'ENOENT', 'ENOENT']",
  },
]

/** Starts a sandbox that is left to itself. */
async function leave(world: World, script: string): Promise<{ readonly pid: number; readonly socketPath: string }> {
  const child = Bun.spawn([...world.caller.prefix, ...keptCommand(world, 'leave', ['/bin/sh', '-c', script])], {
    cwd: world.project,
    env: environmentOf(world, 'x'),
    stdout: 'pipe',
    stderr: 'pipe',
  })
  const [stdout, stderr] = await Promise.all([child.stdout.text(), child.stderr.text(), child.exited])
  if (stdout === '') throw new Error(stderr)
  const { socketPath } = JSON.parse(stdout) as { readonly socketPath: string }
  const { pid } = JSON.parse(readFileSync(join(dirname(socketPath), 'shim.json'), 'utf8')) as { readonly pid: number }
  return { pid, socketPath }
}

/** Removes what is left, as the next start of a daemon does; how many sandboxes that were. */
function sweep(world: World): string {
  const { stdout } = Bun.spawnSync([...world.caller.prefix, ...keptCommand(world, 'sweep')], { env: environmentOf(world, 'x') })
  return stdout.toString().trim()
}

const names = (folder: string): string[] => (existsSync(folder) ? readdirSync(folder) : [])

function left(world: World): string[] {
  return [
    ...names(join(world.home, '.local/share/agentkernel/sandboxes')),
    ...names(join(world.home, '.agentkernel/run')),
    ...sandboxProcesses(world).map((pid) => `process ${pid}`),
    ...newMounts(),
  ]
}

describe('a sandbox that stays', () => {
  forBothCallers('its walls', (world) => {
    let results: Promise<Map<string, string>> | undefined
    for (const { id, title, expected } of walls) {
      test(`${id} ${title}`, async () => {
        results ??= runAttacks(world(), walls, { stays: 'moderate' })
        const got = (await results).get(`${id} ${title}`)
        if (typeof expected === 'string') expect(got).toBe(expected)
        else expect(got).toMatch(expected)
      }, 60_000)
    }
  })

  forBothCallers('its project', (world) => {
    test('S36 is a copy: what is done inside changes no file of yours, and what you change later does not show', async () => {
      const file = join(world().project, 'src/main.txt')
      const before = readFileSync(file, 'utf8')
      const script =
        'cat src/main.txt; echo changed > src/main.txt; rm -rf .git README.md; ln -sf / out; find . -type f | xargs grep -l CANARY'
      const { stdout } = await run(world(), ['/bin/sh', '-c', script], { stays: 'moderate' })
      expect(stdout).toBe(before)
      expect(readFileSync(file, 'utf8')).toBe(before)
      expect(existsSync(join(world().project, 'README.md'))).toBe(true)
    })

    test('S36 shows nothing that appears in it after it was copied', async () => {
      const { socketPath } = await leave(world(), 'while :; do cp -r /workspace/. /tmp/seen 2>/dev/null; sleep 0.05; done')
      writeFileSync(join(world().project, 'late.txt'), `${CANARY}-late\n`)
      const sandboxes = join(world().home, '.local/share/agentkernel/sandboxes')
      const copies = names(sandboxes).map((name) => join(sandboxes, name, 'upper/late.txt'))
      expect(copies.filter((path) => existsSync(path))).toEqual([])
      expect(existsSync(socketPath)).toBe(true)
      expect(sweep(world())).toBe('1')
    })
  })

  forBothCallers('its end', (world) => {
    test('S39 when any process that holds it is killed, everything in it goes', async () => {
      let index = 0
      for (let more = true; more; index++) {
        const { pid } = await leave(world(), 'trap "" TERM HUP; setsid sleep 1000 & sleep 1000')
        const all = [pid, ...descendantsOf(pid)]
        const holders = all.filter((each) => !['sh', 'sleep', 'setsid'].includes(nameOf(each)))
        more = index + 1 < holders.length
        process.kill(holders[index]!, 'SIGKILL')
        await untilEmpty(() => all.filter((each) => nameOf(each) !== '').map(String))
        expect(sweep(world())).toBe('1')
        expect(left(world())).toEqual([])
      }
      // At least the shim, bubblewrap and the agent.
      expect(index).toBeGreaterThanOrEqual(3)
    }, 60_000)

    test('S40 whoever makes it is killed at any moment, and nothing is left after a sweep', async () => {
      const command = [...world().caller.prefix, ...keptCommand(world(), 'leave', ['sleep', '1000'])]
      const options = { cwd: world().project, env: environmentOf(world(), 'x'), stdout: 'ignore', stderr: 'ignore' } as const
      const began = performance.now()
      await Bun.spawn(command, options).exited
      const tookMs = performance.now() - began
      for (let moment = 0; moment < 24; moment++) {
        const maker = Bun.spawn(command, options)
        // Moments spread over the second half: before, the program itself is loaded.
        await Bun.sleep(tookMs * (0.5 + moment / 44))
        maker.kill('SIGKILL')
        await maker.exited
      }
      expect(Number(sweep(world()))).toBeGreaterThan(0)
      await untilEmpty(() => left(world()))
      expect(sweep(world())).toBe('0')
    }, 60_000)

    test('S40 who started it may be gone: it is found, and removed without a trace', async () => {
      await leave(world(), 'cd ~; mkdir -p a/b; chmod 0 a/b a; cd /workspace; mkfifo f; ln -s / l; sleep 1000')
      expect(sandboxProcesses(world())).not.toEqual([])
      expect(sweep(world())).toBe('1')
      await untilEmpty(() => left(world()))
      expect(left(world())).toEqual([])
      expect(sweep(world())).toBe('0')
    }, 60_000)
  })
})

/** The name of a program that runs; empty when it has ended. */
function nameOf(pid: number): string {
  try {
    const status = readFileSync(`/proc/${pid}/status`, 'utf8')
    return /^State:\t[ZX]/m.test(status) ? '' : (/^Name:\t(.*)$/m.exec(status)?.[1] ?? '')
  } catch {
    return ''
  }
}
