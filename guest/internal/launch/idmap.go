package launch

import (
	"fmt"
	"os"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"

	"agentkernel/guest/internal/plan"
)

// openIDMap makes a user namespace that holds an id map for mounts and returns its descriptor. The kernel wants a
// namespace as the carrier of the map, and a namespace wants a process: ours is stopped at its exec and never runs.
func openIDMap(ranges []plan.IDRange) (int, error) {
	maps := make([]syscall.SysProcIDMap, len(ranges))
	for i, r := range ranges {
		maps[i] = syscall.SysProcIDMap{ContainerID: r.Inside, HostID: r.Outside, Size: r.Count}
	}
	pid, err := syscall.ForkExec("/proc/self/exe", []string{"id-map"}, &syscall.ProcAttr{
		Env: []string{},
		Sys: &syscall.SysProcAttr{
			Ptrace:      true,
			Cloneflags:  unix.CLONE_NEWUSER,
			UidMappings: maps,
			GidMappings: maps,
			Pdeathsig:   syscall.SIGKILL,
		},
	})
	if err != nil {
		return -1, fmt.Errorf("start carrier: %w", err)
	}
	fd, openErr := unix.Open("/proc/"+strconv.Itoa(pid)+"/ns/user", unix.O_RDONLY|unix.O_CLOEXEC, 0)
	// The traced child dies unseen; waiting for it is all that is left of it.
	_ = syscall.Kill(pid, syscall.SIGKILL)
	for {
		var ended syscall.WaitStatus
		_, err := syscall.Wait4(pid, &ended, 0, nil)
		if err == syscall.EINTR || (err == nil && ended.Stopped()) {
			continue
		}
		break
	}
	if openErr != nil {
		return -1, &os.PathError{Op: "open", Path: "user namespace", Err: openErr}
	}
	return fd, nil
}
