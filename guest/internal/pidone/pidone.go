// Package pidone is process 1 of a sandbox: it starts the command, passes signals on, collects orphans and tells the
// host how the command ended. When it ends, the kernel kills everything that is left in the sandbox.
//
// Orders come on the descriptor that the argument names. Descriptor 3 then carries control messages of two bytes, kind and value:
//
//	'S' n   send signal n to the command's process group
//	'R' 0   let a stopped command go on
//
// The end of descriptor 3 means that the host side is gone; so are we then.
//
// More arguments are those of the sandbox's network (package uplink), which we then serve.
package pidone

import (
	"os"
	"os/signal"
	"strconv"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"agentkernel/guest/internal/jsontext"
	"agentkernel/guest/internal/status"
	"agentkernel/guest/internal/uplink"
)

const controlFD = 3

// Spec says what to start.
type Spec struct {
	Argv []string `json:"argv"`
	Env  []string `json:"env"`
	// Cwd is where the command starts; Chdir failing is an error of its own.
	Cwd string `json:"cwd"`
	// Limits are resource limits for the command, by number, where there is no control group.
	Limits []Limit `json:"limits"`
	// Terminal means that descriptor 0 is the terminal that shall control the command.
	Terminal bool `json:"terminal"`
	// Ports means that the host publishes ports of this sandbox: plan.PortsFD is what it asks for them on.
	Ports bool `json:"ports"`
}

// Main runs the command and returns the exit status of process 1, which nobody reads: the status line says more.
func Main(arguments []string, open uplink.Open) int {
	// The workload must not read our memory, descriptors or environment.
	if err := unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0); err != nil {
		return status.Fail("launch", "protect process 1", err)
	}
	for _, fd := range []int{controlFD, status.FD} {
		unix.CloseOnExec(fd)
	}
	spec, network, err := readOrders(arguments, open)
	if err != nil {
		return status.Fail("launch", "orders", err)
	}
	inbound, err := openInbound(spec.Ports)
	if err != nil {
		return status.Fail("launch", "published ports", err)
	}
	if err := unix.Chdir(spec.Cwd); err != nil {
		return status.Fail("workdir", spec.Cwd, err)
	}
	program, stage, err := LookPath(spec.Argv[0], spec.Env, "")
	if err != nil {
		return status.Fail(stage, program, err)
	}
	if err := SetLimits(spec.Limits); err != nil {
		return status.Fail("launch", "limits", err)
	}
	unix.Umask(0o022)
	if network != nil {
		spec.Env = network.Environment(spec.Env)
	}
	// The terminal's signals are for the command, not for us. Caught, not ignored: a command inherits what is ignored. Before it
	// starts: it may send us one at once.
	signal.Notify(make(chan os.Signal, 1), syscall.SIGINT, syscall.SIGQUIT, syscall.SIGTSTP, syscall.SIGTTIN, syscall.SIGTTOU, syscall.SIGHUP, syscall.SIGTERM)
	child, err := start(program, spec)
	if err != nil {
		return status.Fail("exec", program, err)
	}
	if network != nil {
		// What the command sends meanwhile waits in the kernel.
		network.Serve()
	}
	if inbound != nil {
		inbound.serve()
	}
	if spec.Terminal {
		status.Send(status.Line{Started: true})
	}
	// Our copies of the streams would keep a reader waiting after the command closed its own.
	if !spec.Terminal {
		for fd := 0; fd <= 2; fd++ {
			_ = unix.Close(fd)
		}
	}
	go obey(child)
	code := collect(child, spec.Terminal)
	if os.Getpid() == 1 {
		finish(network, inbound)
	}
	return code
}

// finish lets what was said last arrive, after the end of all who could say something.
func finish(network uplink.Network, inbound *inbound) {
	if network == nil && !inbound.used() {
		return
	}
	endOthers()
	if network != nil {
		network.Finish(lastWords)
	}
	if inbound.used() {
		inbound.finish(lastWords)
	}
}

// lastWords is how long what the command sent may take to be with the gateway after its end.
const lastWords = 2 * time.Second

// endOthers kills what the command left behind, as the kernel would when we end: its connections end with it.
func endOthers() {
	_ = syscall.Kill(-1, syscall.SIGKILL)
	for {
		if _, err := syscall.Wait4(-1, nil, 0, nil); err != nil && err != syscall.EINTR {
			return
		}
	}
}

// readOrders takes what the arguments name: what to start, and the network it has, if any.
func readOrders(arguments []string, open uplink.Open) (*Spec, uplink.Network, error) {
	if len(arguments) == 0 {
		return nil, nil, syscall.EINVAL
	}
	spec, err := readSpec(arguments[0])
	if err != nil {
		return nil, nil, err
	}
	network, err := open(arguments[1:], "")
	return spec, network, err
}

func readSpec(descriptor string) (*Spec, error) {
	fd, err := strconv.Atoi(descriptor)
	if err != nil {
		return nil, err
	}
	text, err := contentOf(fd)
	if err != nil {
		return nil, err
	}
	spec, err := decodeSpec(text)
	if err != nil {
		return nil, err
	}
	if len(spec.Argv) == 0 {
		return nil, syscall.EINVAL
	}
	return spec, nil
}

// contentOf reads a file to its end and closes it.
func contentOf(fd int) ([]byte, error) {
	defer unix.Close(fd)
	text := make([]byte, 0, 4096)
	for {
		if len(text) == cap(text) {
			text = append(text, 0)[:len(text)]
		}
		n, err := unix.Read(fd, text[len(text):cap(text)])
		if err == unix.EINTR {
			continue
		}
		if err != nil || n == 0 {
			return text, err
		}
		text = text[:len(text)+n]
	}
}

func decodeSpec(text []byte) (*Spec, error) {
	var spec Spec
	r := jsontext.New(text)
	r.Object(func(name string) {
		switch name {
		case "argv":
			spec.Argv = r.Strings()
		case "env":
			spec.Env = r.Strings()
		case "cwd":
			spec.Cwd = r.String()
		case "limits":
			r.Array(func() { spec.Limits = append(spec.Limits, DecodeLimit(r)) })
		case "terminal":
			spec.Terminal = r.Bool()
		case "ports":
			spec.Ports = r.Bool()
		default:
			r.Unknown(name)
		}
	})
	return &spec, r.End()
}

// DecodeLimit takes one limit.
func DecodeLimit(r *jsontext.Reader) Limit {
	var limit Limit
	r.Object(func(name string) {
		switch name {
		case "resource":
			limit.Resource = int(r.Int())
		case "value":
			limit.Value = r.Uint()
		default:
			r.Unknown(name)
		}
	})
	return limit
}

// Limit is one resource limit, soft and hard alike.
type Limit struct {
	Resource int    `json:"resource"`
	Value    uint64 `json:"value"`
}

// SetLimits sets the command's limits on ourselves, just before it inherits them: we have all the memory we need, but could
// not have started within the limits of a small command.
func SetLimits(limits []Limit) error {
	for _, limit := range limits {
		var now unix.Rlimit
		if err := unix.Getrlimit(limit.Resource, &now); err != nil {
			return err
		}
		value := min(limit.Value, now.Max)
		if err := unix.Setrlimit(limit.Resource, &unix.Rlimit{Cur: value, Max: value}); err != nil {
			return err
		}
	}
	return nil
}

func start(program string, spec *Spec) (int, error) {
	attr := &syscall.SysProcAttr{}
	if spec.Terminal {
		// A group of its own in the foreground: Ctrl-C and Ctrl-Z reach the command and nothing else.
		attr.Setpgid, attr.Foreground, attr.Ctty = true, true, 0
	} else {
		attr.Setsid = true
	}
	return syscall.ForkExec(program, spec.Argv, &syscall.ProcAttr{Env: spec.Env, Files: []uintptr{0, 1, 2}, Sys: attr})
}

// obey carries out control messages until the host side is gone.
func obey(child int) {
	var message [2]byte
	for {
		n, err := syscall.Read(controlFD, message[:])
		if err == syscall.EINTR {
			continue
		}
		if err != nil || n != len(message) {
			os.Exit(125)
		}
		switch message[0] {
		case 'S':
			_ = syscall.Kill(-child, syscall.Signal(message[1]))
			// A stopped command cannot act on anything but SIGKILL until it goes on.
			_ = syscall.Kill(-child, syscall.SIGCONT)
		case 'R':
			_ = syscall.Kill(-child, syscall.SIGCONT)
		}
	}
}

// collect waits for every process that ends here and returns when the command itself has ended.
func collect(child int, terminal bool) int {
	for {
		var ended syscall.WaitStatus
		var usage syscall.Rusage
		pid, err := syscall.Wait4(-1, &ended, syscall.WUNTRACED, &usage)
		if err == syscall.EINTR {
			continue
		}
		if err != nil {
			return status.Fail("launch", "wait", err)
		}
		if pid != child {
			continue
		}
		line := status.Line{MaxRSS: usage.Maxrss * 1024}
		switch {
		case ended.Stopped():
			// Without a terminal nobody waits for this, and a pipe that nobody reads must not fill up.
			if terminal {
				status.Send(status.Line{Stopped: true, Code: int(ended.StopSignal())})
			}
			continue
		case ended.Signaled():
			line.Ended, line.Code = "signaled", int(ended.Signal())
		default:
			line.Ended, line.Code = "exited", ended.ExitStatus()
		}
		status.Send(line)
		return 0
	}
}
