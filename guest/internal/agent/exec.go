package agent

import (
	"encoding/json"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"agentkernel/guest/internal/wire"
)

const (
	// politeTime is how long a command may take to end after SIGHUP and SIGTERM.
	politeTime = 2 * time.Second
	// heldOpen is how long output is waited for that somebody else than the command holds open.
	heldOpen = 250 * time.Millisecond
	// mostWords bounds arguments and variables of a command; the kernel takes fewer.
	mostWords = 1 << 16
)

// order is a command to start.
type order struct {
	Argv      []string `json:"argv"`
	Env       []string `json:"env"`
	Cwd       string   `json:"cwd"`
	TTY       *size    `json:"tty"`
	Stdin     bool     `json:"stdin"`
	TimeoutMS int64    `json:"timeout_ms"`
	User      string   `json:"user"`
}

// result is how a command ended, for the END.
type result struct {
	Ended      string `json:"ended"`
	Status     *int   `json:"status,omitempty"`
	Signal     int    `json:"signal,omitempty"`
	DurationMS int64  `json:"duration_ms"`
	MaxRSS     int64  `json:"max_rss,omitempty"`
}

// exec serves the operation of that name: one command, from its start until it has ended and what it wrote is sent. What the shim
// makes of id and detach is not our concern: CANCEL ends the command.
func (a *agent) exec(s *wire.Stream) {
	// How a canceled command ended is still to be told.
	s.Survive()
	o, failure := parseOrder(s.Payload())
	if failure == nil {
		failure = a.mayRunAs(o.User)
	}
	if failure != nil {
		s.FailWith(failure)
		return
	}
	if !a.enter() {
		s.Fail("refused", "the sandbox is ending", 0)
		return
	}
	defer a.running.Done()
	began := time.Now()
	c, failure := a.start(o)
	if failure != nil {
		s.FailWith(failure)
		return
	}
	defer c.close()
	s.OnEvent(c.take)
	_ = s.Event(struct {
		Event string `json:"event"`
		PID   int    `json:"pid"`
	}{"started", c.pid})
	c.connect(s)
	why, how := c.await(s, time.Duration(o.TimeoutMS)*time.Millisecond)
	took := time.Since(began)
	c.finishOutput(s)
	s.End(resultOf(why, how, took))
}

// enter counts a command that may start.
func (a *agent) enter() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.closing {
		return false
	}
	a.running.Add(1)
	return true
}

func invalid(what string) *wire.ErrorBody { return &wire.ErrorBody{Code: "invalid", Message: what} }

func parseOrder(payload json.RawMessage) (*order, *wire.ErrorBody) {
	o := &order{}
	if err := json.Unmarshal(payload, o); err != nil {
		return nil, invalid(err.Error())
	}
	switch {
	case len(o.Argv) == 0:
		return nil, invalid("argv is empty")
	case len(o.Argv)+len(o.Env) > mostWords:
		return nil, invalid("too many arguments and variables")
	case !strings.HasPrefix(o.Cwd, "/") || len(o.Cwd) >= unix.PathMax || strings.ContainsRune(o.Cwd, 0):
		return nil, invalid("cwd is no absolute path")
	case o.TimeoutMS < 0 || o.TimeoutMS > int64(1<<53):
		return nil, invalid("timeout_ms is out of range")
	case o.TTY != nil && !o.TTY.fits():
		return nil, invalid("tty is out of range")
	}
	for _, word := range o.Argv {
		if strings.ContainsRune(word, 0) {
			return nil, invalid("an argument contains NUL")
		}
	}
	for _, entry := range o.Env {
		if strings.ContainsRune(entry, 0) || strings.Index(entry, "=") < 1 {
			return nil, invalid("a variable is not K=V")
		}
	}
	return o, nil
}

// await returns when the command itself has ended: how, and why when we ended it, "timed_out" or "canceled". Then nothing of its
// group is left either.
func (c *child) await(s *wire.Stream, timeout time.Duration) (why string, how ended) {
	canceled := s.Canceled()
	var timedOut, patience <-chan time.Time
	if timeout > 0 {
		timer := time.NewTimer(timeout)
		defer timer.Stop()
		timedOut = timer.C
	}
	end := func(reason string) {
		if why == "" {
			why = reason
			c.terminate()
			patience = time.After(politeTime)
		}
	}
	for {
		select {
		case how = <-c.done:
			if why != "" {
				c.outlive(patience)
			}
			return why, how
		case <-canceled:
			canceled = nil
			// A connection that is lost ends no command.
			if s.WasCanceled() {
				end("canceled")
			}
		case <-timedOut:
			end("timed_out")
		case <-patience:
			c.kill()
			patience = nil
		}
	}
}

// resultOf makes the END of a command.
func resultOf(why string, how ended, took time.Duration) result {
	r := result{Ended: why, DurationMS: took.Milliseconds(), MaxRSS: how.maxRSS}
	switch {
	case why != "":
	case how.status.Signaled():
		r.Ended, r.Signal = "signaled", int(how.status.Signal())
	default:
		status := how.status.ExitStatus()
		r.Ended, r.Status = "exited", &status
	}
	return r
}

// take carries out an event of the opener. It runs on the connection's reader and never waits.
func (c *child) take(payload json.RawMessage) {
	var event struct {
		Event  string `json:"event"`
		Signal int    `json:"signal"`
		size
	}
	if json.Unmarshal(payload, &event) != nil {
		return
	}
	switch event.Event {
	case "signal":
		if event.Signal > 0 && event.Signal <= 64 {
			c.reaper.signalGroup(c.pid, syscall.Signal(event.Signal))
		}
	case "resize":
		if c.terminal != nil && event.fits() {
			c.terminal.resize(event.size)
		}
	}
}
