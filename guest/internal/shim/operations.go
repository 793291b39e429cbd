package shim

import (
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"time"

	"agentkernel/guest/internal/wire"
)

const (
	// longestList is how long a list of commands gets before it goes out, in bytes of JSON.
	longestList = 48 << 10
	// endLimit is how long a command that is removed may take to end: the agent kills it after two seconds.
	endLimit = 10 * time.Second
)

// handle serves one stream of a client. What is about commands is ours; everything else is the agent's.
func (s *sandbox) handle(stream *wire.Stream) {
	defer s.quiet.Reset(quietAfter)
	switch stream.Op() {
	case "exec":
		s.exec(stream)
	case "attach":
		s.attach(stream)
	case "exec_list":
		s.list(stream)
	case "exec_signal":
		s.signal(stream)
	case "exec_remove":
		s.remove(stream)
	case "shutdown":
		s.shutdown(stream)
	default:
		wire.Relay(stream, s.agent)
	}
}

func (s *sandbox) exec(stream *wire.Stream) {
	var request execRequest
	if !parse(stream, &request) {
		return
	}
	if !validID(request.ID) {
		bad(stream, "id must be 1 to 64 of A-Z, a-z, 0-9, _ and -")
		return
	}
	payload := stream.Payload()
	if request.Detach || request.Network {
		var err error
		if payload, err = forAgent(payload); err != nil {
			bad(stream, err.Error())
			return
		}
	}
	c, refusal := s.commands.reserve(request)
	if refusal != nil {
		stream.FailWith(refusal)
		return
	}
	if err := s.start(c, payload, request.Network); err != nil {
		stream.FailWith(err)
		return
	}
	f := follower{stream: stream, command: c, stdin: true, endsIt: !request.Detach}
	f.run()
}

// start opens the command at its agent and collects from it, whoever follows.
func (s *sandbox) start(c *command, payload json.RawMessage, ownNetwork bool) *wire.ErrorBody {
	opened, err := s.openAt(c, payload, ownNetwork)
	if err != nil {
		c.finish(nil, err)
		s.commands.retire(c)
		return c.failed()
	}
	c.stream = opened
	go func() {
		c.collect()
		s.commands.retire(c)
	}()
	return nil
}

func (s *sandbox) openAt(c *command, payload json.RawMessage, ownNetwork bool) (*wire.Stream, error) {
	if !ownNetwork {
		return s.agent.Open(payload)
	}
	own, refusal := s.startApart(c.id)
	if refusal != nil {
		return nil, refusal
	}
	c.setApart(own)
	stream, err := own.agent.Open(payload)
	if err != nil {
		own.kill()
	}
	return stream, err
}

func (s *sandbox) attach(stream *wire.Stream) {
	var request attachRequest
	if !parse(stream, &request) {
		return
	}
	if request.Stdout < 0 || request.Stderr < 0 {
		bad(stream, "an offset is not negative")
		return
	}
	c := s.find(stream, request.ID)
	if c == nil {
		return
	}
	f := follower{
		stream: stream, command: c, stdout: request.Stdout, stderr: request.Stderr,
		stdin: request.Stdin, snapshot: request.Follow != nil && !*request.Follow,
	}
	f.run()
}

// find returns the command of that id, or answers that there is none.
func (s *sandbox) find(stream *wire.Stream, id string) *command {
	c := s.commands.find(id)
	if c == nil {
		stream.Fail("not_found", "there is no command "+id, 0)
	}
	return c
}

// list sends all commands, the oldest first, in as many parts as are needed.
func (s *sandbox) list(stream *wire.Stream) {
	commands := s.commands.all()
	slices.SortFunc(commands, func(a, b *command) int {
		if order := a.startedAt.Compare(b.startedAt); order != 0 {
			return order
		}
		return strings.Compare(a.id, b.id)
	})
	part, length := []json.RawMessage{}, 0
	for _, c := range commands {
		text, err := json.Marshal(c.describe())
		if err != nil {
			continue
		}
		if len(part) > 0 && length+len(text) > longestList {
			if stream.Event(map[string]any{"event": "execs", "execs": part}) != nil {
				return
			}
			part, length = []json.RawMessage{}, 0
		}
		part = append(part, text)
		length += len(text) + 1
	}
	stream.End(map[string]any{"execs": part})
}

func (s *sandbox) signal(stream *wire.Stream) {
	var request signalRequest
	if !parse(stream, &request) {
		return
	}
	if request.Signal < 1 || request.Signal > 64 {
		bad(stream, "signal must be a number from 1 to 64")
		return
	}
	c := s.find(stream, request.ID)
	if c == nil || !started(stream, c) {
		return
	}
	if c.isDone() {
		stream.Fail("not_found", "the command has ended", 0)
		return
	}
	c.signal(request.Signal)
	stream.End(struct{}{})
}

// started waits until the command runs; false when it never will, or nobody waits any longer.
func started(stream *wire.Stream, c *command) bool {
	select {
	case <-c.started:
	case <-stream.Canceled():
		stream.End(struct{}{})
		return false
	}
	if c.failed() != nil {
		stream.Fail("not_found", "the command could not be started", 0)
		return false
	}
	return true
}

func (s *sandbox) remove(stream *wire.Stream) {
	var request idRequest
	if !parse(stream, &request) {
		return
	}
	c := s.find(stream, request.ID)
	if c == nil || !started(stream, c) {
		return
	}
	if !c.isDone() {
		c.end()
		if !within(endLimit, c.done) {
			stream.Fail("io", "the command does not end", 0)
			return
		}
	}
	s.commands.forget(c)
	stream.End(struct{}{})
}

// shutdown ends the sandbox, also when the client does not wait for it.
func (s *sandbox) shutdown(stream *wire.Stream) {
	var request shutdownRequest
	if !parse(stream, &request) {
		return
	}
	grace := time.Duration(request.GraceMS) * time.Millisecond
	if request.GraceMS < 0 || request.GraceMS > longestGrace.Milliseconds() {
		bad(stream, "grace_ms is out of range")
		return
	}
	err := s.stop(grace)
	var refusal *wire.ErrorBody
	if errors.As(err, &refusal) {
		stream.FailWith(refusal)
		return
	}
	stream.End(struct{}{})
}
