package agent

import (
	"errors"
	"os"
	"os/signal"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// harden makes us worthless to a workload that runs as the same user: it cannot read our memory or descriptors, finds no
// privilege in us, and cannot end us with a signal. Every thread counts: a command may be started from any.
func harden() error {
	if err := unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0); err != nil {
		return err
	}
	withstandSignals()
	if err := dropCapabilities(); err != nil {
		return err
	}
	already, err := unix.PrctlRetInt(unix.PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0)
	if err != nil || already == 1 {
		// Inherited, so of every thread.
		return err
	}
	return onEveryThread(unix.SYS_PRCTL, unix.PR_SET_NO_NEW_PRIVS, 1, 0)
}

func onEveryThread(number, a, b, c uintptr) error {
	if _, _, errno := syscall.AllThreadsSyscall6(number, a, b, c, 0, 0, 0); errno != 0 {
		return errno
	}
	return nil
}

// dropCapabilities empties every set that is not empty, the bounding set first: that takes a capability.
func dropCapabilities() error {
	for number := uintptr(0); number <= unix.CAP_LAST_CAP; number++ {
		has, err := unix.PrctlRetInt(unix.PR_CAPBSET_READ, number, 0, 0, 0)
		if err != nil {
			// This kernel has fewer.
			break
		}
		if has == 0 {
			continue
		}
		err = onEveryThread(unix.SYS_PRCTL, unix.PR_CAPBSET_DROP, number, 0)
		if errors.Is(err, unix.EPERM) {
			// Without any capability the bounding set gives nothing; those that we have are dropped below.
			break
		}
		if err != nil {
			return err
		}
	}
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var sets [2]unix.CapUserData
	if err := unix.Capget(&header, &sets[0]); err != nil {
		return err
	}
	if sets == [2]unix.CapUserData{} {
		return nil
	}
	if err := onEveryThread(unix.SYS_PRCTL, unix.PR_CAP_AMBIENT, unix.PR_CAP_AMBIENT_CLEAR_ALL, 0); err != nil {
		return err
	}
	sets = [2]unix.CapUserData{}
	return onEveryThread(unix.SYS_CAPSET, uintptr(unsafe.Pointer(&header)), uintptr(unsafe.Pointer(&sets)), 0)
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
