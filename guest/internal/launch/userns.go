package launch

import (
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"golang.org/x/sys/unix"

	"agentkernel/guest/internal/plan"
	"agentkernel/guest/internal/status"
)

// StageTwo is the mode of the copy of ourselves that runs in a user namespace of our own.
const StageTwo = "launch-in-user-namespace"

// enterUserNamespace starts a copy of this program as the same user in a new user and mount namespace, where it may
// mount, and waits for it. A Go program cannot enter a user namespace itself: it has several threads.
func enterUserNamespace(planText []byte) int {
	if err := memoryFile(specFD, "plan", planText); err != nil {
		return status.Fail("launch", "plan", err)
	}
	uid, gid := os.Getuid(), os.Getgid()
	child, err := syscall.ForkExec("/proc/self/exe", []string{"agentkernel-guest", StageTwo}, &syscall.ProcAttr{
		Env:   []string{},
		Files: []uintptr{0, 1, 2, plan.ControlFD, status.FD, specFD},
		Sys: &syscall.SysProcAttr{
			Cloneflags:  unix.CLONE_NEWUSER | unix.CLONE_NEWNS,
			UidMappings: []syscall.SysProcIDMap{{ContainerID: uid, HostID: uid, Size: 1}},
			GidMappings: []syscall.SysProcIDMap{{ContainerID: gid, HostID: gid, Size: 1}},
			AmbientCaps: []uintptr{unix.CAP_SYS_ADMIN, unix.CAP_DAC_OVERRIDE, unix.CAP_FOWNER},
			Pdeathsig:   syscall.SIGKILL,
		},
	})
	if err != nil {
		return status.Fail("launch", "user namespace", err)
	}
	// The command's descriptors must not be held open by a process that only waits.
	for fd := 0; fd <= seccompFD; fd++ {
		_ = unix.Close(fd)
	}
	signal.Ignore(syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGQUIT, syscall.SIGTSTP, syscall.SIGTTIN, syscall.SIGTTOU)
	return waitFor(child)
}

func waitFor(child int) int {
	for {
		var ended syscall.WaitStatus
		_, err := syscall.Wait4(child, &ended, 0, nil)
		switch {
		case err == syscall.EINTR:
			continue
		case err != nil:
			return 125
		case ended.Signaled():
			return 128 + int(ended.Signal())
		default:
			return ended.ExitStatus()
		}
	}
}

// MainInUserNamespace is the second stage: mount, give up the capabilities again, become bubblewrap.
func MainInUserNamespace() int {
	text, err := readAll(specFD)
	if err != nil {
		return status.Fail("launch", "plan", err)
	}
	work, err := plan.Parse(text)
	if err != nil {
		return status.Fail("launch", "plan", err)
	}
	if step, err := buildStage(work); err != nil {
		return status.Fail("launch", step, err)
	}
	if err := unix.Prctl(unix.PR_CAP_AMBIENT, unix.PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0); err != nil {
		return status.Fail("launch", "drop capabilities", err)
	}
	if err := clearInheritable(); err != nil {
		return status.Fail("launch", "drop capabilities", err)
	}
	return becomeBubblewrap(work)
}

// clearInheritable empties this thread's capability sets; bubblewrap refuses to start with any it did not expect.
func clearInheritable() error {
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var none [2]unix.CapUserData
	return unix.Capset(&header, &none[0])
}

func readAll(fd int) ([]byte, error) {
	var info unix.Stat_t
	if err := unix.Fstat(fd, &info); err != nil {
		return nil, err
	}
	text := make([]byte, info.Size)
	for read := 0; read < len(text); {
		n, err := unix.Pread(fd, text[read:], int64(read))
		if err != nil {
			return nil, err
		}
		if n == 0 {
			return nil, fmt.Errorf("ended after %d of %d bytes", read, len(text))
		}
		read += n
	}
	return text, unix.Close(fd)
}
