package shim

import (
	"encoding/json"
	"errors"
	"sync"
	"time"

	"agentkernel/guest/internal/outlog"
	"agentkernel/guest/internal/wire"
)

// command is one that was started by a client and belongs to us: its output goes to the logs, whoever is there to read it.
type command struct {
	id        string
	argv      []string
	tty       bool
	detach    bool
	startedAt time.Time
	stdout    *outlog.Log
	stderr    *outlog.Log
	stream    *wire.Stream
	// stdin is taken by the one who writes to the command: others would be mixed into what it waits to write.
	stdin chan struct{}

	// started is closed when the command runs or could not be started, done when everything of it is known.
	started chan struct{}
	done    chan struct{}

	mu      sync.Mutex
	running bool // the agent said that it started
	pid     int
	result  *result
	failure *wire.ErrorBody
	readers int
	dropped bool
	untold  []any  // events for the agent; the first is being sent
	apart   *apart // nil when it uses the sandbox's network
}

func newCommand(request execRequest, stdout, stderr *outlog.Log) *command {
	return &command{
		id: request.ID, argv: firstArguments(request.Argv), tty: len(request.TTY) > 0 && string(request.TTY) != "null", detach: request.Detach,
		startedAt: time.Now(), stdout: stdout, stderr: stderr,
		stdin: make(chan struct{}, 1), started: make(chan struct{}), done: make(chan struct{}),
	}
}

// collect takes what the agent sends until the command has ended. Every byte of it may come from a hostile workload.
func (c *command) collect() {
	for {
		m, err := c.stream.Recv()
		if err != nil {
			if own := c.getApart(); own != nil {
				own.kill()
			}
			c.finish(nil, err)
			return
		}
		switch m.Kind {
		case wire.DataType:
			c.log(m.Channel).Append(m.Data)
		case wire.EOFType:
			c.log(m.Channel).End()
		case wire.EventType:
			c.event(m)
		case wire.EndType:
			// No flow of the command comes after its end.
			if own := c.getApart(); own != nil {
				own.end(0)
			}
			var how result
			if m.Decode(&how) != nil || !how.sane() {
				c.finish(nil, errors.New("the agent's word for how the command ended makes no sense"))
			} else {
				c.finish(&how, nil)
			}
			return
		}
	}
}

func (c *command) log(channel byte) *outlog.Log {
	if channel == wire.Err {
		return c.stderr
	}
	return c.stdout
}

func (c *command) event(m wire.Message) {
	var event struct {
		Event string `json:"event"`
		PID   int    `json:"pid"`
	}
	if m.Decode(&event) != nil || event.Event != "started" || event.PID < 1 {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.running {
		c.running, c.pid = true, event.PID
		close(c.started)
	}
}

// finish settles how the command ended: the agent's word, or else that it is lost. A command that never ran has failed.
func (c *command) finish(how *result, err error) {
	c.stdout.End()
	c.stderr.End()
	c.mu.Lock()
	defer c.mu.Unlock()
	var refusal *wire.ErrorBody
	switch {
	case how != nil:
		c.result = how
	case !c.running && errors.As(err, &refusal):
		c.failure = refusal
	case !c.running:
		c.failure = &wire.ErrorBody{Code: "agent_lost", Message: "the sandbox's agent went before the command had started"}
	default:
		c.result = &result{Ended: "lost", DurationMS: time.Since(c.startedAt).Milliseconds()}
	}
	if !c.running {
		close(c.started)
	}
	close(c.done)
}

// failed is why the command could not be started; nil when it could or it is not known yet.
func (c *command) failed() *wire.ErrorBody {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.failure
}

// end asks the agent to end the command.
func (c *command) end() { c.stream.Cancel() }

// isDone tells whether everything of the command is known.
func (c *command) isDone() bool {
	select {
	case <-c.done:
		return true
	default:
		return false
	}
}

func (c *command) describe() listed {
	c.mu.Lock()
	defer c.mu.Unlock()
	l := listed{
		ID: c.id, Argv: c.argv, PID: c.pid, TTY: c.tty, Detach: c.detach, StartedAtMS: c.startedAt.UnixMilli(),
		Running: c.result == nil, Result: c.result,
	}
	l.Stdout.Start, l.Stdout.End = c.stdout.Range()
	l.Stderr.Start, l.Stderr.End = c.stderr.Range()
	return l
}

// outcome is the END of every stream that followed the command to its end.
func (c *command) outcome() any {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.result
}

// hold keeps the logs for one more reader; false when they are gone.
func (c *command) hold() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.dropped {
		return false
	}
	c.readers++
	return true
}

func (c *command) letGo() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.readers--
	c.dropIfUnread()
}

// drop forgets the logs as soon as nobody reads them.
func (c *command) drop() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.dropped = true
	c.dropIfUnread()
}

func (c *command) dropIfUnread() {
	if c.dropped && c.readers == 0 {
		c.stdout.Drop()
		c.stderr.Drop()
	}
}

// process is the command's process id inside the sandbox.
func (c *command) process() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.pid
}

// fromClient carries out what a client says in the stream besides bytes.
func (c *command) fromClient(payload json.RawMessage) {
	var event struct {
		Event  string `json:"event"`
		Signal int    `json:"signal"`
		Cols   int    `json:"cols"`
		Rows   int    `json:"rows"`
	}
	if json.Unmarshal(payload, &event) != nil {
		return
	}
	switch event.Event {
	case "signal":
		c.signal(event.Signal)
	case "resize":
		c.tell(map[string]any{"event": "resize", "cols": event.Cols, "rows": event.Rows})
	}
}

// signal sends a signal to the command's process group. A command that has ended has none.
func (c *command) signal(number int) {
	c.tell(map[string]any{"event": "signal", "signal": number})
}

// mostUntold is how many events may wait for an agent that does not read; it gets no more of them.
const mostUntold = 256

// tell sends an event to the agent, in order, without waiting for it.
func (c *command) tell(event any) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.untold) >= mostUntold {
		return
	}
	c.untold = append(c.untold, event)
	if len(c.untold) == 1 {
		go c.tellAll()
	}
}

func (c *command) tellAll() {
	for {
		c.mu.Lock()
		event := c.untold[0]
		c.mu.Unlock()
		_ = c.stream.Event(event)
		c.mu.Lock()
		c.untold = c.untold[1:]
		if len(c.untold) == 0 {
			c.untold = nil
			c.mu.Unlock()
			return
		}
		c.mu.Unlock()
	}
}
