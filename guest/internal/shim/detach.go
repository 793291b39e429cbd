package shim

import (
	"os"
	"os/signal"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"

	"agentkernel/guest/internal/status"
)

// ordersFD carries our orders.
const ordersFD = 3

// detach makes us nobody's: a session of our own, no folder kept busy, nothing inherited but orders and report. On failure it
// names the step.
func detach() (string, error) {
	// It fails for who leads a session already.
	_, _ = unix.Setsid()
	if err := unix.Chdir("/"); err != nil {
		return "leave the folder", err
	}
	unix.Umask(0o077)
	if err := closeInherited(); err != nil {
		return "close descriptors", err
	}
	if err := muteStreams(); err != nil {
		return "streams", err
	}
	// We hold what every command of the sandbox wrote.
	if err := unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0); err != nil {
		return "protect the shim", err
	}
	// Caught, not ignored: what we start would inherit what is ignored. A file that may not grow is an error, not our end.
	signal.Notify(make(chan os.Signal, 1), syscall.SIGHUP, syscall.SIGINT, syscall.SIGQUIT, syscall.SIGXFSZ)
	return "", nil
}

// closeInherited closes what our starter left us by mistake. Descriptors of our own runtime end with an exec; those that were
// inherited have survived one.
func closeInherited() error {
	for _, fd := range []int{ordersFD, status.FD} {
		unix.CloseOnExec(fd)
	}
	names, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		return err
	}
	for _, name := range names {
		fd, err := strconv.Atoi(name.Name())
		if err != nil || fd <= status.FD {
			continue
		}
		if flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0); err == nil && flags&unix.FD_CLOEXEC == 0 {
			_ = unix.Close(fd)
		}
	}
	return nil
}

func muteStreams() error {
	null, err := unix.Open("/dev/null", unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	for fd := 0; fd <= 2; fd++ {
		if err := unix.Dup3(null, fd, 0); err != nil {
			return err
		}
	}
	return unix.Close(null)
}
