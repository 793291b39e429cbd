import { attackSuite, type Attack } from './attack.ts'

/** What of the host's files and environment can be read or changed from inside. */
const reading: readonly Attack[] = [
  {
    id: 'S1',
    title: 'no file outside the project holds anything of the home',
    code: `
found = []
for path in walk("/", skip=("/usr", "/proc", "/sys", "/workspace")):
    try:
        if "CANARY" in read(path):
            found.append(path)
    except OSError:
        pass
return found
`,
    expected: '[]',
  },
  {
    id: 'S1',
    title: 'the home and its keys do not exist at their own paths',
    code: `
names = [".ssh/id_ed25519", ".aws/credentials", ".netrc", ".bashrc", ".config/gh/hosts.yml", "Documents/diary.txt"]
return sorted(set(errno_of(read, T["home"] + "/" + name) for name in names))
`,
    expected: "['ENOENT']",
  },
  {
    id: 'S1',
    title: "root's home and everybody's homes are empty",
    code: `
seen = []
for top in ("/root", "/home", "/srv", "/opt", "/var", "/run", "/mnt", "/media"):
    for path in walk(top):
        seen.append(path)
return seen
`,
    expected: '[]',
  },
  {
    id: 'S2',
    title: 'the password hashes and the accounts of the host are not there',
    code: `
names = ["shadow", "gshadow", "sudoers", "ssh/ssh_host_ed25519_key", "machine-id", "fstab", "crontab"]
return [sorted(set(errno_of(read, "/etc/" + name) for name in names)), len(read("/etc/passwd").splitlines())]
`,
    expected: "[['ENOENT'], 3]",
  },
  {
    id: 'S3',
    title: 'no secret of the caller is in any environment',
    code: `
found = []
for pid in [name for name in os.listdir("/proc") if name.isdigit()] + ["self"]:
    for part in ("environ", "cmdline"):
        try:
            text = read("/proc/%s/%s" % (pid, part))
        except OSError:
            continue
        if "run_" + "attack" in text:
            continue  # ourselves: the script speaks of what it looks for
        if "CANARY-" + "of-the" in text or "HOST_" + "SECRET" in text:
            found.append((pid, part))
# Where no network device can be made, the sandbox has proxies of its own on its loopback, and says so here.
proxies = {name for name in os.environ if name.lower() in ("http_proxy", "https_proxy", "all_proxy", "no_proxy")}
foreign = [name for name in proxies if "127.0.0.1" not in os.environ[name]]
return [found, sorted(set(os.environ) - proxies - {"HOME", "PATH", "PWD", "OLDPWD", "SHLVL", "_", "LC_CTYPE"}) + foreign]
`,
    expected: '[[], []]',
  },
  {
    id: 'S4',
    title: 'nothing outside /workspace, /tmp and the own home can be written',
    code: `
writable = []
for folder, folders, _ in os.walk("/"):
    folders[:] = [name for name in folders if os.path.join(folder, name) not in ("/proc", "/workspace", "/tmp", "/home/user", "/usr")]
    path = os.path.join(folder, "agentkernel-attack")
    try:
        os.close(os.open(path, os.O_CREAT | os.O_WRONLY))
        writable.append(folder)
    except OSError:
        pass
for folder in ("/usr", "/usr/bin", "/usr/lib", "/usr/local/bin", "/etc", "/"):
    try:
        os.close(os.open(folder + "/agentkernel-attack", os.O_CREAT | os.O_WRONLY))
        writable.append(folder)
    except OSError as error:
        if error.errno != errno.EROFS:
            writable.append((folder, error.errno))
return writable
`,
    // The same bounded memory twice: bubblewrap shows it again where programs look for it.
    expected: "['/dev/shm']",
  },
  {
    id: 'S4',
    title: 'programs and libraries cannot be changed, whatever their mode',
    code: `
def refused(path):
    answer = errno_of(os.open, path, os.O_WRONLY)
    # The kernel says that a program runs before it says that its mount is read-only: then the mount itself must tell.
    return answer in ("EACCES", "EROFS") or answer == "ETXTBSY" and os.statvfs(path).f_flag & os.ST_RDONLY != 0
return [path for path in ("/usr/bin/env", "/bin/sh", "/etc/passwd", "/.agentkernel/init", "/proc/sys/kernel/hostname") if not refused(path)]
`,
    expected: '[]',
  },
  {
    id: 'S5',
    title: 'secret-looking files of the project are not in its copy',
    code: `
found = []
for path in walk("/workspace", skip=("/workspace/.git/objects",)):
    if "CANARY" in read(path):
        found.append(path)
return [found, read("/workspace/README.md").strip()]
`,
    expected: "[[], 'open to all']",
  },
  {
    id: 'S6',
    title: 'the mount table, a device of a disk and file handles open nothing of the host',
    code: `
results = []
for line in read("/proc/self/mountinfo").splitlines():
    source = line.split(" - ")[1].split()[1]
    if source.startswith("/dev/"):
        results.append(errno_of(os.open, source, os.O_RDONLY))
handle = ctypes.create_string_buffer(struct.pack("Ii", 8, 1) + struct.pack("II", 2, 0) + bytes(128))
results.append(errno_of(syscall, "open_by_handle_at", os.open("/usr", os.O_RDONLY), handle, 0))
return sorted(set(results))
`,
    expected: /^\['ENOENT', 'EPERM'\]$|^\['EPERM'\]$/,
  },
]

attackSuite('files of the host', reading)
attackSuite('files of the host with the permissive profile', [...reading.slice(0, 4), ...reading.slice(5, 7)], {
  flags: ['-p', 'permissive', '--workspace', 'none'],
})
attackSuite('files of the host with the restrictive profile', reading.slice(0, 5), { flags: ['-p', 'restrictive'] })
attackSuite('files of the host, from a sandbox that stays', reading, { stays: 'moderate' })
attackSuite('files of the host, from one that stays with the restrictive profile', reading.slice(0, 5), { stays: 'restrictive' })
