package enter

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"strconv"

	"golang.org/x/sys/unix"

	"agentkernel/guest/internal/plan"
)

// groups are the control groups of the sandbox.
type groups struct {
	procs []int
	// err is why they cannot be joined.
	err error
}

// openGroups opens the files that the agent will write to: from inside it could not.
func openGroups(files []string, moved func() error) *groups {
	g := &groups{}
	if len(files) == 0 {
		return g
	}
	if moved != nil {
		g.err = moved()
	}
	for _, file := range files {
		fd, err := unix.Open(file, unix.O_WRONLY|unix.O_CLOEXEC, 0)
		if err != nil {
			g.err = err
			break
		}
		g.procs = append(g.procs, fd)
	}
	return g
}

// startAgent starts the agent in the sandbox's control groups. Where these cannot be joined, limits of each process take their place, as
// they did for process 1.
func startAgent(work *plan.Plan, asRoot bool, g *groups, device int) (child, error) {
	l := &leap{inside: true, user: userSpaceFD, keep: capabilities(guard)}
	for i, name := range Spaces[:pidSpaceFD-FirstSpaceFD] {
		l.spaces = append(l.spaces, space{uintptr(FirstSpaceFD + i), kinds[name]})
	}
	if asRoot {
		l.become, l.uid, l.gid = true, uintptr(work.DropTo.UID), uintptr(work.DropTo.GID)
	}
	var err error
	if l.filter, err = filterOf(work.Seccomp); err != nil {
		return child{step: "seccomp"}, err
	}
	refused := g.err
	if refused == nil {
		for _, fd := range g.procs {
			l.groups = append(l.groups, uintptr(fd))
		}
		started, err := l.agent(work.Init, work.Spec, device)
		if err == nil || started.step != steps[stepGroups] {
			return started, err
		}
		refused = err
	}
	if len(work.FallbackLimits) == 0 {
		return child{step: steps[stepGroups]}, refused
	}
	spec, err := withLimits(work.Spec, work.FallbackLimits)
	if err != nil {
		return child{step: "orders"}, err
	}
	l.groups = nil
	return l.agent(work.Init, spec, device)
}

// kinds are the namespaces by their names; those of users and of processes are entered on their own.
var kinds = map[string]uintptr{
	"mnt": unix.CLONE_NEWNS, "ipc": unix.CLONE_NEWIPC, "uts": unix.CLONE_NEWUTS, "cgroup": unix.CLONE_NEWCGROUP,
}

func (l *leap) agent(program string, spec []byte, device int) (child, error) {
	orders, err := memoryFile(spec)
	if err != nil {
		return child{step: "orders"}, err
	}
	defer unix.Close(orders)
	args := []string{program, string(plan.Apart), strconv.Itoa(orders), strconv.Itoa(SocketFD), strconv.Itoa(EgressFD), strconv.Itoa(device)}
	return l.start(program, args, []string{"GOMAXPROCS=1"})
}

// memoryFile survives the exec.
func memoryFile(data []byte) (int, error) {
	fd, err := unix.MemfdCreate("spec", 0)
	if err != nil {
		return -1, err
	}
	if n, err := unix.Write(fd, data); err != nil || n != len(data) {
		_ = unix.Close(fd)
		return -1, errors.Join(err, unix.EIO)
	}
	return fd, nil
}

func withLimits(spec, limits json.RawMessage) (json.RawMessage, error) {
	members := map[string]json.RawMessage{}
	if err := json.Unmarshal(spec, &members); err != nil {
		return nil, err
	}
	members["limits"] = limits
	return json.Marshal(members)
}

// filterOf is the seccomp program that process 1 got from bubblewrap; nil when there is none.
func filterOf(program []byte) (*unix.SockFprog, error) {
	const instruction, most = 8, 4096
	if len(program) == 0 {
		return nil, nil
	}
	if len(program)%instruction != 0 || len(program) > instruction*most {
		return nil, unix.EINVAL
	}
	code := make([]unix.SockFilter, len(program)/instruction)
	for i := range code {
		at := program[i*instruction:]
		code[i] = unix.SockFilter{
			Code: binary.NativeEndian.Uint16(at), Jt: at[2], Jf: at[3], K: binary.NativeEndian.Uint32(at[4:]),
		}
	}
	return &unix.SockFprog{Len: uint16(len(code)), Filter: &code[0]}, nil
}
