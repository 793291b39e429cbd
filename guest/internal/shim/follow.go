package shim

import (
	"io"
	"sync"

	"agentkernel/guest/internal/outlog"
	"agentkernel/guest/internal/wire"
)

// follower is one client's view of a command: what is in the logs from the client's offsets on, then what comes.
type follower struct {
	stream  *wire.Stream
	command *command
	// offsets are where stdout and stderr begin.
	stdout, stderr int64
	// stdin lets what the client sends reach the command.
	stdin bool
	// snapshot ends with what is there now.
	snapshot bool
	// endsIt makes a CANCEL the end of the command.
	endsIt bool
}

// run serves the client until the command has ended and everything was sent, or the client has gone.
func (f *follower) run() {
	c, s := f.command, f.stream
	// The opener's events must find the process; until it is there they wait in the stream.
	select {
	case <-c.started:
	case <-s.Canceled():
		f.canceled()
		return
	}
	if failure := c.failed(); failure != nil {
		s.FailWith(failure)
		return
	}
	if !c.hold() {
		s.Fail("not_found", "the command was removed", 0)
		return
	}
	defer c.letGo()
	s.OnEvent(c.fromClient)
	go f.takeInput()
	_ = s.Event(map[string]any{"event": "started", "pid": c.process()})
	f.copyLogs()
	if f.snapshot {
		s.End(f.now())
		return
	}
	select {
	case <-c.done:
		s.End(c.outcome())
	case <-s.Canceled():
		f.canceled()
	}
}

// canceled ends the stream of a client that wants no more, and the command where it goes with that. A client that was lost has
// nothing to be told, and ends nothing.
func (f *follower) canceled() {
	if !f.stream.WasCanceled() {
		return
	}
	if f.endsIt {
		f.command.end()
		<-f.command.done
	}
	if failure := f.command.failed(); failure != nil {
		f.stream.FailWith(failure)
		return
	}
	f.stream.End(f.now())
}

// now is how things stand.
func (f *follower) now() any {
	if f.command.isDone() {
		return f.command.outcome()
	}
	return map[string]any{"running": true}
}

func (f *follower) copyLogs() {
	var both sync.WaitGroup
	both.Add(1)
	go func() {
		defer both.Done()
		f.copyLog(wire.Err, f.command.stderr, f.stderr)
	}()
	f.copyLog(wire.Out, f.command.stdout, f.stdout)
	both.Wait()
}

// copyLog sends a channel from an offset on. Who has no credit waits here and keeps nobody else waiting.
func (f *follower) copyLog(channel byte, log *outlog.Log, offset int64) {
	r := log.NewReader(offset)
	defer r.Close()
	_, last := log.Range()
	expected := int64(0)
	for {
		if !f.snapshot {
			// Without a buffer: most of the time there is nothing to come.
			if _, _, err := r.Next(f.stream.Canceled(), nil); err == outlog.ErrStopped {
				return
			}
		}
		buffer := wire.NewBuf()
		n, at, err := r.Now(buffer.Bytes())
		if err != nil {
			buffer.Free()
			if err == io.EOF {
				f.stream.CloseChannel(channel)
			}
			return
		}
		if f.snapshot {
			// More may come as fast as it is sent.
			n = int(max(0, min(int64(n), last-at)))
		}
		if n == 0 {
			buffer.Free()
			return
		}
		if at != expected {
			if err := f.stream.Event(map[string]any{"event": "offset", "channel": channel, "offset": at}); err != nil {
				buffer.Free()
				return
			}
		}
		if f.stream.WriteBuf(channel, buffer, n) != nil {
			return
		}
		expected = at + int64(n)
	}
}

// takeInput passes what the client sends on to the command, and gives credit back as the command takes it.
func (f *follower) takeInput() {
	c := f.command
	for {
		m, err := f.stream.Recv()
		if err != nil {
			return
		}
		if !f.stdin {
			continue
		}
		select {
		case c.stdin <- struct{}{}:
		case <-f.stream.Canceled():
			return
		case <-c.done:
			continue
		}
		switch m.Kind {
		case wire.DataType:
			_ = c.stream.Write(wire.In, m.Data)
		case wire.EOFType:
			c.stream.CloseChannel(wire.In)
		}
		<-c.stdin
	}
}
