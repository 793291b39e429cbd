// Package launch prepares the host side of a sandbox and then becomes bubblewrap.
//
// As root the mounts are made in a private mount namespace and the network in one of its own, and the process then drops to an unprivileged host
// identity, so that the workload never holds host user 0. As a user the same happens in a user namespace of our own
// (see userns.go). Nothing is mounted in the host's namespace, and nothing is attached to a process after it started.
package launch

import (
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"

	"agentkernel/guest/internal/plan"
	"agentkernel/guest/internal/status"
	"agentkernel/guest/internal/tun"
)

// Main carries out prologue and plan from the control descriptor. It returns only on failure. asRoot says that we may drop
// to any identity; user 0 of a user namespace with few ids may not, and goes the way of ordinary users.
func Main(asRoot bool) int {
	// Modes are what the plan says, whatever our caller's mask.
	unix.Umask(0)
	if err := dieWithParent(); err != nil {
		return status.Fail("launch", "parent", err)
	}
	if !asRoot {
		return enterUserNamespace()
	}
	if err := unix.Unshare(unix.CLONE_NEWNS); err != nil {
		return status.Fail("launch", "mount namespace", err)
	}
	if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
		return status.Fail("launch", "network namespace", err)
	}
	return build(true, joinCgroups)
}

// build makes the mounts and the network, joins the run's control groups, gives up what privileges we have and becomes bubblewrap.
func build(asRoot bool, join func(files []string) error) int {
	if err := tun.Loopback(); err != nil {
		return status.Fail("launch", "loopback", err)
	}
	var prologue plan.Prologue
	if err := plan.Read(&prologue); err != nil {
		return refuse("prologue", err)
	}
	b, step, err := beginStage(prologue)
	if err != nil {
		return status.Fail("launch", step, err)
	}
	var work plan.Plan
	if err := plan.Read(&work); err != nil {
		return refuse("plan", err)
	}
	if asRoot && work.DropTo == nil {
		return status.Fail("launch", "drop root", errors.New("no identity to drop to"))
	}
	if err := joinOrLimit(&work, join); err != nil {
		return status.Fail("launch", "cgroup", err)
	}
	network, err := openNetwork(&work)
	if err != nil {
		return status.Fail("launch", "egress connection", err)
	}
	if err := openPorts(&work); err != nil {
		return status.Fail("launch", "published ports", err)
	}
	if step, err := b.finish(&work); err != nil {
		return status.Fail("launch", step, err)
	}
	if step, err := dropPrivileges(&work); err != nil {
		return status.Fail("launch", step, err)
	}
	return becomeBubblewrap(&work, network)
}

// refuse ends quietly when the host changed its mind, and with a report otherwise.
func refuse(step string, err error) int {
	if errors.Is(err, plan.ErrDiscarded) {
		return 125
	}
	return status.Fail("launch", step, err)
}

func dropPrivileges(work *plan.Plan) (string, error) {
	if work.DropTo == nil {
		return "drop capabilities", dropCapabilities()
	}
	if err := shareStreams(*work.DropTo, work.Terminal); err != nil {
		return "streams", err
	}
	if err := drop(*work.DropTo); err != nil {
		return "drop root", err
	}
	// Changing identity clears the death signal.
	return "parent", dieWithParent()
}

// dieWithParent asks for SIGKILL when the parent dies. If it died before, the control descriptor has ended, which nobody
// down to process 1 survives.
func dieWithParent() error {
	return unix.Prctl(unix.PR_SET_PDEATHSIG, uintptr(unix.SIGKILL), 0, 0, 0)
}

// joinOrLimit joins the groups. Where the plan allows for a refusal, limits of each process take their place.
func joinOrLimit(work *plan.Plan, join func(files []string) error) error {
	if len(work.CgroupProcs) == 0 {
		return nil
	}
	err := join(work.CgroupProcs)
	if err == nil || len(work.FallbackLimits) == 0 {
		return err
	}
	if err := limitInstead(work); err != nil {
		return err
	}
	status.Send(status.Line{Ungrouped: true, Detail: err.Error()})
	return nil
}

// limitInstead puts the fallback limits into the orders of process 1.
func limitInstead(work *plan.Plan) error {
	var spec map[string]json.RawMessage
	if err := json.Unmarshal(work.Spec, &spec); err != nil {
		return err
	}
	spec["limits"] = work.FallbackLimits
	changed, err := json.Marshal(spec)
	if err == nil {
		work.Spec = changed
	}
	return err
}

func joinCgroups(files []string) error {
	for _, file := range files {
		// "0" means the writer: no process number that could have been reused.
		if err := writeFile(file, []byte("0"), 0); err != nil {
			return err
		}
	}
	return nil
}

// drop gives up every privilege of this thread. Only it survives the exec that follows, so only it matters.
func drop(to plan.Identity) error {
	if to.UID == 0 || to.GID == 0 {
		return errors.New("refusing to run a sandbox as host root")
	}
	if _, _, errno := unix.RawSyscall(unix.SYS_SETGROUPS, 0, 0, 0); errno != 0 {
		return fmt.Errorf("setgroups: %w", errno)
	}
	gid, uid := uintptr(to.GID), uintptr(to.UID)
	if _, _, errno := unix.RawSyscall(unix.SYS_SETRESGID, gid, gid, gid); errno != 0 {
		return fmt.Errorf("setresgid: %w", errno)
	}
	if _, _, errno := unix.RawSyscall(unix.SYS_SETRESUID, uid, uid, uid); errno != 0 {
		return fmt.Errorf("setresuid: %w", errno)
	}
	return nil
}

// becomeBubblewrap hands over the arguments, the filter and process 1's orders as descriptors and execs.
func becomeBubblewrap(work *plan.Plan, network *wires) int {
	packed := make([]byte, 0, 16<<10)
	for _, arg := range work.Args {
		packed = append(append(packed, arg...), 0)
	}
	if len(work.Seccomp) > 0 {
		filter, err := memoryFile("seccomp", work.Seccomp)
		if err != nil {
			return status.Fail("launch", "seccomp", err)
		}
		packed = append(packed, "--seccomp\x00"+strconv.Itoa(filter)+"\x00"...)
	}
	arguments, err := memoryFile("args", packed)
	if err != nil {
		return status.Fail("launch", "arguments", err)
	}
	orders, err := memoryFile("spec", work.Spec)
	if err != nil {
		return status.Fail("launch", "orders", err)
	}
	first, err := processOne(work, orders, network)
	if err != nil {
		return status.Fail("launch", "process 1", err)
	}
	args := append([]string{"bwrap", "--args", strconv.Itoa(arguments), "--"}, first...)
	err = syscall.Exec(work.Bwrap, args, []string{})
	return status.Fail("launch", "start "+work.Bwrap, err)
}

// processOne is the command line of process 1: what it is, where its orders are and, for an agent, its socket; then those of the
// network, if there is one.
func processOne(work *plan.Plan, orders int, network *wires) ([]string, error) {
	mode, err := initMode(work.Mode)
	if err != nil {
		return nil, err
	}
	first := []string{work.Init, mode, strconv.Itoa(orders)}
	if work.Mode == plan.Stays {
		first = append(first, strconv.Itoa(plan.SocketFD))
	}
	rest, err := network.arguments()
	return append(first, rest...), err
}

func initMode(mode plan.InitMode) (string, error) {
	switch mode {
	case "", plan.RunsOnce:
		return string(plan.RunsOnce), nil
	case plan.Stays:
		return string(mode), nil
	}
	return "", fmt.Errorf("mode %q is not known", mode)
}

// memoryFile puts data into an anonymous file that survives the exec and returns its descriptor. Its number is the one
// the kernel gives: a fixed one could be in use by Go's own runtime, which dies when it is taken away.
func memoryFile(name string, data []byte) (int, error) {
	fd, err := unix.MemfdCreate(name, 0)
	if err != nil {
		return -1, err
	}
	if err := writeAll(fd, name, data); err != nil {
		return -1, err
	}
	_, err = unix.Seek(fd, 0, 0)
	return fd, err
}
