package shim

import (
	"encoding/binary"
	"encoding/json"
	"os"
	"strconv"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"agentkernel/guest/internal/launch"
	"agentkernel/guest/internal/plan"
)

const (
	// lastResort is how long a sandbox may take to end after its orders have ended.
	lastResort = time.Second
)

// child is what we started: the launch helper, which becomes bubblewrap, or the agent itself. It dies when this thread does.
type child struct {
	pid   int
	pidfd int
	*wires
}

// startChild starts the sandbox. It must be called on the thread that lives as long as we do: the kernel kills the child when
// the thread that made it ends.
func startChild(o *Orders) (*child, error) {
	w, err := newWires(o.Network)
	if err != nil {
		return nil, err
	}
	defer w.closeTheirs()
	c := &child{pidfd: -1, wires: w}
	if err := c.start(o); err != nil {
		c.release()
		return nil, err
	}
	return c, nil
}

func (c *child) start(o *Orders) error {
	null, err := unix.Open("/dev/null", unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(null)
	files := c.files(null)
	args := []string{"agentkernel-guest", o.Mode, launch.WithSocket}
	if o.Network {
		args = append(args, launch.WithEgress)
	}
	if o.Mode == noIsolation {
		orders, err := memoryFile(o.AgentSpec)
		if err != nil {
			return err
		}
		defer unix.Close(orders)
		args = bareAgent(len(files), o.Network)
		files = append(files, uintptr(orders))
	}
	c.pid, err = syscall.ForkExec(o.Helper, args, &syscall.ProcAttr{
		Dir: "/", Env: []string{"GOMAXPROCS=1"}, Files: files,
		// Out of reach of what is sent to our group.
		Sys: &syscall.SysProcAttr{Setsid: true, Pdeathsig: deathSignal(o.Mode), PidFD: &c.pidfd},
	})
	if err != nil {
		return &os.PathError{Op: "start", Path: o.Helper, Err: err}
	}
	if o.Mode != noIsolation {
		// The pipe is shorter than a plan, and the helper reads it in between its work.
		orders := append(message(o.Prologue), message(o.Plan)...)
		go func() { _, _ = c.control.Write(orders) }()
	}
	return nil
}

// bareAgent is the command line of an agent with nothing between it and us: no namespaces, so no network device either.
func bareAgent(orders int, network bool) []string {
	args := []string{"agentkernel-guest", string(plan.Stays), strconv.Itoa(orders), strconv.Itoa(plan.SocketFD)}
	if network {
		args = append(args, strconv.Itoa((&plan.Plan{Mode: plan.Stays}).EgressFD()), "-1")
	}
	return args
}

// deathSignal is what the child gets when we die. Without a namespace around them, only the agent can end its commands: it does
// so when its orders end.
func deathSignal(mode string) syscall.Signal {
	if mode == noIsolation {
		return 0
	}
	return syscall.SIGKILL
}

// message is what the launch helper reads: length and text.
func message(text json.RawMessage) []byte {
	return append(binary.LittleEndian.AppendUint32(nil, uint32(len(text))), text...)
}

// nonblocking makes a file that waits without keeping a thread.
func nonblocking(fd int, name string) *os.File {
	_ = unix.SetNonblock(fd, true)
	return os.NewFile(uintptr(fd), name)
}

func memoryFile(data []byte) (int, error) {
	fd, err := unix.MemfdCreate("orders", unix.MFD_CLOEXEC)
	if err != nil {
		return -1, err
	}
	for at := 0; at < len(data); {
		n, err := unix.Pwrite(fd, data[at:], int64(at))
		if err != nil {
			_ = unix.Close(fd)
			return -1, err
		}
		at += n
	}
	return fd, nil
}

// wait returns when the child has ended, and says how. It also buries every other process that we started. It keeps the thread
// that must live.
func (c *child) wait() ended {
	for {
		var how syscall.WaitStatus
		pid, err := syscall.Wait4(-1, &how, 0, nil)
		switch {
		case err == syscall.EINTR || (err == nil && pid != c.pid):
			continue
		case err != nil:
			return ended{Detail: err.Error()}
		case how.Signaled():
			return ended{Signal: int(how.Signal())}
		default:
			status := how.ExitStatus()
			return ended{Status: &status}
		}
	}
}

// kill ends the sandbox: process 1 goes when its orders end, and takes everything in it along. What does not is killed.
func (c *child) kill() {
	_ = c.control.Close()
	time.AfterFunc(lastResort, func() { _ = unix.PidfdSendSignal(c.pidfd, unix.SIGKILL, nil, 0) })
}

func (c *child) release() {
	c.closeOurs()
	if c.pidfd >= 0 {
		_ = unix.Close(c.pidfd)
	}
}
