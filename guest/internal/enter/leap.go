package enter

import (
	"encoding/binary"
	"runtime"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// guard is the capability that the agent has until it has made itself unreadable: without any, it could be read and written by
// everybody in the sandbox between its first instruction and that. Over a user namespace other than the machine's it allows nothing.
const guard = unix.CAP_WAKE_ALARM

// leap is everything a child needs to go where a Go program cannot: it must be a single thread, and no Go code may run in it. So all of
// it is prepared before the fork, and the child makes system calls alone.
type leap struct {
	// groups are open cgroup.procs files to join.
	groups []uintptr
	// spaces are entered first, then the identity is taken, and last the user namespace entered.
	spaces   []space
	become   bool
	uid, gid uintptr
	user     int
	// keep are the capabilities that it has after the exec.
	keep capabilitySet
	// inside says that it becomes one of the sandbox's: no privilege can ever be gained again.
	inside bool
	filter *unix.SockFprog

	report        uintptr
	path          *byte
	argv, envv    []*byte
	header        unix.CapUserHeader
	before, after [2]unix.CapUserData
	noHandler     [4]uint64
	allSignals    uint64
	noSignals     uint64
	oldSignals    uint64
	failed        [2]uint32
	pidfd         int32
}

type space struct{ fd, kind uintptr }

type capabilitySet [2]uint32

func capabilities(numbers ...int) (set capabilitySet) {
	for _, number := range numbers {
		set[number/32] |= 1 << (number % 32)
	}
	return set
}

// What the child does, to name what failed.
const (
	stepGroups = iota
	stepSpaces
	stepIdentity
	stepUser
	stepCapabilities
	stepSession
	stepFilter
	stepExec
)

var steps = [...]string{
	stepGroups: "control group", stepSpaces: "namespaces", stepIdentity: "drop root", stepUser: "user namespace",
	stepCapabilities: "drop capabilities", stepSession: "session", stepFilter: "seccomp", stepExec: "start the agent",
}

// child is a process that has leapt; with an error, step is what failed.
type child struct {
	pid, pidfd int
	step       string
}

// start forks, and returns when the child has become the program.
func (l *leap) start(program string, args, env []string) (child, error) {
	if err := l.prepare(program, args, env); err != nil {
		return child{step: "prepare"}, err
	}
	var ends [2]int
	if err := unix.Pipe2(ends[:], unix.O_CLOEXEC); err != nil {
		return child{step: "prepare"}, err
	}
	defer unix.Close(ends[0])
	l.report = uintptr(ends[1])
	syscall.ForkLock.Lock()
	pid, errno := l.fork()
	syscall.ForkLock.Unlock()
	_ = unix.Close(ends[1])
	runtime.KeepAlive(l)
	if errno != 0 {
		return child{step: "fork"}, errno
	}
	c := child{pid: pid, pidfd: int(l.pidfd)}
	var report [8]byte
	n, err := read(ends[0], report[:])
	if n == 0 && err == nil {
		return c, nil
	}
	c.wait()
	_ = unix.Close(c.pidfd)
	if n < len(report) {
		return child{step: "fork"}, unix.EIO
	}
	failed := binary.NativeEndian.Uint32(report[:])
	return child{step: steps[min(int(failed), len(steps)-1)]}, syscall.Errno(binary.NativeEndian.Uint32(report[4:]))
}

func read(fd int, into []byte) (int, error) {
	for {
		n, err := unix.Read(fd, into)
		if err != unix.EINTR {
			return max(n, 0), err
		}
	}
}

func (l *leap) prepare(program string, args, env []string) (err error) {
	if l.path, err = syscall.BytePtrFromString(program); err != nil {
		return err
	}
	if l.argv, err = syscall.SlicePtrFromStrings(args); err != nil {
		return err
	}
	if l.envv, err = syscall.SlicePtrFromStrings(env); err != nil {
		return err
	}
	l.header.Version = unix.LINUX_CAPABILITY_VERSION_3
	setpcap := capabilities(unix.CAP_SETPCAP)
	for i := range l.keep {
		kept := l.keep[i]
		l.after[i] = unix.CapUserData{Effective: kept, Permitted: kept, Inheritable: kept}
		l.before[i] = unix.CapUserData{Effective: kept | setpcap[i], Permitted: kept | setpcap[i], Inheritable: kept}
	}
	l.allSignals = ^uint64(0)
	return nil
}

// fork returns in the parent only. Signals wait meanwhile: their handlers are Go's.
//
//go:norace
//go:noinline
func (l *leap) fork() (int, syscall.Errno) {
	unix.RawSyscall6(unix.SYS_RT_SIGPROCMASK, unix.SIG_SETMASK, uintptr(unsafe.Pointer(&l.allSignals)), uintptr(unsafe.Pointer(&l.oldSignals)), 8, 0, 0)
	pid, _, errno := unix.RawSyscall6(unix.SYS_CLONE, uintptr(unix.SIGCHLD)|unix.CLONE_PIDFD, 0, uintptr(unsafe.Pointer(&l.pidfd)), 0, 0, 0)
	if errno == 0 && pid == 0 {
		l.land()
	}
	unix.RawSyscall6(unix.SYS_RT_SIGPROCMASK, unix.SIG_SETMASK, uintptr(unsafe.Pointer(&l.oldSignals)), 0, 8, 0, 0)
	return int(pid), errno
}

// land is the child. It never returns.
//
//go:norace
//go:nosplit
func (l *leap) land() {
	for number := uintptr(1); number <= 64; number++ {
		unix.RawSyscall6(unix.SYS_RT_SIGACTION, number, uintptr(unsafe.Pointer(&l.noHandler)), 0, 8, 0, 0)
	}
	unix.RawSyscall6(unix.SYS_RT_SIGPROCMASK, unix.SIG_SETMASK, uintptr(unsafe.Pointer(&l.noSignals)), 0, 8, 0, 0)
	step, errno := l.enter()
	if errno == 0 {
		step, errno = l.lower()
	}
	if errno == 0 {
		step = stepExec
		_, _, errno = unix.RawSyscall(unix.SYS_EXECVE, uintptr(unsafe.Pointer(l.path)), uintptr(unsafe.Pointer(&l.argv[0])), uintptr(unsafe.Pointer(&l.envv[0])))
	}
	l.failed[0], l.failed[1] = step, uint32(errno)
	unix.RawSyscall(unix.SYS_WRITE, l.report, uintptr(unsafe.Pointer(&l.failed)), 8)
	for {
		unix.RawSyscall(unix.SYS_EXIT_GROUP, 125, 0, 0)
	}
}

// enter goes into groups and namespaces. Before it is in the user namespace, nobody there can touch it: it is somebody else, or has
// capabilities that they have not.
//
//go:norace
//go:nosplit
func (l *leap) enter() (step uint32, errno syscall.Errno) {
	zero := byte('0')
	for _, group := range l.groups {
		if _, _, errno = unix.RawSyscall(unix.SYS_WRITE, group, uintptr(unsafe.Pointer(&zero)), 1); errno != 0 {
			return stepGroups, errno
		}
	}
	for _, s := range l.spaces {
		if _, _, errno = unix.RawSyscall(unix.SYS_SETNS, s.fd, s.kind, 0); errno != 0 {
			return stepSpaces, errno
		}
	}
	if l.become {
		if _, _, errno = unix.RawSyscall(unix.SYS_SETGROUPS, 0, 0, 0); errno != 0 {
			return stepIdentity, errno
		}
		if _, _, errno = unix.RawSyscall(unix.SYS_SETRESGID, l.gid, l.gid, l.gid); errno != 0 {
			return stepIdentity, errno
		}
		if _, _, errno = unix.RawSyscall(unix.SYS_SETRESUID, l.uid, l.uid, l.uid); errno != 0 {
			return stepIdentity, errno
		}
	}
	if _, _, errno = unix.RawSyscall(unix.SYS_SETNS, uintptr(l.user), unix.CLONE_NEWUSER, 0); errno != 0 {
		return stepUser, errno
	}
	return 0, 0
}

// lower gives up what it has over the user namespace that it is in now, but what it keeps.
//
//go:norace
//go:nosplit
func (l *leap) lower() (step uint32, errno syscall.Errno) {
	if _, _, errno = unix.RawSyscall(unix.SYS_CAPSET, uintptr(unsafe.Pointer(&l.header)), uintptr(unsafe.Pointer(&l.before)), 0); errno != 0 {
		return stepCapabilities, errno
	}
	for number := uintptr(0); number < 64; number++ {
		if l.keep[number/32]&(1<<(number%32)) == 0 {
			continue
		}
		if _, _, errno = unix.RawSyscall6(unix.SYS_PRCTL, unix.PR_CAP_AMBIENT, unix.PR_CAP_AMBIENT_RAISE, number, 0, 0, 0); errno != 0 {
			return stepCapabilities, errno
		}
	}
	for number := uintptr(0); l.inside && number < 64; number++ {
		// The kernel has fewer than that.
		if _, _, errno = unix.RawSyscall6(unix.SYS_PRCTL, unix.PR_CAPBSET_DROP, number, 0, 0, 0, 0); errno != 0 && errno != unix.EINVAL {
			return stepCapabilities, errno
		}
	}
	if _, _, errno = unix.RawSyscall(unix.SYS_CAPSET, uintptr(unsafe.Pointer(&l.header)), uintptr(unsafe.Pointer(&l.after)), 0); errno != 0 {
		return stepCapabilities, errno
	}
	// Changing identity clears the death signal, so it comes after that.
	if _, _, errno = unix.RawSyscall6(unix.SYS_PRCTL, unix.PR_SET_PDEATHSIG, uintptr(unix.SIGKILL), 0, 0, 0, 0); errno != 0 {
		return stepSession, errno
	}
	if !l.inside {
		return 0, 0
	}
	if _, _, errno = unix.RawSyscall(unix.SYS_SETSID, 0, 0, 0); errno != 0 {
		return stepSession, errno
	}
	if _, _, errno = unix.RawSyscall6(unix.SYS_PRCTL, unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0, 0); errno != 0 {
		return stepCapabilities, errno
	}
	if l.filter != nil {
		_, _, errno = unix.RawSyscall6(unix.SYS_PRCTL, unix.PR_SET_SECCOMP, unix.SECCOMP_MODE_FILTER, uintptr(unsafe.Pointer(l.filter)), 0, 0, 0)
	}
	return stepFilter, errno
}
