package shim

import (
	"errors"
	"strings"
	"testing"
	"time"

	"agentkernel/guest/internal/wire"
)

// connect makes a client that the shim knows; it leaves with the test.
func (s *shim) connect(role string) *wire.Conn {
	s.t.Helper()
	var conn *wire.Conn
	// The places of those who have just left may not be free yet.
	eventually(s.t, "there is a place", func() bool {
		conn = wire.NewConn(s.dial(), wire.Hello{Role: role, Version: "0"}, nil)
		go func() { _ = conn.Run() }()
		_ = conn.Peer()
		_, err := conn.Ping(tooLong)
		return err == nil
	})
	s.t.Cleanup(conn.Close)
	return conn
}

func open(t testing.TB, conn *wire.Conn, payload map[string]any) *wire.Stream {
	t.Helper()
	s, err := conn.Open(payload)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func shell(id, script string, more ...map[string]any) map[string]any {
	payload := map[string]any{"op": "exec", "id": id, "argv": []string{"/bin/sh", "-c", script}, "env": []string{"PATH=/usr/bin:/bin"}, "cwd": "/"}
	for _, members := range more {
		for name, value := range members {
			payload[name] = value
		}
	}
	return payload
}

// seen is all that came on a stream.
type seen struct {
	stdout, stderr []byte
	events         []map[string]any
	result         map[string]any
	failure        *wire.ErrorBody
}

// next is Recv that gives up when nothing comes.
func next(t testing.TB, s *wire.Stream) (wire.Message, error) {
	t.Helper()
	timer := time.AfterFunc(tooLong, s.Conn().Close)
	defer timer.Stop()
	return s.Recv()
}

// drain takes everything up to the end.
func drain(t testing.TB, s *wire.Stream) seen {
	t.Helper()
	var all seen
	for {
		m, err := next(t, s)
		if err != nil {
			if !errors.As(err, &all.failure) {
				t.Fatalf("%v after %d and %d bytes", err, len(all.stdout), len(all.stderr))
			}
			return all
		}
		switch m.Kind {
		case wire.DataType:
			if m.Channel == wire.Err {
				all.stderr = append(all.stderr, m.Data...)
			} else {
				all.stdout = append(all.stdout, m.Data...)
			}
		case wire.EventType, wire.EndType:
			object := map[string]any{}
			if err := m.Decode(&object); err != nil {
				t.Fatal(err)
			}
			if m.Kind == wire.EndType {
				all.result = object
				return all
			}
			all.events = append(all.events, object)
		}
	}
}

// call is an operation of which only the result counts.
func call(t testing.TB, conn *wire.Conn, payload map[string]any) seen {
	t.Helper()
	return drain(t, open(t, conn, payload))
}

// awaitEvent reads up to an event.
func awaitEvent(t testing.TB, s *wire.Stream, name string) map[string]any {
	t.Helper()
	for {
		m, err := next(t, s)
		if err != nil {
			t.Fatalf("no event %s: %v", name, err)
		}
		object := map[string]any{}
		if m.Kind == wire.EventType && m.Decode(&object) == nil && object["event"] == name {
			return object
		}
		if m.Kind == wire.EndType {
			t.Fatalf("the end instead of event %s: %s", name, m.Data)
		}
	}
}

// awaitOutput reads stdout until it holds text.
func awaitOutput(t testing.TB, s *wire.Stream, text string) string {
	t.Helper()
	var all strings.Builder
	for !strings.Contains(all.String(), text) {
		m, err := next(t, s)
		if err != nil || m.Kind == wire.EndType {
			t.Fatalf("%q instead of %q, %v", all.String(), text, err)
		}
		if m.Kind == wire.DataType && m.Channel == wire.Out {
			all.Write(m.Data)
		}
	}
	return all.String()
}
