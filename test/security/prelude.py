# What every attack has at hand. It runs inside the sandbox; each attack is a function in a process of its own, which
# returns what it could do, or ends in the errno that stopped it.
import ctypes, errno, json, mmap, os, platform, resource, select, signal, socket, stat, struct, subprocess, sys, time

# One attack signals everybody it can reach, and we are among them.
signal.signal(signal.SIGUSR1, signal.SIG_IGN)
libc = ctypes.CDLL(None, use_errno=True)
libc.syscall.restype = ctypes.c_long


def syscall(name, *args):
    """Calls the kernel directly. Returns its result, or raises OSError. Buffers are passed by address."""
    words = []
    keep = []
    for arg in args:
        if isinstance(arg, bytes):
            keep.append(ctypes.create_string_buffer(arg, max(len(arg), 1)))
            words.append(ctypes.c_ulong(ctypes.addressof(keep[-1])))
        elif isinstance(arg, ctypes.Array):
            words.append(ctypes.c_ulong(ctypes.addressof(arg)))
        else:
            words.append(ctypes.c_ulong(arg & 0xFFFFFFFFFFFFFFFF))
    ctypes.set_errno(0)
    result = libc.syscall(ctypes.c_long(CALLS[name]), *words)
    if result == -1:
        number = ctypes.get_errno()
        raise OSError(number, name)
    return result


def errno_of(function, *args):
    try:
        return "done: %r" % (function(*args),)
    except OSError as error:
        return errno.errorcode.get(error.errno, str(error.errno))


def read(path, limit=1 << 20):
    with open(path, "rb") as file:
        return file.read(limit).decode("latin1")


def status(pid="self"):
    return dict(line.split(":\t", 1) for line in read("/proc/%s/status" % pid).splitlines() if ":\t" in line)


def walk(top, skip=()):
    """Every regular file below a folder, symlinks not followed."""
    for folder, folders, files in os.walk(top):
        folders[:] = [name for name in folders if os.path.join(folder, name) not in skip]
        for name in files:
            path = os.path.join(folder, name)
            try:
                if stat.S_ISREG(os.lstat(path).st_mode):
                    yield path
            except OSError:
                pass


def run_attack(name, function):
    """Runs one attack in a process of its own, so that one that is killed does not end the others."""
    out_read, out_write = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(out_read)
        signal.alarm(20)
        try:
            text = str(function())
        except OSError as error:
            text = errno.errorcode.get(error.errno, str(error.errno))
        except BaseException as error:
            text = "%s: %s" % (type(error).__name__, error)
        os.write(out_write, text.encode("utf8", "replace")[:60000])
        os._exit(0)
    os.close(out_write)
    chunks = []
    while True:
        chunk = os.read(out_read, 65536)
        if not chunk:
            break
        chunks.append(chunk)
    os.close(out_read)
    _, how = os.waitpid(child, 0)
    text = b"".join(chunks).decode("utf8", "replace")
    if os.WIFSIGNALED(how) and not text:
        text = "killed by signal %d" % os.WTERMSIG(how)
    print(json.dumps([name, text]), flush=True)
