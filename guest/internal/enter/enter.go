// Package enter puts one more process into a sandbox that runs: an agent for a command that has a network of its own. It is in every
// namespace of the sandbox but that of the network, and has no more rights than process 1.
//
//	agentkernel-guest enter-as-root             enters, and stays outside as the agent's parent
//	agentkernel-guest enter-as-user             starts the next as an ordinary user
//	agentkernel-guest enter-in-user-namespace [H]    the same in the user namespace that the sandbox's network belongs to
//
// Whoever starts it, the shim, hands through the descriptors below. As root the new network belongs to the host; as an ordinary user to
// the user namespace that the launch helper made. The sandbox is in neither, so nobody inside has a capability over it.
//
// When the agent has ended, every process that is left in its network is killed: also one that left the agent's own processes.
package enter

import (
	"errors"
	"math"
	"os"
	"path"
	"runtime/debug"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"

	"agentkernel/guest/internal/jsontext"
	"agentkernel/guest/internal/plan"
	"agentkernel/guest/internal/scope"
	"agentkernel/guest/internal/status"
	"agentkernel/guest/internal/tun"
)

const (
	// AsRoot, AsUser and StageTwo are the modes. The agent's is plan.Apart.
	AsRoot   = "enter-as-root"
	AsUser   = "enter-as-user"
	StageTwo = "enter-in-user-namespace"
)

// Descriptors, after plan.ControlFD, whose end is the end, and status.FD.
const (
	// SocketFD is the agent's socket and EgressFD that of its egress connection.
	SocketFD = plan.SocketFD
	EgressFD = SocketFD + 1
	// OrdersFD is a file with what Orders returned.
	OrdersFD = EgressFD + 1
	// FirstSpaceFD is the first of the namespaces of process 1, in the order of Spaces.
	FirstSpaceFD = OrdersFD + 1
)

// mostOrders bounds the orders, in bytes.
const mostOrders = 1 << 20

// Spaces are the namespaces to enter, by their names in /proc/PID/ns. For an ordinary user the user namespace of bubblewrap itself comes
// after them.
var Spaces = []string{"mnt", "ipc", "uts", "cgroup", "pid", "user"}

var (
	pidSpaceFD   = FirstSpaceFD + 4
	userSpaceFD  = FirstSpaceFD + 5
	outerSpaceFD = FirstSpaceFD + 6
)

// Orders picks from a plan what an agent that comes later needs of it.
func Orders(text []byte) ([]byte, error) {
	picked := []byte{'{'}
	r := jsontext.New(text)
	r.Object(func(name string) {
		value := r.Raw()
		switch name {
		case "cgroupProcs", "fallbackLimits", "dropTo", "seccomp", "init", "mode", "spec", "network":
			if len(picked) > 1 {
				picked = append(picked, ',')
			}
			picked = append(append(append(picked, '"'), name...), '"', ':')
			picked = append(picked, value...)
		}
	})
	return append(picked, '}'), r.End()
}

// MainAsRoot enters. It returns when the agent has ended.
func MainAsRoot() int { return enter(true, nil) }

// MainAsUser goes to the user namespace that owns the sandbox's network: a Go program has threads, and cannot enter one itself.
func MainAsUser() int {
	args := []string{"agentkernel-guest", StageTwo}
	handover := scope.NewHandover(os.Getuid())
	if handover != nil {
		moved := handover.Descriptor()
		if _, err := unix.FcntlInt(moved, unix.F_SETFD, 0); err != nil {
			return status.Fail("launch", "scope", err)
		}
		args = append(args, strconv.Itoa(int(moved)))
	}
	l := &leap{user: outerSpaceFD, keep: capabilities(unix.CAP_SYS_ADMIN, unix.CAP_NET_ADMIN, unix.CAP_SYS_CHROOT, unix.CAP_SYS_PTRACE)}
	child, err := l.start("/proc/self/exe", args, []string{"GOMAXPROCS=1"})
	if err != nil {
		if handover != nil {
			handover.Drop()
		}
		return status.Fail("launch", "user namespace: "+child.step, err)
	}
	// What the agent holds must end with it.
	_ = unix.Close(plan.ControlFD)
	closeHanded(outerSpaceFD)
	if handover != nil {
		handover.Carry(child.pid)
	}
	return child.wait()
}

// MainInUserNamespace enters as an ordinary user. The argument, if any, is the descriptor that tells when we have been moved into the
// user's scope.
func MainInUserNamespace(arguments []string) int {
	if len(arguments) == 0 {
		return enter(false, nil)
	}
	moved, err := strconv.Atoi(arguments[0])
	if err != nil {
		return status.Fail("launch", "scope", err)
	}
	return enter(false, func() error { return scope.Await(moved) })
}

// closeHanded closes what was handed through for the agent, up to the last of it. Nothing else may have got one of these numbers.
func closeHanded(last int) {
	for fd := SocketFD; fd <= last; fd++ {
		_ = unix.Close(fd)
	}
}

func enter(asRoot bool, moved func() error) int {
	// None of this is the agent's, least of all the namespaces.
	if unix.CloseRange(OrdersFD, math.MaxInt32, unix.CLOSE_RANGE_CLOEXEC) != nil {
		for fd := OrdersFD; fd <= outerSpaceFD; fd++ {
			unix.CloseOnExec(fd)
		}
	}
	// We are about to fork a program that does not expect it.
	debug.SetGCPercent(-1)
	work, err := readOrders()
	if err != nil {
		return status.Fail("launch", "orders", err)
	}
	if asRoot && (work.DropTo == nil || work.DropTo.UID == 0 || work.DropTo.GID == 0) {
		return status.Fail("launch", "drop root", errors.New("no identity to drop to"))
	}
	device, step, err := openNetwork(work.Network.TUN)
	if err != nil {
		return status.Fail("launch", step, err)
	}
	groups := openGroups(work.CgroupProcs, moved)
	// This thread stays where it is; what it starts is inside.
	if err := unix.Setns(pidSpaceFD, unix.CLONE_NEWPID); err != nil {
		return status.Fail("launch", "namespace of processes", err)
	}
	child, err := startAgent(work, asRoot, groups, device)
	if err != nil {
		return status.Fail("launch", child.step, err)
	}
	if asRoot {
		closeHanded(userSpaceFD)
	} else {
		closeHanded(outerSpaceFD)
	}
	if device >= 0 {
		_ = unix.Close(device)
	}
	return child.outlive()
}

func readOrders() (*plan.Plan, error) {
	var info unix.Stat_t
	if err := unix.Fstat(OrdersFD, &info); err != nil || info.Size > mostOrders {
		return nil, errors.Join(err, syscall.E2BIG)
	}
	text := make([]byte, info.Size)
	if n, err := unix.Pread(OrdersFD, text, 0); err != nil || n != len(text) {
		return nil, errors.Join(err, syscall.EIO)
	}
	work := &plan.Plan{}
	if err := plan.Decode(text, work); err != nil {
		return nil, err
	}
	if !path.IsAbs(work.Init) || work.Mode != plan.Stays || !work.Network.Egress {
		return nil, syscall.EINVAL
	}
	return work, nil
}

// openNetwork gives this thread a network namespace, with a device if one is wanted and can be made: -1 otherwise, and the agent
// offers a proxy. On failure it names the step.
func openNetwork(wanted bool) (device int, step string, err error) {
	if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
		return -1, "network namespace", err
	}
	if wanted {
		device, err = tun.Create()
		if err == nil {
			tun.Outlive(device)
			_, err = unix.FcntlInt(uintptr(device), unix.F_SETFD, 0)
			return device, "network device", err
		}
		line := status.Line{Network: status.Proxied, Step: "tun", Detail: err.Error()}
		var number unix.Errno
		if errors.As(err, &number) {
			line.Errno = int(number)
		}
		status.Send(line)
	}
	return -1, "loopback", tun.Loopback()
}
