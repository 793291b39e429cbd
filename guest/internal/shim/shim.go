package shim

import (
	"errors"
	"fmt"
	"os"
	"os/signal"
	"runtime"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"agentkernel/guest/internal/enter"
	"agentkernel/guest/internal/outlog"
	"agentkernel/guest/internal/status"
	"agentkernel/guest/internal/wire"
)

const (
	// startLimit is how long a sandbox may take from its start to the agent's hello: it may have a project to copy.
	startLimit = 2 * time.Minute
	// lastWords is how long what the agent has sent may take to be read after its end.
	lastWords = 2 * time.Second
	// stopGrace is what commands get between SIGTERM and SIGKILL when we are told to stop.
	stopGrace = 2 * time.Second
	// stopMargin is what the agent gets beyond the grace that it gives to commands.
	stopMargin = 2 * time.Second
	// longestGrace is the most that a client may ask for.
	longestGrace = 10 * time.Minute
	// quietAfter is when memory is given back after the last request.
	quietAfter = 2 * time.Second
)

// What we speak to clients besides what the agent does.
const (
	featureLog = "log"
	// featureNetworks says that a command may have a network of its own.
	featureNetworks = "exec_network"
)

// sandbox is what one shim is there for.
type sandbox struct {
	orders   *Orders
	self     identity
	report   *report
	place    *place
	child    *child
	agent    *wire.Conn
	commands *registry
	server   *server
	gateways *gateways // nil without a network
	watch    *watch
	quiet    *time.Timer
	aparts   atomic.Int64  // commands with networks of their own
	told     chan struct{} // closed when the sandbox has no more status lines
	heard    chan struct{} // closed when its agent has no more to say

	mu     sync.Mutex
	ready  bool
	reason ended // why the sandbox ends, as far as we know better than it
}

// Main is a shim from its orders to the end of its sandbox. It returns its exit status.
func Main() int { return run(outlog.Options{}) }

func run(options outlog.Options) int {
	// The kernel ties our child's life to the thread that makes it. The main thread lives as long as we do.
	runtime.LockOSThread()
	// A heap of some hundred kilobytes need not grow to megabytes before it is looked through.
	debug.SetGCPercent(25)
	// More would only be more threads.
	runtime.GOMAXPROCS(min(2, runtime.GOMAXPROCS(0)))
	r := &report{fd: status.FD}
	if step, err := detach(); err != nil {
		r.fail(step, err)
		return 1
	}
	file := os.NewFile(ordersFD, "orders")
	orders, err := readOrders(file)
	_ = file.Close()
	if errors.Is(err, errNoOrders) {
		return 1
	}
	if err != nil {
		r.fail("orders", err)
		return 1
	}
	s, step, err := begin(orders, r, options)
	if err != nil {
		r.fail(step, err)
		return 1
	}
	return s.finish(s.child.wait())
}

// begin does everything up to the start of the sandbox. On failure it names the step.
func begin(o *Orders, r *report, options outlog.Options) (*sandbox, string, error) {
	self, err := ownIdentity()
	if err != nil {
		return nil, "own identity", err
	}
	p, step, err := openPlace(o.RuntimeDir, placeWait, o.Network)
	if err != nil {
		return nil, step, err
	}
	s := &sandbox{orders: o, self: self, report: r, place: p, commands: newRegistry(o.LogDir, options), told: make(chan struct{}), heard: make(chan struct{})}
	s.watch = newWatch(o.Restart, usualPace)
	s.quiet = time.AfterFunc(quietAfter, debug.FreeOSMemory)
	facts := struct {
		identity
		Sandbox string `json:"sandbox"`
	}{self, o.Sandbox}
	if err := p.write(selfName, facts); err != nil {
		p.leave(ended{Reason: "start_failed", Detail: err.Error()})
		return nil, "write " + selfName, err
	}
	// From here on a signal stops the sandbox; before, there is none.
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGTERM)
	if s.child, err = startChild(o); err != nil {
		p.leave(ended{Reason: "start_failed", Detail: err.Error()})
		return nil, "start the sandbox", err
	}
	if o.Network && o.Mode != noIsolation {
		// What is wrong with it the launch helper says better.
		o.entry, _ = enter.Orders(o.Plan)
	}
	// They have been handed on, and may be long.
	o.Prologue, o.Plan, o.AgentSpec = nil, nil, nil
	s.agent = wire.NewConn(s.child.socket, wire.Hello{Role: "shim", Version: o.Version, Features: []string{}}, nil)
	go s.readStatus()
	go s.listenToAgent()
	if o.Network {
		s.gateways = newGateways(o.Version)
		go s.gateways.serve(s.child.egress, "")
		go accept(p.egress, s.gateways.greet)
	}
	go s.obey(signals)
	go s.open()
	return s, "", nil
}

func (s *sandbox) readStatus() {
	relayStatus(s.child.status, s.report)
	close(s.told)
}

// listenToAgent reads what the agent sends until it is gone. A sandbox without an agent is of no use.
func (s *sandbox) listenToAgent() {
	err := s.agent.Run()
	var rule *wire.ProtocolError
	broken := errors.As(err, &rule)
	if broken {
		s.because(ended{Reason: "agent_lost", Detail: err.Error()})
	}
	close(s.heard)
	if !broken {
		// Most likely the sandbox has ended, and we will hear how.
		time.Sleep(lastResort)
		s.because(ended{Reason: "agent_lost", Detail: "its agent closed the connection"})
	}
	s.child.kill()
}

func (s *sandbox) obey(signals <-chan os.Signal) {
	<-signals
	go func() { _ = s.stop(stopGrace) }()
	<-signals
	s.child.kill()
}

// open lets clients in when the agent has said hello.
func (s *sandbox) open() {
	if !within(startLimit, s.agent.Ready()) {
		s.because(ended{Reason: "start_failed", Detail: fmt.Sprintf("the agent did not answer within %v", startLimit)})
		s.child.kill()
		return
	}
	peer := s.agent.Peer()
	if peer.Role != "agent" {
		s.because(ended{Reason: "start_failed", Detail: "what answered is not an agent"})
		s.child.kill()
		return
	}
	hello := wire.Hello{Role: "shim", Version: s.orders.Version, Features: s.features(peer)}
	s.server = &server{
		hello: hello, handler: s.handle, arrived: s.watch.arrived, left: s.watch.left, clients: map[*wire.Conn]struct{}{},
	}
	s.mu.Lock()
	s.ready = true
	s.mu.Unlock()
	s.report.ready(s.self)
	accept(s.place.listener, s.server.greet)
}

// features are the agent's, and those that we add.
func (s *sandbox) features(agent wire.Hello) []string {
	list := append([]string{}, agent.Features...)
	if agent.Has("exec") && !agent.Has(featureLog) {
		list = append(list, featureLog)
	}
	if s.orders.entry != nil {
		list = append(list, featureNetworks)
	}
	return list
}

// because keeps the first reason for the end of the sandbox.
func (s *sandbox) because(how ended) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.reason.Reason == "" {
		s.reason = how
	}
}

// stop ends the sandbox, by force when its agent does not. It returns when the agent has said that it will end, or cannot.
func (s *sandbox) stop(grace time.Duration) error {
	s.because(ended{Reason: "stopped"})
	s.mu.Lock()
	ready := s.ready
	s.mu.Unlock()
	if !ready {
		s.child.kill()
		return nil
	}
	time.AfterFunc(grace+stopMargin, s.child.kill)
	grace = s.stopApart(grace)
	stream, err := s.agent.Open(map[string]any{"op": "shutdown", "grace_ms": grace.Milliseconds()})
	if err != nil {
		return err
	}
	for {
		m, err := stream.Recv()
		if err != nil || m.Kind == wire.EndType {
			return err
		}
	}
}

// finish says goodbye: to whoever is connected, and in the files that tell how it ended.
func (s *sandbox) finish(how ended) int {
	// What the agent said last is in the socket, though it is gone.
	within(lastWords, s.heard)
	s.agent.Close()
	within(lastWords, s.told)
	s.watch.close()
	s.mu.Lock()
	ready := s.ready
	how.Reason, how.Detail = s.reason.Reason, s.reason.Detail
	s.mu.Unlock()
	switch {
	case !ready && how.Reason != "stopped":
		how.Reason = "start_failed"
	case how.Reason == "":
		how.Reason = "ended"
	}
	s.place.leave(how)
	if s.gateways != nil {
		s.gateways.close()
	}
	if !ready {
		s.report.fail("wait for the agent", errors.New(how.words()))
		return 1
	}
	s.server.close()
	return 0
}

// words say how the sandbox ended, for people.
func (e ended) words() string {
	text := "the sandbox ended before its agent answered"
	switch {
	case e.Detail != "":
		text += ": " + e.Detail
	case e.Signal != 0:
		text += ", by signal " + unix.SignalName(syscall.Signal(e.Signal))
	case e.Status != nil:
		text += fmt.Sprintf(", with status %d", *e.Status)
	}
	return text
}
