package launch

import (
	"fmt"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"

	"agentkernel/guest/internal/plan"
)

// openIDMap makes a user namespace that holds an id map for mounts and returns its descriptor. The kernel wants a
// namespace as the carrier of the map, and a namespace wants a process: ours lives until the namespace is open. Its end
// takes as long as its start, so that is waited for later, with reapCarriers.
func (b *builder) openIDMap(ranges []plan.IDRange) (int, error) {
	pid, errno := forkWaiting(unix.CLONE_NEWUSER)
	if errno != 0 {
		return -1, fmt.Errorf("start carrier: %w", errno)
	}
	b.carriers = append(b.carriers, pid)
	defer syscall.Kill(pid, syscall.SIGKILL)
	folder := "/proc/" + strconv.Itoa(pid)
	users, groups := lines(ranges)
	for name, text := range map[string][]byte{"/uid_map": users, "/gid_map": groups} {
		if err := writeFile(folder+name, text, 0); err != nil {
			return -1, err
		}
	}
	return unix.Open(folder+"/ns/user", unix.O_RDONLY|unix.O_CLOEXEC, 0)
}

// reapCarriers waits for processes that have been killed: bubblewrap shall have no child that it did not make.
func (b *builder) reapCarriers() {
	for _, pid := range b.carriers {
		for {
			if _, err := syscall.Wait4(pid, nil, 0, nil); err != syscall.EINTR {
				break
			}
		}
	}
	b.carriers = nil
}

// lines are the two maps as the kernel wants them.
func lines(ranges []plan.IDRange) (users, groups []byte) {
	for _, r := range ranges {
		line := fmt.Sprintf("%d %d %d\n", r.Inside, r.Outside, r.Count)
		if r.Groups {
			groups = append(groups, line...)
		} else {
			users = append(users, line...)
		}
	}
	if groups == nil {
		groups = users
	}
	return users, groups
}

// forkWaiting forks a child that waits for its death and does nothing else. The child of a Go program is a single thread
// in the middle of a runtime that is not there any more, so it may only make system calls: hence nosplit, and no exec,
// which would cost more than everything else here.
//
//go:nosplit
//go:norace
func forkWaiting(flags uintptr) (int, syscall.Errno) {
	pid, _, errno := unix.RawSyscall6(unix.SYS_CLONE, flags|uintptr(unix.SIGCHLD), 0, 0, 0, 0, 0)
	if errno != 0 || pid != 0 {
		return int(pid), errno
	}
	unix.RawSyscall6(unix.SYS_PRCTL, unix.PR_SET_PDEATHSIG, uintptr(unix.SIGKILL), 0, 0, 0, 0)
	for {
		unix.RawSyscall6(unix.SYS_PPOLL, 0, 0, 0, 0, 0, 0)
	}
}
