package shim

import (
	"sync"

	"agentkernel/guest/internal/outlog"
	"agentkernel/guest/internal/wire"
)

const (
	// mostRunning leaves some of the agent's streams to files and the rest.
	mostRunning = wire.MaxStreams - 16
	// mostEnded is how many commands that have ended are remembered.
	mostEnded = 256
	// mostEndedMemory bounds what those hold in memory; the logs of the oldest go to files.
	mostEndedMemory = 1 << 20
)

// registry is all commands by their id.
type registry struct {
	logDir  string
	options outlog.Options

	mu   sync.Mutex
	byID map[string]*command
	// ended are those that have, the oldest first, and unreleased those of them that hold memory.
	ended      []*command
	unreleased []*command
	held       int
}

func newRegistry(logDir string, options outlog.Options) *registry {
	return &registry{logDir: logDir, options: options, byID: map[string]*command{}}
}

// reserve takes an id for a new command, or says why not.
func (r *registry) reserve(request execRequest) (*command, *wire.ErrorBody) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.byID[request.ID] != nil {
		return nil, &wire.ErrorBody{Code: "exists", Message: "there is a command " + request.ID}
	}
	if len(r.byID)-len(r.ended) >= mostRunning {
		return nil, &wire.ErrorBody{Code: "too_many_streams", Message: "too many commands run at once"}
	}
	c := newCommand(request, outlog.New(r.logDir, r.options), outlog.New(r.logDir, r.options))
	r.byID[c.id] = c
	return c, nil
}

// find returns a command; nil when there is none.
func (r *registry) find(id string) *command {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.byID[id]
}

// retire is called when a command has ended. One that never ran is forgotten; of the others the oldest are.
func (r *registry) retire(c *command) {
	if c.failed() != nil {
		r.forget(c)
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.byID[c.id] != c {
		return
	}
	r.ended = append(r.ended, c)
	for len(r.ended) > mostEnded {
		r.forgetLocked(r.ended[0])
	}
	r.unreleased = append(r.unreleased, c)
	for r.held += memoryOf(c); r.held > mostEndedMemory && len(r.unreleased) > 1; {
		oldest := r.unreleased[0]
		r.unreleased = r.unreleased[1:]
		r.held -= memoryOf(oldest)
		oldest.stdout.Release()
		oldest.stderr.Release()
	}
}

func memoryOf(c *command) int { return c.stdout.InMemory() + c.stderr.InMemory() }

// forget gives the id free and drops the logs.
func (r *registry) forget(c *command) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.forgetLocked(c)
}

func (r *registry) forgetLocked(c *command) {
	if r.byID[c.id] != c {
		return
	}
	delete(r.byID, c.id)
	r.ended = without(r.ended, c)
	if rest := without(r.unreleased, c); len(rest) < len(r.unreleased) {
		r.unreleased = rest
		r.held -= memoryOf(c)
	}
	c.drop()
}

func without(list []*command, c *command) []*command {
	for i, one := range list {
		if one == c {
			copy(list[i:], list[i+1:])
			list[len(list)-1] = nil
			return list[:len(list)-1]
		}
	}
	return list
}

// all returns every command, those that run among them, in no order.
func (r *registry) all() []*command {
	r.mu.Lock()
	defer r.mu.Unlock()
	list := make([]*command, 0, len(r.byID))
	for _, c := range r.byID {
		list = append(list, c)
	}
	return list
}
