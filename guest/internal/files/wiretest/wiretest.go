// Package wiretest asks operations over a real connection, for the tests of those who serve them.
package wiretest

import (
	"encoding/json"
	"errors"
	"os"
	"syscall"
	"testing"
	"time"

	"agentkernel/guest/internal/wire"
)

const tooLong = 60 * time.Second

// Serve connects a client with those operations.
func Serve(t testing.TB, operations map[string]func(*wire.Stream)) *wire.Conn {
	t.Helper()
	fds, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC|syscall.SOCK_NONBLOCK, 0)
	if err != nil {
		t.Fatal(err)
	}
	client := wire.NewConn(os.NewFile(uintptr(fds[0]), "client"), wire.Hello{Role: "client"}, nil)
	server := wire.NewConn(os.NewFile(uintptr(fds[1]), "server"), wire.Hello{Role: "agent"}, func(s *wire.Stream) {
		operations[s.Op()](s)
	})
	for _, conn := range []*wire.Conn{client, server} {
		go func() { _ = conn.Run() }()
		t.Cleanup(func() {
			conn.Close()
			<-conn.Done()
		})
	}
	return client
}

// Open begins an operation; members come in pairs of name and value.
func Open(t testing.TB, conn *wire.Conn, op string, members ...any) *wire.Stream {
	t.Helper()
	open := map[string]any{"op": op}
	for i := 0; i+1 < len(members); i += 2 {
		open[members[i].(string)] = members[i+1]
	}
	stream, err := conn.Open(open)
	if err != nil {
		t.Fatal(err)
	}
	return stream
}

// Answer is all that an operation said.
type Answer struct {
	Events []json.RawMessage
	Data   []byte
	End    map[string]any
	Err    error
}

// Finish reads a stream to its end.
func Finish(t testing.TB, stream *wire.Stream) Answer {
	t.Helper()
	timer := time.AfterFunc(tooLong, func() {
		t.Error("still waiting")
		stream.Drop()
	})
	defer timer.Stop()
	var a Answer
	for {
		message, err := stream.Recv()
		if err != nil {
			a.Err = err
			return a
		}
		switch message.Kind {
		case wire.EventType:
			a.Events = append(a.Events, append([]byte(nil), message.Data...))
		case wire.DataType:
			a.Data = append(a.Data, message.Data...)
		case wire.EndType:
			if err := message.Decode(&a.End); err != nil {
				t.Error(err)
			}
			return a
		}
	}
}

// Ask runs an operation that takes no content.
func Ask(t testing.TB, conn *wire.Conn, op string, members ...any) Answer {
	t.Helper()
	return Finish(t, Open(t, conn, op, members...))
}

// Must runs an operation that succeeds.
func Must(t testing.TB, conn *wire.Conn, op string, members ...any) Answer {
	t.Helper()
	a := Ask(t, conn, op, members...)
	if a.Err != nil {
		t.Fatalf("%s %v: %v", op, members, a.Err)
	}
	return a
}

// Send runs an operation with content.
func Send(t testing.TB, conn *wire.Conn, content []byte, op string, members ...any) Answer {
	t.Helper()
	stream := Open(t, conn, op, members...)
	// It fails when the other side has had enough, which the answer tells.
	_ = stream.Write(wire.In, content)
	stream.CloseChannel(wire.In)
	return Finish(t, stream)
}

// Code is the code of the protocol's error; empty for none.
func (a Answer) Code() string {
	var body *wire.ErrorBody
	if errors.As(a.Err, &body) {
		return body.Code
	}
	if a.Err != nil {
		return a.Err.Error()
	}
	return ""
}
