import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { closeSync, mkdirSync, mkdtempSync, openSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { compileSeccomp, compileSeccompFile } from '../../src/policy/seccomp/compile.ts'
import { SECCOMP_PROFILE_NAMES } from '../../src/policy/seccomp/profiles.ts'
import { type SeccompArch, syscallTable } from '../../src/policy/seccomp/syscall-table.ts'

/**
 * The filters on a real kernel, through bubblewrap: real language runtimes work under every profile, and forbidden calls fail
 * with the errno we promise. `restrictive` has no internet sockets; its runtimes are asked for everything else.
 */
const ARCH: SeccompArch | undefined = process.arch === 'x64' || process.arch === 'arm64' ? process.arch : undefined
const arch = ARCH ?? 'x64'
const bubblewrap = Bun.which('bwrap')
const SEARCH = { PATH: `${Bun.env['PATH']}:/usr/local/go/bin` }

/** What a command printed on success, trimmed; undefined when the tool is missing or does not work. */
function ask(tool: string, ...args: readonly string[]): string | undefined {
  const path = Bun.which(tool, SEARCH)
  if (path === null) return undefined
  const { success, stdout } = Bun.spawnSync([path, ...args], { stderr: 'ignore' })
  return success ? stdout.toString().trim() : undefined
}

// Version managers put shims on the PATH that need the user's home; the programs behind them do not.
const python = ask('python3', '-c', 'import sys; print(sys.executable)')
const node = ask('node', '-p', 'process.execPath')
const goRoot = ask('go', 'env', 'GOROOT')
const javac = ask('javac', '-version') === undefined ? undefined : (Bun.which('javac') ?? undefined)
const rustRoot = ask('rustc', '--print', 'sysroot')
const cargo = rustRoot !== undefined && Bun.which('cc') !== null ? Bun.which(join(rustRoot, 'bin/cargo')) : null
const git = Bun.which('git') ?? undefined

const work = mkdtempSync(join(tmpdir(), 'agentkernel-seccomp-'))
afterAll(() => rmSync(work, { recursive: true, force: true }))

/** Runs a command under a filter in a sandbox whose /tmp/work is a writable folder. */
async function run(program: Uint8Array, command: readonly string[]): Promise<string> {
  const file = join(mkdtempSync(join(work, 'filter-')), 'program')
  writeFileSync(file, program)
  const filter = openSync(file, 'r')
  const box = ['--unshare-all', '--uid', '1000', '--gid', '1000', '--cap-drop', 'ALL', '--die-with-parent', '--new-session']
  const view = ['--ro-bind', '/', '/', '--dev', '/dev', '--proc', '/proc', '--tmpfs', '/tmp', '--bind', work, '/tmp/work']
  try {
    const child = Bun.spawn([bubblewrap ?? 'bwrap', ...box, ...view, '--chdir', '/tmp/work', '--seccomp', '3', '--', ...command], {
      stdio: ['ignore', 'pipe', 'pipe', filter],
      env: { PATH: `${dirname(node ?? '/usr/bin/node')}:/usr/local/bin:/usr/bin:/bin`, HOME: '/tmp/work', LANG: 'C.UTF-8', ...TOOL_ENV },
    })
    const [out, err, status] = await Promise.all([new Response(child.stdout).text(), new Response(child.stderr).text(), child.exited])
    return status === 0 ? out.trim() : `exit ${status}: ${out}${err}`
  } finally {
    closeSync(filter)
  }
}

const TOOL_ENV = {
  GOCACHE: '/tmp/work/go-cache',
  GOTOOLCHAIN: 'local',
  GOFLAGS: '-mod=mod',
  CGO_ENABLED: '0',
  CARGO_HOME: '/tmp/work/cargo-home',
  CARGO_TERM_QUIET: 'true',
  RUSTC: join(rustRoot ?? '/', 'bin/rustc'),
  GIT_CONFIG_GLOBAL: '/dev/null',
  GIT_CONFIG_NOSYSTEM: '1',
}

const PYTHON = `
import asyncio, multiprocessing, os, socket, subprocess, sys, threading
from concurrent.futures import ThreadPoolExecutor
with ThreadPoolExecutor(8) as pool: assert sum(pool.map(int, range(100))) == 4950
assert subprocess.run(["echo", "child"], capture_output=True, text=True, close_fds=True).stdout == "child\\n"
assert multiprocessing.get_context("fork").Pool(2).map(abs, [-1, -2]) == [1, 2]
assert multiprocessing.get_context("spawn").Queue() is not None
async def loop():
    child = await asyncio.create_subprocess_exec("echo", "async", stdout=asyncio.subprocess.PIPE)
    assert (await child.communicate())[0] == b"async\\n"
    async def answer(reader, writer):
        writer.write(await reader.readline()); await writer.drain(); writer.close()
    if sys.argv[1] == "inet":
        server = await asyncio.start_server(answer, "127.0.0.1", 0)
        reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
    else:
        server = await asyncio.start_unix_server(answer, "/tmp/socket")
        reader, writer = await asyncio.open_unix_connection("/tmp/socket")
    writer.write(b"line\\n")
    assert await reader.readline() == b"line\\n"
asyncio.run(loop())
a, b = socket.socketpair(); a.send(b"x"); assert b.recv(1) == b"x"
os.mkfifo("/tmp/fifo"); assert os.cpu_count() > 0 and len(os.getrandom(8)) == 8
print("python ok")`

const NODE = `
const { Worker, isMainThread, parentPort } = require('worker_threads')
const { execFileSync, fork } = require('child_process')
const http = require('http'), fs = require('fs'), zlib = require('zlib')
const inet = process.argv.at(-1) === 'inet'
const worker = new Worker("require('worker_threads').parentPort.postMessage(6 * 7)", { eval: true })
if (execFileSync('echo', ['child']).toString() !== 'child\\n') process.exit(2)
fs.watch('/tmp').close()
zlib.gzip('x'.repeat(1e5), () => {})
worker.once('message', (answer) => {
  const server = http.createServer((_, reply) => reply.end('hello'))
  server.listen(inet ? { port: 0, host: '127.0.0.1' } : { path: '/tmp/http' }, () => {
    const to = inet ? { port: server.address().port, host: '127.0.0.1' } : { socketPath: '/tmp/http' }
    http.get(to, (reply) => reply.on('data', (body) => { console.log(answer === 42 && String(body) === 'hello' ? 'node ok' : 'wrong'); process.exit(0) }))
  })
})`

const GO = `package main

import (
	"os"
	"os/exec"
	"sync"
)

func main() {
	var group sync.WaitGroup
	numbers := make(chan int, 100)
	for i := 0; i < 100; i++ {
		group.Add(1)
		go func() { defer group.Done(); numbers <- i }()
	}
	group.Wait()
	out, err := exec.Command("echo", "child").Output()
	if err != nil || string(out) != "child\\n" || len(numbers) != 100 {
		os.Exit(2)
	}
	os.Stdout.WriteString("go ok\\n")
}
`

const JAVA = `
import java.util.stream.IntStream;
public class Main {
  public static void main(String[] args) throws Exception {
    Thread[] threads = IntStream.range(0, 8).mapToObj(i -> new Thread(() -> System.getenv())).toArray(Thread[]::new);
    for (Thread t : threads) t.start();
    for (Thread t : threads) t.join();
    int sum = IntStream.range(0, 1000).parallel().sum();
    Process child = new ProcessBuilder("echo", "child").start();
    String line = new String(child.getInputStream().readAllBytes());
    if (args[0].equals("inet")) {
      java.net.ServerSocket server = new java.net.ServerSocket(0, 1, java.net.InetAddress.getLoopbackAddress());
      new java.net.Socket(server.getInetAddress(), server.getLocalPort()).close();
    }
    System.out.println(sum == 499500 && line.equals("child\\n") ? "java ok" : "wrong");
  }
}`

const RUST = `
use std::{process::Command, thread};
fn main() {
    let threads: Vec<_> = (0..8).map(|i| thread::spawn(move || i)).collect();
    let sum: i32 = threads.into_iter().map(|t| t.join().unwrap()).sum();
    let child = Command::new("echo").arg("child").output().unwrap();
    assert_eq!((sum, &child.stdout[..]), (28, &b"child\\n"[..]));
    println!("rust ok");
}`

const GIT = `
set -e
git init -q "$0/a" && cd "$0/a"
git config user.name a && git config user.email a@example.invalid
echo line > file && git add file && git commit -qm first && git gc -q
git clone -q "$0/a" "$0/b" && test "$(cat "$0/b/file")" = line
git -C "$0/b" fetch -q && git -C "$0/b" log -1 --format='format:git ok'`

interface Runtime {
  readonly name: string
  /** Undefined = not on this machine. */
  readonly tool: string | undefined
  /** The command for a fresh folder; `sockets` is `inet` or `unix`. */
  readonly command: (folder: string, sockets: string) => readonly string[]
}

const shell = (script: string, ...args: readonly string[]): string[] => ['/bin/sh', '-c', script, ...args]

const RUNTIMES: readonly Runtime[] = [
  { name: 'python', tool: python, command: (_, sockets) => [python ?? '', '-c', PYTHON, sockets] },
  { name: 'node', tool: node, command: (_, sockets) => [node ?? '', '-e', NODE, sockets] },
  { name: 'git', tool: git, command: (folder) => shell(GIT, folder) },
  {
    name: 'java',
    tool: javac,
    command: (folder, sockets) =>
      shell('javac -J-XX:TieredStopAtLevel=1 -d "$0" Main.java && exec java -cp "$0" Main "$1"', folder, sockets),
  },
  {
    name: 'rust',
    tool: cargo ?? undefined,
    command: (folder) =>
      shell(
        'mkdir "$0/src" && cp main.rs "$0/src" && cp manifest.toml "$0/Cargo.toml" && cd "$0" && exec "$1" run --offline',
        folder,
        cargo ?? '',
      ),
  },
  {
    name: 'go',
    tool: goRoot,
    command: (folder) => shell('"$1" build -o "$0/main" main.go && exec "$0/main"', folder, join(goRoot ?? '', 'bin/go')),
  },
]

beforeAll(async () => {
  const files = {
    'main.go': GO,
    'Main.java': JAVA,
    'main.rs': RUST,
    'manifest.toml': '[package]\nname = "probe"\nversion = "0.1.0"\nedition = "2021"\n',
  }
  for (const [name, text] of Object.entries(files)) writeFileSync(join(work, name), text)
  if (goRoot === undefined) return
  // Fills the build cache once, outside: the standard library takes seconds, our program does not.
  const env = { PATH: '/usr/bin:/bin', HOME: work, ...TOOL_ENV, GOCACHE: join(work, 'go-cache') }
  await Bun.spawn([join(goRoot, 'bin/go'), 'build', '-o', '/dev/null', join(work, 'main.go')], {
    env,
    stdio: ['ignore', 'ignore', 'inherit'],
  }).exited
}, 120_000)

const missing = bubblewrap === null ? 'bubblewrap is not installed' : ARCH === undefined ? `no filter for ${process.arch}` : undefined

describe.each([...SECCOMP_PROFILE_NAMES])('under profile %s', (profile) => {
  for (const { name, tool, command } of RUNTIMES) {
    const reason = missing ?? (tool === undefined ? `no ${name} toolchain on this machine` : undefined)
    test.skipIf(reason !== undefined)(
      `${name} runs threads and child processes${reason === undefined ? '' : ` (skipped: ${reason})`}`,
      async () => {
        const folder = `${profile}-${name}`
        mkdirSync(join(work, folder))
        const sockets = profile === 'restrictive' ? 'unix' : 'inet'
        expect(await run(compileSeccomp(profile, arch), command(`/tmp/work/${folder}`, sockets))).toBe(`${name} ok`)
      },
      60_000,
    )
  }
})

/** Calls with the errno they must give; 0 = they work. Numbers as arguments, NULL as 0. */
type Attempt = readonly [what: string, call: string | number, args: readonly number[], expected: number]
const EPERM = 1
const ENOSYS = 38
const EAFNOSUPPORT = 97
const EPROTONOSUPPORT = 93
const ATTEMPTS: readonly Attempt[] = [
  ['unshare, even of nothing', 'unshare', [0], EPERM],
  ['setns', 'setns', [-1, 0], EPERM],
  ['clone with a new user namespace', 'clone', [0x10000011, 0, 0, 0, 0], EPERM],
  ['clone with a new mount namespace', 'clone', [0x00020011, 0, 0, 0, 0], EPERM],
  ['clone3', 'clone3', [0, 0], ENOSYS],
  ['a call from the future', 480, [0], ENOSYS],
  ['mount', 'mount', [0, 0, 0, 0, 0], EPERM],
  ['fsopen', 'fsopen', [0, 0], EPERM],
  ['open_tree', 'open_tree', [-1, 0, 0], EPERM],
  ['move_mount', 'move_mount', [-1, 0, -1, 0, 0], EPERM],
  ['pivot_root', 'pivot_root', [0, 0], EPERM],
  ['chroot', 'chroot', [0], EPERM],
  ['ptrace of oneself', 'ptrace', [0, 0, 0, 0], EPERM],
  ['process_vm_readv', 'process_vm_readv', [1, 0, 0, 0, 0, 0], EPERM],
  ['kcmp', 'kcmp', [1, 1, 0, 0, 0], EPERM],
  ['pidfd_getfd', 'pidfd_getfd', [-1, 0, 0], EPERM],
  ['bpf', 'bpf', [0, 0, 0], EPERM],
  ['perf_event_open', 'perf_event_open', [0, 0, -1, -1, 0], EPERM],
  ['io_uring_setup', 'io_uring_setup', [0, 0], EPERM],
  ['userfaultfd', 'userfaultfd', [0], EPERM],
  ['keyctl', 'keyctl', [0, -3, 0, 0, 0], EPERM],
  ['add_key', 'add_key', [0, 0, 0, 0, 0], EPERM],
  ['name_to_handle_at', 'name_to_handle_at', [-100, 0, 0, 0, 0], EPERM],
  ['syslog', 'syslog', [10, 0, 0], EPERM],
  ['adjtimex', 'adjtimex', [0], EPERM],
  ['memory made executable by personality', 'personality', [0x400000], EPERM],
  ['TIOCSTI', 'ioctl', [0, 0x5412, 0], EPERM],
  ['TIOCSTI hidden under a high bit', 'ioctl', [0, 0x7_0000_5412, 0], EPERM],
  ['TIOCLINUX hidden under a high bit', 'ioctl', [0, 0x1_0000_541c, 0], EPERM],
  ['a packet socket', 'socket', [17, 3, 0], EPERM],
  ['a vsock', 'socket', [40, 1, 0], EAFNOSUPPORT],
  ['a crypto socket', 'socket', [38, 5, 0], EAFNOSUPPORT],
  ['a device node', 'mknodat', [-100, 0, 0o020666, 0x103], EPERM],
  ['a unix socket', 'socket', [1, 0x80001, 0], 0],
]
const WITH_INTERNET: readonly Attempt[] = [
  ['a TCP socket', 'socket', [2, 1, 0], 0],
  ['a raw socket', 'socket', [2, 3, 1], EPERM],
  ['a packet socket in its old spelling', 'socket', [2, 10, 768], EPERM],
  ['SCTP', 'socket', [2, 1, 132], EPROTONOSUPPORT],
  ['the kernel audit channel', 'socket', [16, 3, 9], EPROTONOSUPPORT],
]
const WITHOUT_INTERNET: readonly Attempt[] = [
  ['a TCP socket', 'socket', [2, 1, 0], EAFNOSUPPORT],
  ['a netlink socket', 'socket', [16, 3, 0], EAFNOSUPPORT],
]

const ATTACK = `
import ctypes, json, sys
libc = ctypes.CDLL(None, use_errno=True)
def attempt(number, args):
    ctypes.set_errno(0)
    result = libc.syscall(ctypes.c_long(number), *[ctypes.c_long(a) for a in args])
    return ctypes.get_errno() if result == -1 else 0
print(json.dumps([attempt(number, args) for number, args in json.loads(sys.argv[1])]))`

/** Each attempt with the errno that it gave. */
async function outcomes(program: Uint8Array, attempts: readonly Attempt[]): Promise<(readonly [string, unknown])[]> {
  const table = syscallTable(arch)
  const calls = attempts.map(([, call, args]) => [typeof call === 'number' ? call : table.get(call), args])
  const printed = await run(program, [python ?? '', '-c', ATTACK, JSON.stringify(calls)])
  const found: unknown = printed.startsWith('[') ? JSON.parse(printed) : printed
  return attempts.map(([what], i) => [what, Array.isArray(found) ? found[i] : found])
}

const withoutPython = missing ?? (python === undefined ? 'no python on this machine' : undefined)
const because = withoutPython === undefined ? '' : ` (skipped: ${withoutPython})`

describe.skipIf(withoutPython !== undefined)(`forbidden calls${because}`, () => {
  test.each([...SECCOMP_PROFILE_NAMES])('fail with the promised errno under profile %s', async (profile) => {
    const attempts = [...ATTEMPTS, ...(profile === 'restrictive' ? WITHOUT_INTERNET : WITH_INTERNET)]
    const expected = attempts.map(([what, , , errno]) => [what, errno] as const)
    expect(await outcomes(compileSeccomp(profile, arch), attempts)).toEqual(expected)
  })

  test('stay forbidden under a file that allows everything', async () => {
    const program = compileSeccompFile('{"defaultAction":"SCMP_ACT_ALLOW"}', 'all.json', arch)
    const attempts = [...ATTEMPTS, ...WITH_INTERNET]
    expect(await outcomes(program, attempts)).toEqual(attempts.map(([what, , , errno]) => [what, errno] as const))
  })

  test('a file takes away what it does not list', async () => {
    const syscalls = [{ names: ['mkdir', 'mkdirat'], action: 'SCMP_ACT_ERRNO', errno: 'ENOTEMPTY' }]
    const program = compileSeccompFile(JSON.stringify({ defaultAction: 'SCMP_ACT_ALLOW', syscalls }), 'own.json', arch)
    expect(await outcomes(program, [['mkdirat', 'mkdirat', [-100, 0, 0o755], 39]])).toEqual([['mkdirat', 39]])
  })

  test.skipIf(arch !== 'x64')('calls of x32 and of 32-bit x86 end the process', async () => {
    const SIGSYS = 31
    const SIGSEGV = 11
    // mov eax, 20 (getpid of 32-bit x86); int 0x80; ret
    const script = `
import ctypes, mmap, os
def fate(action):
    pid = os.fork()
    if pid == 0:
        action(); os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
def x32(): ctypes.CDLL(None).syscall(ctypes.c_long(0x40000000 + 39))
def i386():
    page = mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
    page.write(bytes.fromhex("b814000000cd80c3"))
    ctypes.CFUNCTYPE(ctypes.c_int)(ctypes.addressof(ctypes.c_char.from_buffer(page)))()
print(fate(x32), fate(i386))`
    const [x32, i386] = (await run(compileSeccomp('default', arch), [python ?? '', '-c', script])).split(' ').map(Number)
    expect(x32).toBe(-SIGSYS)
    // A kernel without 32-bit support ends the process by itself, with another signal.
    expect([-SIGSYS, -SIGSEGV]).toContain(i386 ?? 0)
  })
})
