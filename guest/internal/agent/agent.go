// Package agent is process 1 of a sandbox that stays. It serves the guest protocol (docs/guest-protocol.md) on a socket that it
// was given: it starts commands, passes their streams, collects orphans, reports on processes and ends everything.
//
//	agentkernel-guest agent N [M [network…]]
//
// Descriptor N has the orders, M (5) is the socket, and the rest is for the sandbox's network (package uplink). Descriptor 3 is never
// written to: when it ends, the host side is gone, and so are we then. Descriptor 4 gets lines of package status: that we serve, or
// why we cannot. Orders are JSON:
//
//	{"limits": [{"resource": 7, "value": 1024}],   resource limits of each command, where no control group holds them
//	 "seccomp": "base64",                          filter of each command, where process 1 does not have it already
//	 "version": "0.20.0"}                          of the whole program, for the hello
//
// With limits or a filter each command goes through one more step, `agentkernel-guest stage` (stage.go); without, starting a
// command is one fork and exec.
package agent

import (
	"math"
	"os"
	"runtime"
	"runtime/debug"
	"strconv"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"agentkernel/guest/internal/plan"
	"agentkernel/guest/internal/status"
	"agentkernel/guest/internal/uplink"
	"agentkernel/guest/internal/wire"
)

const (
	controlFD = 3
	// gone is how we end when the host side does. Nobody is left to read it.
	gone = 125
	// mostThreads bounds the memory that Go keeps for each processor it uses.
	mostThreads = 4
	// garbage makes Go collect at half its usual size: most of what a command needs is gone when it ends.
	garbage = 50
	// quiet is how long after an operation began or ended we give memory back. Go by itself takes minutes for that.
	quiet = 3 * time.Second
)

// agent is the state of process 1.
type agent struct {
	orders *orders
	reaper *reaper
	// network is nil where there is none.
	network uplink.Network
	// first says that we are process 1 of a namespace, so that the kernel ends what we leave behind.
	first bool
	null  *os.File
	// sacrifice is what each command has as its oom_score_adj.
	sacrifice []byte
	ops       map[string]func(*wire.Stream)
	// tidy gives memory back when it has been quiet.
	tidy *time.Timer

	mu sync.Mutex
	// closing says that no command may start any more; running are those that have.
	closing bool
	running sync.WaitGroup
}

// Main serves until the host is gone or asks for the end. It returns only when it cannot begin or was asked to end.
func Main(args []string, open uplink.Open) int {
	if err := harden(); err != nil {
		return status.Fail("launch", "protect process 1", err)
	}
	ordersFD, socketFD, err := descriptors(args)
	if err != nil {
		return status.Fail("launch", "orders", err)
	}
	// Ours, and whatever those before us left open.
	if unix.CloseRange(controlFD, math.MaxInt32, unix.CLOSE_RANGE_CLOEXEC) != nil {
		for _, fd := range []int{controlFD, status.FD, ordersFD, socketFD} {
			unix.CloseOnExec(fd)
		}
	}
	orders, err := readOrders(ordersFD)
	if err != nil {
		return status.Fail("launch", "orders", err)
	}
	runtime.GOMAXPROCS(min(runtime.GOMAXPROCS(0), mostThreads))
	debug.SetGCPercent(garbage)
	unix.Umask(0o022)
	a, err := newAgent(orders)
	if err != nil {
		return status.Fail("launch", "agent", err)
	}
	if a.network, err = open(args[min(2, len(args)):], orders.version); err != nil {
		return status.Fail("launch", "network", err)
	}
	if a.network != nil {
		a.network.Serve()
	}
	socket := pollable(socketFD, "host")
	control := pollable(controlFD, "control")
	go a.watchHost(control)
	conn := wire.NewConn(socket, wire.Hello{Role: "agent", Version: orders.version, Features: features}, a.serve)
	status.Send(status.Line{Started: true})
	// From here on no thread is special; waking up one that is costs every frame a switch.
	runtime.UnlockOSThread()
	if conn.Run() != nil {
		a.hostGone()
	}
	return 0
}

func descriptors(args []string) (ordersFD, socketFD int, err error) {
	if len(args) == 0 {
		return 0, 0, syscall.EINVAL
	}
	if ordersFD, err = strconv.Atoi(args[0]); err != nil || len(args) == 1 {
		return ordersFD, plan.SocketFD, err
	}
	socketFD, err = strconv.Atoi(args[1])
	return ordersFD, socketFD, err
}

func newAgent(orders *orders) (*agent, error) {
	null, err := os.OpenFile("/dev/null", os.O_RDWR, 0)
	if err != nil {
		return nil, err
	}
	a := &agent{orders: orders, first: os.Getpid() == 1, null: null, sacrifice: sacrifice(), reaper: newReaper()}
	if !a.first {
		// Orphans of our commands are ours too, as they would be in a sandbox.
		if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err != nil {
			return nil, err
		}
	}
	a.ops = a.operations()
	a.tidy = time.AfterFunc(quiet, giveMemoryBack)
	go a.reaper.run()
	if a.first {
		go a.reaper.heed()
	}
	return a, nil
}

// pollable makes a file that waits without keeping a thread.
func pollable(fd int, name string) *os.File {
	_ = unix.SetNonblock(fd, true)
	return os.NewFile(uintptr(fd), name)
}

// watchHost returns never: it ends us when the host side is gone.
func (a *agent) watchHost(control *os.File) {
	var ignored [64]byte
	for {
		if _, err := control.Read(ignored[:]); err != nil {
			a.hostGone()
		}
	}
}

// hostGone ends everything, at once.
func (a *agent) hostGone() {
	if !a.first {
		a.mu.Lock()
		a.closing = true
		a.mu.Unlock()
		a.killAll()
		a.reaper.awaitNone(time.Second)
	}
	os.Exit(gone)
}

// serve hands a stream to the one who serves its operation. A mistake of ours in one operation must not end process 1, which
// would take every command along.
func (a *agent) serve(s *wire.Stream) {
	defer func() {
		if mistake := recover(); mistake != nil {
			s.Fail("io", "mistake of the agent in "+s.Op(), 0)
		}
	}()
	serve, known := a.ops[s.Op()]
	if !known {
		s.Fail("unknown_op", "no such operation", 0)
		return
	}
	a.tidy.Reset(quiet)
	defer a.tidy.Reset(quiet)
	serve(s)
}

// giveMemoryBack leaves nothing in the heap that is not used. Buffers in pools survive one collection.
func giveMemoryBack() {
	runtime.GC()
	debug.FreeOSMemory()
}
