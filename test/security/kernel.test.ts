import { describe, expect, test } from 'bun:test'
import { existsSync, readFileSync } from 'node:fs'
import { attackSuite, forBothCallers, type Attack } from './attack.ts'
import { run } from './callers.ts'

const NAMESPACES = '[0x00020000, 0x02000000, 0x04000000, 0x08000000, 0x10000000, 0x20000000, 0x40000000, 0x80]'

const kernel: readonly Attack[] = [
  {
    id: 'S11',
    title: 'no namespace can be made with unshare or clone',
    code: `
flags = ${NAMESPACES}
clone = [errno_of(syscall, "clone", flag | signal.SIGCHLD, 0, 0, 0, 0) for flag in flags]
return sorted(set([errno_of(syscall, "unshare", flag) for flag in flags] + clone))
`,
    expected: "['EPERM']",
  },
  {
    id: 'S11',
    title: 'clone3, whose flags no filter can read, does not exist',
    code: `return errno_of(syscall, "clone3", struct.pack("QQQQQQQQ", 0x10000000, 0, 0, 0, 17, 0, 0, 0), 64)`,
    expected: 'ENOSYS',
  },
  {
    id: 'S11',
    title: 'no namespace can be entered',
    code: `
results = [errno_of(syscall, "setns", os.open("/proc/self/ns/" + name, os.O_RDONLY), 0) for name in ("mnt", "user", "net", "pid_for_children")]
return sorted(set(results + [errno_of(syscall, "setns", os.pidfd_open(1), 0x20000000)]))
`,
    expected: "['EPERM']",
  },
  {
    id: 'S12',
    title: 'nothing can be mounted, unmounted, moved or made the root',
    code: `
a, b, t = b"/tmp\\0", b"/workspace\\0", b"tmpfs\\0"
return sorted(set([
    errno_of(syscall, "mount", t, a, t, 0, 0),
    errno_of(syscall, "mount", b, a, 0, 4096, 0),
    errno_of(syscall, "mount", 0, b"/usr\\0", 0, 32 | 4096, 0),
    errno_of(syscall, "umount2", b"/dev\\0", 2),
    errno_of(syscall, "umount2", b"/proc\\0", 2),
    errno_of(syscall, "pivot_root", a, a),
    errno_of(syscall, "chroot", a),
    errno_of(syscall, "fsopen", t, 0),
    errno_of(syscall, "fsmount", 0, 0, 0),
    errno_of(syscall, "open_tree", -100, b"/\\0", 1),
    errno_of(syscall, "move_mount", -100, a, -100, b, 0),
    errno_of(syscall, "mount_setattr", -100, b"/usr\\0", 0, bytes(32), 32),
]))
`,
    expected: "['EPERM']",
  },
  {
    id: 'S12',
    title: 'climbing out of the root with .. and an open folder leads nowhere',
    code: `
root = os.open("/", os.O_RDONLY)
found = []
for start in (root, os.open("/proc/sys", os.O_RDONLY), os.open("/workspace", os.O_RDONLY), os.open("/dev", os.O_RDONLY)):
    fd = start
    for _ in range(12):
        fd = os.open("..", os.O_RDONLY, dir_fd=fd)
    found.append(os.fstat(fd).st_ino == os.fstat(root).st_ino and os.fstat(fd).st_dev == os.fstat(root).st_dev)
return found
`,
    expected: '[True, True, True, True]',
  },
  {
    id: 'S13',
    title: 'core_pattern and the other switches of the kernel cannot be set',
    code: `
paths = ["sys/kernel/core_pattern", "sys/kernel/modprobe", "sys/kernel/hotplug", "sys/vm/panic_on_oom", "sys/fs/binfmt_misc/register", "sysrq-trigger", "sys/kernel/hostname", "sys/net/ipv4/ip_forward", "self/../irq/default_smp_affinity", "1/oom_score_adj"]
return all(errno_of(os.open, "/proc/" + path, os.O_WRONLY) in ("EROFS", "EACCES", "ENOENT", "EPERM") for path in paths)
`,
    expected: 'True',
  },
  {
    id: 'S13',
    title: 'no control group is there to set a release_agent in',
    code: `
found = [path for top in ("/sys", "/tmp", "/run") for path in walk(top) if path.endswith(("release_agent", "cgroup.procs", "tasks"))]
return [found, errno_of(os.listdir, "/sys/fs/cgroup"), errno_of(syscall, "mount", b"c\\0", b"/tmp\\0", b"cgroup\\0", 0, b"memory\\0"), errno_of(syscall, "mount", b"c\\0", b"/tmp\\0", b"cgroup2\\0", 0, 0)]
`,
    expected: "[[], 'ENOENT', 'EPERM', 'EPERM']",
  },
  {
    id: 'S13',
    title: 'the group of the sandbox looks like the root',
    code: `return sorted(set(line.split(":", 2)[2] for line in read("/proc/self/cgroup").splitlines()))`,
    expected: /^\['\/'(, '\/\.\.[^']*')*\]$/,
  },
  {
    id: 'S14',
    title: 'no device node can be made, and the disks are not there',
    code: `
modes = (stat.S_IFBLK, stat.S_IFCHR)
made = [errno_of(os.mknod, folder + "/node", mode | 0o666, os.makedev(major, minor)) for folder in ("/tmp", "/workspace", "/dev/shm", "/home/user") for mode in modes for major, minor in ((254, 0), (8, 0), (1, 1), (10, 229))]
return [sorted(set(made)), [name for name in sorted(os.listdir("/dev")) if stat.S_ISBLK(os.lstat("/dev/" + name).st_mode)], sorted(set(errno_of(os.open, "/dev/" + name, os.O_RDWR) for name in ("mem", "kmem", "port", "kvm", "fuse", "vda", "sda", "loop0", "loop-control", "net/tun", "kmsg", "mapper/control", "input/event0", "tty0", "console", "vhost-net", "uinput")))]
`,
    expected: "[['EPERM'], [], ['ENOENT']]",
  },
  {
    id: 'S15',
    title: 'raw, packet and exotic sockets are refused',
    code: `
tries = [(socket.AF_INET, socket.SOCK_RAW, 1), (socket.AF_INET6, socket.SOCK_RAW, 58), (socket.AF_PACKET, socket.SOCK_RAW, 0x300), (socket.AF_PACKET, socket.SOCK_DGRAM, 0), (socket.AF_INET, 10, 0x300), (16, 3, 9), (16, 3, 12), (16, 3, 15), (40, 1, 0), (38, 5, 0), (29, 3, 1), (30, 1, 0), (44, 3, 0)]
return all(errno_of(syscall, "socket", *args) in ("EPERM", "EAFNOSUPPORT", "EPROTONOSUPPORT", "ESOCKTNOSUPPORT") for args in tries)
`,
    expected: 'True',
  },
  {
    id: 'S15',
    title: 'the interfaces and routes cannot be changed',
    code: `
s = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0)
# RTM_NEWLINK, a dummy interface; the answer carries the errno.
body = struct.pack("BxHiII", 0, 0, 0, 1, 0xFFFFFFFF) + struct.pack("HH", 8, 3) + b"dum\\0"
s.send(struct.pack("IHHII", 16 + len(body), 16, 0x605, 1, 0) + body)
answer = s.recv(65536)
return errno.errorcode[-struct.unpack("i", answer[16:20])[0]]
`,
    expected: 'EPERM',
  },
  {
    id: 'S16',
    title: 'the loopback and the addresses of the host are out of reach',
    code: `
results = []
for address in ("127.0.0.1", "127.0.1.1", T.get("otherAddress") or "127.0.0.2", "0.0.0.0"):
    s = socket.socket()
    s.settimeout(3)
    results.append(errno_of(s.connect, (address, T["victim"]["port"])))
six = socket.socket(socket.AF_INET6)
six.settimeout(3)
results.append(errno_of(six.connect, ("::1", T["victim"]["port"])))
return [name for name in results if name.startswith("done")]
`,
    expected: '[]',
  },
  {
    id: 'S16',
    title: 'the metadata of a cloud is out of reach, and so are ranges that are nobody’s',
    code: `
results = []
for address in ("169.254.169.254", "192.168.0.1", "10.0.0.1", "100.64.0.1", "224.0.0.1", "255.255.255.255"):
    s = socket.socket()
    s.settimeout(10)
    results.append(errno_of(s.connect, (address, 81)))
    # Where HTTP is to be expected the gateway itself may answer, to say why.
    web = socket.socket()
    web.settimeout(10)
    try:
        web.connect((address, 80))
        web.sendall(b"GET / HTTP/1.1\\r\\nHost: " + address.encode() + b"\\r\\n\\r\\n")
        text = web.recv(4096).decode()
        results.append("refused" if text == "" or "X-Agentkernel-Denied" in text else "done: " + text)
    except OSError as error:
        results.append("timeout" if isinstance(error, TimeoutError) else "refused")
return [name for name in results if name.startswith("done") or name == "timeout"]
`,
    expected: '[]',
  },
  {
    id: 'S17',
    title: 'no socket of the host is reachable, by path or by abstract name',
    code: `
path, abstract = socket.socket(socket.AF_UNIX), socket.socket(socket.AF_UNIX)
listed = [line for line in read("/proc/net/unix").splitlines() if "agentkernel" in line]
sockets = []
for folder, _, names in os.walk("/"):
    if folder.startswith(("/proc", "/usr")):
        continue
    sockets += [os.path.join(folder, name) for name in names if stat.S_ISSOCK(os.lstat(os.path.join(folder, name)).st_mode)]
return [errno_of(path.connect, T["victim"]["unix"]), errno_of(abstract.connect, "\\0" + T["victim"]["abstract"]), listed, sockets]
`,
    expected: "['ENOENT', 'ECONNREFUSED', [], []]",
  },
  {
    id: 'S18',
    title: 'nothing can be typed into a terminal, whatever the high bits say',
    code: `
master, slave = os.openpty()
results = []
for request in (0x5412, 0x541C, 0x541D, 0x5423):
    for high in (0, 1 << 32, 0xFFFFFFFF << 32):
        results.append(errno_of(syscall, "ioctl", slave, request | high, b"x"))
results.append(errno_of(os.open, "/dev/tty", os.O_RDWR))
return sorted(set(results))
`,
    expected: "['ENXIO', 'EPERM']",
  },
  {
    id: 'S19',
    title: 'the keyrings of the caller are out of reach',
    code: `
calls = [errno_of(syscall, "keyctl", command, 0xFFFFFFFF - ring, 0, 0, 0) for command in (0, 6, 10, 11) for ring in range(6)]
calls += [errno_of(syscall, "add_key", b"user\\0", b"a\\0", b"b", 1, 0xFFFFFFFC), errno_of(syscall, "request_key", b"user\\0", b"a\\0", 0, 0)]
return [sorted(set(calls)), read("/proc/keys")]
`,
    expected: "[['EPERM'], '']",
  },
  {
    id: 'S20',
    title: 'the log and the addresses of the kernel cannot be read',
    code: `
buffer = ctypes.create_string_buffer(4096)
def empty(path):
    try:
        return read(path, 4096) == ""
    except OSError:
        return True
return [errno_of(syscall, "syslog", 3, buffer, 4096), errno_of(syscall, "syslog", 10, 0, 0), [path for path in ("/proc/kmsg", "/dev/kmsg", "/proc/kallsyms", "/proc/kcore", "/proc/timer_list") if not empty(path)]]
`,
    expected: "['EPERM', 'EPERM', []]",
  },
  {
    id: 'S21',
    title: 'the parts of the kernel that exploits begin with are closed',
    code: `
none = bytes(256)
return sorted(set([
    errno_of(syscall, "perf_event_open", none, 0, -1, -1, 0),
    errno_of(syscall, "bpf", 0, none, 72),
    errno_of(syscall, "io_uring_setup", 8, none),
    errno_of(syscall, "userfaultfd", 0),
    errno_of(syscall, "init_module", none, 1, none),
    errno_of(syscall, "finit_module", 0, none, 0),
    errno_of(syscall, "delete_module", none, 0),
    errno_of(syscall, "kexec_load", 0, 0, 0, 0),
    errno_of(syscall, "kexec_file_load", -1, -1, 0, 0, 0),
    errno_of(syscall, "reboot", 0xFEE1DEAD, 672274793, 0, 0),
    errno_of(syscall, "swapon", none, 0),
    errno_of(syscall, "acct", none),
    errno_of(syscall, "quotactl", 0, none, 0, none),
    errno_of(syscall, "fanotify_init", 0, 0),
    errno_of(syscall, "name_to_handle_at", -100, b"/\\0", none, none, 0),
    errno_of(syscall, "settimeofday", none, 0),
    errno_of(syscall, "clock_settime", 0, none),
    errno_of(syscall, "adjtimex", none),
    errno_of(syscall, "sethostname", none, 1),
    errno_of(syscall, "vhangup"),
    errno_of(syscall, "lookup_dcookie" if "lookup_dcookie" in CALLS else "acct", none, none, 0),
]))
`,
    expected: "['EPERM']",
  },
  {
    id: 'S21',
    title: 'the personality cannot be made one that weakens memory protection',
    code: `return sorted(set(errno_of(syscall, "personality", value) for value in (0x0400000, 0x0100000, 0x0200000, 0x8 | 0x400000, 0x440000)))`,
    expected: "['EPERM']",
  },
  {
    id: 'S21',
    title: 'the tables that show the limits of namespaces show none left to use',
    code: `return errno_of(lambda: subprocess.run(["unshare", "-U", "true"], capture_output=True).returncode)`,
    expected: /^done: [1-9]\d*$|^ENOENT$/,
  },
]

/** Without a network, which is more than one that lets nothing through. */
const unconnected: readonly Attack[] = [
  {
    id: 'S16',
    title: 'only a loopback interface exists, and nothing outside answers',
    code: `
udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
return [[name for _, name in socket.if_nameindex()], errno_of(udp.sendto, b"x", ("192.0.2.1", 53)), errno_of(socket.socket().connect, ("169.254.169.254", 80))]
`,
    expected: "[['lo'], 'ENETUNREACH', 'ENETUNREACH']",
  },
]

attackSuite('the kernel', kernel)
attackSuite('the kernel without a network', unconnected, { flags: ['--no-network'] })
attackSuite('the kernel, from a sandbox that stays', kernel, { stays: 'moderate' })
attackSuite('the kernel with the permissive profile', kernel, { flags: ['-p', 'permissive', '--workspace', 'none'] })

describe('what an attack may have left on the host', () => {
  forBothCallers('after attacks on the network', (world) => {
    test('S16 S17 nobody came to the listeners of the host, and nobody signalled it', async () => {
      const { port, unix, abstract, pid } = world().victim
      const script = `
import os, socket
for family, address in ((socket.AF_INET, ("127.0.0.1", ${port})), (socket.AF_UNIX, ${JSON.stringify(unix)}), (socket.AF_UNIX, "\\0" + ${JSON.stringify(abstract)})):
    try:
        socket.socket(family).connect(address)
    except OSError:
        pass
for number in (${pid}, -1):
    try:
        os.kill(number, 10)
    except OSError:
        pass
`
      await run(world(), ['/usr/bin/python3', '-c', script])
      expect(world().visitors()).toBe('')
      expect(existsSync(`/proc/${pid}`)).toBe(true)
    })

    test('S13 the switches of the kernel are as before', async () => {
      const before = readFileSync('/proc/sys/kernel/core_pattern', 'utf8')
      await run(world(), ['/bin/sh', '-c', 'echo "|/tmp/x" > /proc/sys/kernel/core_pattern'])
      expect(readFileSync('/proc/sys/kernel/core_pattern', 'utf8')).toBe(before)
    })
  })
})
