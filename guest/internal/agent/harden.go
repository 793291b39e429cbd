package agent

import (
	"os"
	"os/signal"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// harden makes us worthless to a workload that runs as the same user: it cannot read our memory or descriptors, finds no
// privilege in us, and cannot end us with a signal. Every thread counts, because a command may be started from any; but a thread can
// only speak for itself. So when there was anything to give up, this one starts the program over, and has no others any more.
func harden() error {
	if err := unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0); err != nil {
		return err
	}
	changed, err := giveUpPrivileges()
	if err != nil {
		return err
	}
	if changed {
		return syscall.Exec(ownProgram, os.Args, os.Environ())
	}
	withstandSignals()
	return nil
}

// giveUpPrivileges empties every set of capabilities of this thread and forbids to gain any. It tells whether there were some.
func giveUpPrivileges() (changed bool, err error) {
	// The bounding set first: it takes a capability. Without one it gives nothing.
	for number := uintptr(0); number <= unix.CAP_LAST_CAP; number++ {
		has, err := unix.PrctlRetInt(unix.PR_CAPBSET_READ, number, 0, 0, 0)
		if err != nil {
			// This kernel has fewer.
			break
		}
		if has == 1 && unix.Prctl(unix.PR_CAPBSET_DROP, number, 0, 0, 0) == nil {
			changed = true
		}
	}
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var sets, none [2]unix.CapUserData
	if err := unix.Capget(&header, &sets[0]); err != nil {
		return false, err
	}
	if sets != none {
		changed = true
		if err := unix.Prctl(unix.PR_CAP_AMBIENT, unix.PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0); err != nil {
			return false, err
		}
		if err := unix.Capset(&header, &none[0]); err != nil {
			return false, err
		}
	}
	already, err := unix.PrctlRetInt(unix.PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0)
	if err != nil || already == 1 {
		return changed, err
	}
	return true, unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
}

// withstandSignals keeps signals from ending us. Those that Go would end for are caught and dropped: not ignored, because a
// command inherits what is ignored. Those that stand for a fault of our own cannot be caught that way when a sender pretends
// that they are one (sigqueue). The kernel drops them when they come from inside the sandbox and process 1 has no handler; a true
// fault still ends us.
func withstandSignals() {
	signal.Notify(make(chan os.Signal, 1), syscall.SIGHUP, syscall.SIGINT, syscall.SIGQUIT, syscall.SIGTERM, syscall.SIGUSR1, syscall.SIGUSR2,
		syscall.SIGPIPE, syscall.SIGALRM, syscall.SIGVTALRM, syscall.SIGXCPU, syscall.SIGXFSZ, syscall.SIGIO, syscall.SIGPWR,
		syscall.SIGTSTP, syscall.SIGTTIN, syscall.SIGTTOU)
	if os.Getpid() != 1 {
		return
	}
	for _, fault := range []syscall.Signal{
		syscall.SIGSEGV, syscall.SIGBUS, syscall.SIGFPE, syscall.SIGILL, syscall.SIGTRAP, syscall.SIGABRT, syscall.SIGSTKFLT, syscall.SIGSYS,
	} {
		// struct sigaction of the kernel, all zero: no handler, no flags, no mask.
		var byDefault [4]uint64
		_, _, _ = unix.RawSyscall6(unix.SYS_RT_SIGACTION, uintptr(fault), uintptr(unsafe.Pointer(&byDefault)), 0, 8, 0, 0)
	}
}
