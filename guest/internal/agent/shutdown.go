package agent

import (
	"encoding/json"
	"os"
	"syscall"
	"time"

	"agentkernel/guest/internal/wire"
)

const (
	// mostGrace bounds how long processes may take to end when asked, in milliseconds.
	mostGrace = 600_000
	// killTime is how long killed processes may take to disappear; one that waits for a device may take for ever.
	killTime = time.Second
)

// shutdown serves the operation of that name: ends every process, says so, and leaves.
func (a *agent) shutdown(s *wire.Stream) {
	var order struct {
		GraceMS *int64 `json:"grace_ms"`
	}
	if json.Unmarshal(s.Payload(), &order) != nil || order.GraceMS == nil || *order.GraceMS < 0 || *order.GraceMS > mostGrace {
		s.FailWith(invalid("grace_ms is missing or out of range"))
		return
	}
	a.mu.Lock()
	a.closing = true
	a.mu.Unlock()
	if grace := time.Duration(*order.GraceMS) * time.Millisecond; grace > 0 {
		a.signalAll(syscall.SIGTERM)
		// A shell on a terminal ends for this one only.
		a.signalWhere(syscall.SIGHUP, func(p process) bool { return p.onTerminal })
		// A stopped process hears nothing until it goes on.
		a.signalAll(syscall.SIGCONT)
		a.reaper.awaitNone(grace)
	}
	a.killAll()
	a.reaper.awaitNone(killTime)
	a.awaitCommands(killTime)
	a.finishNetwork()
	s.End(struct{}{})
	s.Conn().Bye()
}

// awaitCommands waits until the results of all commands are on their way.
func (a *agent) awaitCommands(limit time.Duration) {
	all := make(chan struct{})
	go func() {
		a.running.Wait()
		close(all)
	}()
	timer := time.NewTimer(limit)
	defer timer.Stop()
	select {
	case <-all:
	case <-timer.C:
	}
}

// signalAll sends a signal to every process of the sandbox but us.
func (a *agent) signalAll(number syscall.Signal) {
	if a.first {
		_ = syscall.Kill(-1, number)
		return
	}
	a.signalWhere(number, func(process) bool { return true })
}

func (a *agent) signalWhere(number syscall.Signal, is func(process) bool) {
	self := os.Getpid()
	eachProcess(func(pid int) bool {
		if p, lives := look(pid); lives && pid != self && a.isOurs(p) && is(p) {
			_ = syscall.Kill(pid, number)
		}
		return true
	})
}

func (a *agent) killAll() {
	if a.first {
		_ = syscall.Kill(-1, syscall.SIGKILL)
		return
	}
	killWhere(a.isOurs)
}

// isOurs tells whether a process belongs to the sandbox: every one where we are process 1, else those that descend from us.
func (a *agent) isOurs(p process) bool {
	const deepest = 1000
	if a.first {
		return true
	}
	self := os.Getpid()
	for range deepest {
		if p.ppid == self {
			return true
		}
		parent, lives := look(p.ppid)
		if !lives || p.ppid <= 1 {
			return false
		}
		p = parent
	}
	return false
}
