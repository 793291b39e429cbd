import { attackSuite, type Attack } from './attack.ts'

const processes: readonly Attack[] = [
  {
    id: 'S7',
    title: 'no process of the host is visible',
    code: `
names = sorted(read("/proc/%s/comm" % name).strip() for name in os.listdir("/proc") if name.isdigit())
return names
`,
    expected: /^\['init', 'python3'(, 'python3')?\]$/,
  },
  {
    id: 'S7',
    title: 'no process of the host can be signalled by its number',
    code: `
return sorted(set(errno_of(os.kill, T["victim"]["pid"] + delta, signal.SIGUSR1) for delta in (0, 100000)))
`,
    expected: "['ESRCH']",
  },
  {
    id: 'S7',
    title: 'a signal to everybody stays inside',
    code: `
return errno_of(os.kill, -1, signal.SIGUSR1)
`,
    expected: 'done: None',
  },
  {
    id: 'S8',
    title: 'process 1 can be traced by nobody',
    code: `
PTRACE_ATTACH, PTRACE_SEIZE = 16, 0x4206
iovec = struct.pack("QQ", 0, 8)
pidfd = os.pidfd_open(1)
return sorted(set([
    errno_of(syscall, "ptrace", PTRACE_ATTACH, 1, 0, 0),
    errno_of(syscall, "ptrace", PTRACE_SEIZE, 1, 0, 0),
    errno_of(syscall, "process_vm_readv", 1, iovec, 1, iovec, 1, 0),
    errno_of(syscall, "process_vm_writev", 1, iovec, 1, iovec, 1, 0),
    errno_of(syscall, "pidfd_getfd", pidfd, 3, 0),
    errno_of(syscall, "kcmp", os.getpid(), 1, 0, 0, 0),
]))
`,
    expected: "['EPERM']",
  },
  {
    id: 'S8',
    title: 'nobody takes process 1, or a neighbour, its limits; their own they may lower',
    code: `
neighbour = subprocess.Popen(["sleep", "60"])
refused = sorted(set(
    errno_of(resource.prlimit, pid, kind, (0, 0))
    for pid in [1, neighbour.pid, *map(int, os.listdir("/proc/1/task"))]
    for kind in (resource.RLIMIT_NOFILE, resource.RLIMIT_CPU, resource.RLIMIT_FSIZE)
))
neighbour.kill()
neighbour.wait()
resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
return refused, resource.prlimit(1, resource.RLIMIT_NOFILE)[0] > 0
`,
    expected: "(['EPERM'], True)",
  },
  {
    id: 'S8',
    title: '/proc/1 gives no root, memory, descriptor, environment, folder or program away',
    code: `
return sorted(set([
    errno_of(os.listdir, "/proc/1/root"),
    errno_of(os.listdir, "/proc/1/cwd"),
    errno_of(os.open, "/proc/1/root/etc/passwd", os.O_RDONLY),
    errno_of(os.open, "/proc/1/mem", os.O_RDWR),
    errno_of(os.listdir, "/proc/1/fd"),
    errno_of(os.open, "/proc/1/fd/3", os.O_RDONLY),
    errno_of(read, "/proc/1/environ"),
    errno_of(os.open, "/proc/1/exe", os.O_WRONLY),
    errno_of(os.readlink, "/proc/1/ns/mnt"),
    errno_of(os.listdir, "/proc/1/map_files"),
    errno_of(read, "/proc/1/stack"),
]))
`,
    expected: /^\['EACCES'(, 'EPERM')?\]$/,
  },
  {
    id: 'S8',
    title: 'the arguments of process 1 say nothing',
    code: `return read("/proc/1/cmdline").split("\\0")`,
    // At most numbers of descriptors, which nobody else gets.
    expected: /^\['\/\.agentkernel\/init', '(init|agent)'(, '-?\d+')*, ''\]$/,
  },
  {
    id: 'S9',
    title: 'the helper cannot be overwritten through /proc/self/exe',
    code: `
# The program that a container runtime leaves open is its own: run ours, and try to write to it while it runs.
results = set()
for path in ("/.agentkernel/init", "/usr/bin/bwrap", "/proc/self/exe"):
    results.add(errno_of(os.open, path, os.O_WRONLY))
child = subprocess.Popen(["/.agentkernel/init", "init"], stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
try:
    fd = os.open("/proc/%d/exe" % child.pid, os.O_RDONLY)
    results.add(errno_of(os.open, "/proc/self/fd/%d" % fd, os.O_WRONLY))
except OSError as error:
    results.add(errno.errorcode[error.errno])
child.wait()
results.add(errno_of(os.chmod, "/.agentkernel/init", 0o777))
return results <= {"EACCES", "EROFS", "ETXTBSY", "ENOENT", "EPERM"}
`,
    expected: 'True',
  },
  {
    id: 'S10',
    title: 'every capability set is empty, also for process 1',
    code: `
return sorted(set(status(pid)[name] for pid in ("self", "1") for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")))
`,
    expected: "['0000000000000000']",
  },
  {
    id: 'S10',
    title: 'new privileges are off and the filter is on, also for process 1',
    code: `return [(status(pid)["NoNewPrivs"], status(pid)["Seccomp"]) for pid in ("self", "1")]`,
    expected: "[('1', '2'), ('1', '2')]",
  },
  {
    id: 'S10',
    title: 'no program with a setuid bit gains anything',
    code: `
gained = []
for name in ("su", "sudo", "pkexec", "newgrp", "chsh", "ping", "fusermount3"):
    try:
        child = subprocess.run([name, "-c", "id"], stdin=subprocess.DEVNULL, capture_output=True, timeout=2)
        if b"uid=0" in child.stdout:
            gained.append(name)
    except (FileNotFoundError, subprocess.TimeoutExpired):
        pass
for command in (["su", "-c", "id"], ["mount", "-t", "tmpfs", "x", "/tmp"], ["passwd", "-d", "root"]):
    try:
        child = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, timeout=5)
        if child.returncode == 0:
            gained.append(command)
    except FileNotFoundError:
        pass
return [gained, [errno_of(os.setuid, 0), errno_of(os.setresgid, 0, 0, 0), errno_of(os.setgroups, [0])]]
`,
    expected: "[[], ['EINVAL', 'EINVAL', 'EPERM']]",
  },
  {
    id: 'S10',
    title: 'a setuid program of our own making gains nothing',
    code: `
return errno_of(os.chown, "/tmp", 0, 0)
`,
    expected: /^(EPERM|EINVAL)$/,
  },
]

attackSuite('processes and privileges', processes)
attackSuite('processes and privileges with the permissive profile', processes, { flags: ['-p', 'permissive', '--workspace', 'none'] })
attackSuite('processes and privileges in a sandbox that stays', processes, { stays: 'moderate' })
