package launch

import (
	"os"
	"os/signal"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"

	"agentkernel/guest/internal/plan"
	"agentkernel/guest/internal/scope"
	"agentkernel/guest/internal/status"
)

// StageTwo is the mode of the copy of ourselves that runs in a user namespace of our own.
const StageTwo = "launch-in-user-namespace"

// Arguments after the mode name the descriptors that follow status.FD, in this order.
const (
	// WithSocket is the socket of an agent: plan.SocketFD.
	WithSocket = "socket"
	// WithEgress is the egress connection: plan.EgressFD. Without a network in the plan it is not passed on.
	WithEgress = "egress"
	// WithPorts is what published ports of a sandbox that runs once are asked on: plan.PortsFD. It comes after the egress connection.
	WithPorts = "ports"
)

// inherited are the descriptors that may go down to process 1.
func inherited(arguments []string) []uintptr {
	files := []uintptr{0, 1, 2, plan.ControlFD, status.FD}
	for _, name := range arguments[min(2, len(arguments)):] {
		if name == WithSocket || name == WithEgress || name == WithPorts {
			files = append(files, uintptr(len(files)))
		}
	}
	return files
}

// enterUserNamespace starts a copy of this program as the same user in new user, mount and network namespaces, where it may
// mount and make devices, and waits for it. A Go program cannot enter a user namespace itself: it has several threads.
func enterUserNamespace() int {
	uid, gid := os.Getuid(), os.Getgid()
	args := []string{"agentkernel-guest", StageTwo}
	files := inherited(os.Args)
	passed := len(files)
	handover := scope.NewHandover(uid)
	if handover != nil {
		args = append(args, strconv.Itoa(len(files)))
		files = append(files, handover.Descriptor())
	}
	child, err := syscall.ForkExec("/proc/self/exe", args, &syscall.ProcAttr{
		Env:   []string{},
		Files: files,
		Sys: &syscall.SysProcAttr{
			// Process 1 of a namespace of its own: when bubblewrap is killed while it starts, its half-made child would wait
			// for it for ever. So the kernel takes them together.
			Cloneflags:  unix.CLONE_NEWUSER | unix.CLONE_NEWNS | unix.CLONE_NEWPID | unix.CLONE_NEWNET,
			UidMappings: []syscall.SysProcIDMap{{ContainerID: uid, HostID: uid, Size: 1}},
			GidMappings: []syscall.SysProcIDMap{{ContainerID: gid, HostID: gid, Size: 1}},
			AmbientCaps: []uintptr{unix.CAP_SYS_ADMIN, unix.CAP_NET_ADMIN, unix.CAP_DAC_OVERRIDE, unix.CAP_FOWNER},
			Pdeathsig:   syscall.SIGKILL,
		},
	})
	if err != nil {
		if handover != nil {
			handover.Drop()
		}
		return status.Fail("launch", "user namespace", err)
	}
	// The command's descriptors must not be held open by a process that only waits.
	for fd := range passed {
		_ = unix.Close(fd)
	}
	signal.Ignore(syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGQUIT, syscall.SIGTSTP, syscall.SIGTTIN, syscall.SIGTTOU)
	if handover != nil {
		// By its number out here; it sees itself as process 1.
		handover.Carry(child)
	}
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

// MainInUserNamespace is the second stage: build, give up the capabilities again, become bubblewrap.
//
// The argument, if any, is the descriptor that tells when we have been moved into the user's scope.
func MainInUserNamespace(arguments []string) int {
	showOwnProcesses()
	if len(arguments) == 0 {
		return build(false, joinCgroups)
	}
	moved, err := strconv.Atoi(arguments[0])
	if err != nil {
		return status.Fail("launch", "scope", err)
	}
	unix.CloseOnExec(moved)
	return build(false, func(files []string) error {
		if err := scope.Await(moved); err != nil {
			return err
		}
		return joinCgroups(files)
	})
}

// showOwnProcesses mounts the /proc of our own namespace of processes over the one we inherited, for us alone: bubblewrap looks up its
// child by the number that the child has here, and out there nobody may have that number. Where the kernel refuses, because parts of
// the one we inherited are covered, it refuses bubblewrap's own later, which says so.
func showOwnProcesses() {
	_ = unix.Mount("proc", "/proc", "proc", unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, "")
}

// dropCapabilities empties every set of this thread; bubblewrap refuses to start with any it did not expect.
func dropCapabilities() error {
	if err := unix.Prctl(unix.PR_CAP_AMBIENT, unix.PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0); err != nil {
		return err
	}
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var none [2]unix.CapUserData
	return unix.Capset(&header, &none[0])
}
