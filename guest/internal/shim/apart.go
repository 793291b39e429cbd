package shim

import (
	"bufio"
	"encoding/json"
	"errors"
	"os"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"agentkernel/guest/internal/enter"
	"agentkernel/guest/internal/status"
	"agentkernel/guest/internal/wire"
)

const (
	// mostApart is how many commands may have a network of their own at once: each costs processes and memory outside the sandbox.
	mostApart = 64
	// apartLimit is how long such a command's agent may take to answer.
	apartLimit = 10 * time.Second
	// apartEnd is how long it may take to end beyond the grace of its command: what the command sent last may be on its way.
	apartEnd = 6 * time.Second
)

// apart is the network of a command that has one of its own, and the agent that serves both.
type apart struct {
	// process is a handle of who started the agent.
	process *os.File
	control *os.File
	agent   *wire.Conn
	egress  *os.File
	// gone is closed when nothing of it is left, out here; line is then why it failed, if it did.
	gone chan struct{}
	line status.Line

	once sync.Once
}

// startApart starts the agent of such a command, whose flows bear the command's id from then on.
func (s *sandbox) startApart(id string) (*apart, *wire.ErrorBody) {
	switch {
	case s.gateways == nil:
		return nil, &wire.ErrorBody{Code: "unsupported", Message: "this sandbox has no network"}
	case s.orders.entry == nil:
		return nil, &wire.ErrorBody{Code: "unsupported", Message: "commands cannot have a network of their own in this sandbox"}
	case s.aparts.Add(1) > mostApart:
		s.aparts.Add(-1)
		return nil, &wire.ErrorBody{Code: "too_many_streams", Message: "too many commands have a network of their own"}
	}
	a := &apart{gone: make(chan struct{})}
	if err := a.start(s); err != nil {
		s.aparts.Add(-1)
		return nil, failedToEnter(status.Line{Step: "start", Detail: err.Error()}, err)
	}
	go s.gateways.serve(a.egress, id)
	go func() {
		<-a.gone
		_ = a.process.Close()
		s.aparts.Add(-1)
	}()
	go func() { _ = a.agent.Run() }()
	if timer := time.AfterFunc(apartLimit, a.kill); a.agent.Peer().Role != "agent" || !timer.Stop() {
		a.kill()
		<-a.gone
		return nil, failedToEnter(a.line, nil)
	}
	return a, nil
}

func failedToEnter(line status.Line, err error) *wire.ErrorBody {
	body := &wire.ErrorBody{Code: "io", Message: "the command's own network could not be made", Errno: line.Errno}
	if line.Step != "" {
		body.Message += ": " + line.Step + ": " + line.Detail
	}
	var number syscall.Errno
	if errors.As(err, &number) {
		body.Errno = int(number)
	}
	return body
}

func (a *apart) start(s *sandbox) error {
	spaces, err := s.child.openSpaces(s.orders.Mode)
	defer closeFDs(spaces)
	if err != nil {
		return err
	}
	w, err := newWires(true)
	if err != nil {
		return err
	}
	defer w.closeTheirs()
	if a.process, err = enterWith(s.orders, w, spaces); err != nil {
		w.closeOurs()
		return err
	}
	a.control, a.egress = w.control, w.egress
	a.agent = wire.NewConn(w.socket, wire.Hello{Role: "shim", Version: s.orders.Version, Features: []string{}}, nil)
	go a.listen(w.status)
	return nil
}

// enterWith starts package enter, and returns a handle of the process.
func enterWith(o *Orders, w *wires, spaces []int) (*os.File, error) {
	orders, err := memoryFile(o.entry)
	if err != nil {
		return nil, err
	}
	defer unix.Close(orders)
	null, err := unix.Open("/dev/null", unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	defer unix.Close(null)
	files := append(w.files(null), uintptr(orders))
	for _, fd := range spaces {
		files = append(files, uintptr(fd))
	}
	mode := enter.AsRoot
	if o.Mode == launchAsUser {
		mode = enter.AsUser
	}
	pidfd := -1
	_, err = syscall.ForkExec("/proc/self/exe", []string{"agentkernel-guest", mode}, &syscall.ProcAttr{
		Dir: "/", Env: []string{"GOMAXPROCS=1"}, Files: files,
		// It ends when its control connection does, which ends with us.
		Sys: &syscall.SysProcAttr{Setsid: true, PidFD: &pidfd},
	})
	if err != nil {
		return nil, err
	}
	return os.NewFile(uintptr(pidfd), "enter"), nil
}

// listen reads what is said of the start. All who could say something have ended when it does.
func (a *apart) listen(from *os.File) {
	defer close(a.gone)
	defer from.Close()
	lines := bufio.NewScanner(from)
	for lines.Scan() {
		var line status.Line
		if json.Unmarshal(lines.Bytes(), &line) == nil && line.Error != "" && a.line.Error == "" {
			a.line = line
		}
	}
}

// end ends the command, if it still runs, and everything that it left behind, and then its network. What was sent before that arrives.
// Whoever comes second waits for the first.
func (a *apart) end(grace time.Duration) {
	a.once.Do(func() {
		timer := time.AfterFunc(grace+apartEnd, a.kill)
		defer timer.Stop()
		defer a.kill()
		stream, err := a.agent.Open(map[string]any{"op": "shutdown", "grace_ms": grace.Milliseconds()})
		for err == nil {
			var m wire.Message
			if m, err = stream.Recv(); err == nil && m.Kind == wire.EndType {
				return
			}
		}
	})
}

// kill ends all of it at once: the agent kills its own when its orders end, and whoever started it kills the rest.
func (a *apart) kill() {
	_ = a.control.Close()
	a.agent.Close()
	go func() {
		if within(apartEnd, a.gone) {
			return
		}
		if raw, err := a.process.SyscallConn(); err == nil {
			_ = raw.Control(func(fd uintptr) { _ = unix.PidfdSendSignal(int(fd), unix.SIGKILL, nil, 0) })
		}
	}()
}

func (c *command) setApart(own *apart) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.apart = own
}

func (c *command) getApart() *apart {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.apart
}

// stopApart ends the commands that have a network of their own: process 1 does not know that they are somebody's, and would not wait for
// them. The others are told meanwhile. It returns what is left of the grace.
func (s *sandbox) stopApart(grace time.Duration) time.Duration {
	begun := time.Now()
	var stopping sync.WaitGroup
	var others []*command
	for _, c := range s.commands.all() {
		own := c.getApart()
		switch {
		case c.isDone():
		case own == nil:
			others = append(others, c)
		default:
			stopping.Go(func() { own.end(grace) })
		}
	}
	if s.aparts.Load() == 0 || grace == 0 {
		return grace
	}
	for _, c := range others {
		if c.process() > 0 {
			c.signal(int(syscall.SIGTERM))
		}
	}
	stopping.Wait()
	return max(0, grace-time.Since(begun))
}
