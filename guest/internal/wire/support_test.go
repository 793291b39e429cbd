package wire

import (
	"errors"
	"io"
	"os"
	"sync"
	"syscall"
	"testing"
	"time"
)

// tooLong is when a test gives up; nothing in it waits for time to pass.
const tooLong = 30 * time.Second

// socketPair is two connected sockets, closed when the test is over.
func socketPair(t testing.TB) (*os.File, *os.File) {
	t.Helper()
	fds, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC|syscall.SOCK_NONBLOCK, 0)
	if err != nil {
		t.Fatal(err)
	}
	a, b := os.NewFile(uintptr(fds[0]), "a"), os.NewFile(uintptr(fds[1]), "b")
	t.Cleanup(func() { _, _ = a.Close(), b.Close() })
	return a, b
}

// running is a connection and how Run ended.
type running struct {
	*Conn
	ended chan error
}

func run(t testing.TB, conn *Conn) *running {
	t.Helper()
	r := &running{conn, make(chan error, 1)}
	go func() { r.ended <- conn.Run() }()
	t.Cleanup(func() {
		conn.Close()
		receive(t, conn.done, "the end of a connection")
	})
	return r
}

// pair is a client and a server with that handler.
func pair(t testing.TB, handler func(*Stream)) (client, server *running) {
	t.Helper()
	a, b := socketPair(t)
	return run(t, NewConn(a, Hello{Role: "shim"}, nil)), run(t, NewConn(b, Hello{Role: "agent"}, handler))
}

func receive[T any](t testing.TB, from <-chan T, what string) T {
	t.Helper()
	select {
	case value := <-from:
		return value
	case <-time.After(tooLong):
		t.Fatalf("still waiting for %s", what)
	}
	panic("unreachable")
}

func open(t testing.TB, c *running, op string) *Stream {
	t.Helper()
	s, err := c.Open(map[string]any{"op": op})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// drain reads a stream to its end and returns how much came on each channel, and the error.
func drain(s *Stream) (counts [3]int, end []byte, err error) {
	for {
		m, err := s.Recv()
		if err != nil {
			return counts, nil, err
		}
		switch m.Kind {
		case DataType:
			counts[m.Channel] += len(m.Data)
		case EndType:
			return counts, append([]byte(nil), m.Data...), nil
		}
	}
}

// rawPeer speaks frames by hand.
type rawPeer struct {
	t testing.TB
	*os.File
}

func (p rawPeer) send(stream uint32, kind Type, payload string) {
	p.t.Helper()
	if _, err := p.Write(AppendFrame(nil, stream, kind, []byte(payload))); err != nil {
		p.t.Fatal(err)
	}
}

// next reads one frame; io.EOF when the other side has closed.
func (p rawPeer) next() (Header, []byte, error) {
	if err := p.SetReadDeadline(time.Now().Add(tooLong)); err != nil {
		return Header{}, nil, err
	}
	var raw [HeaderBytes]byte
	if _, err := io.ReadFull(p, raw[:]); err != nil {
		return Header{}, nil, err
	}
	h, err := ParseHeader(&raw)
	if err != nil {
		return h, nil, err
	}
	payload := make([]byte, h.Length)
	_, err = io.ReadFull(p, payload)
	return h, payload, err
}

// until reads frames up to one of a type.
func (p rawPeer) until(kind Type) (Header, []byte) {
	p.t.Helper()
	for {
		h, payload, err := p.next()
		if err != nil {
			p.t.Fatalf("waiting for type %d: %v", kind, err)
		}
		if h.Type == kind {
			return h, payload
		}
	}
}

const someHello = `{"protocol":1,"role":"client","version":"1","features":["exec"]}`

// rawServer is a connection with a handler, and the peer's end of its socket.
func rawServer(t testing.TB, handler func(*Stream)) (*running, rawPeer) {
	t.Helper()
	a, b := socketPair(t)
	peer := rawPeer{t, b}
	server := run(t, NewConn(a, Hello{Role: "agent"}, handler))
	peer.send(0, HelloType, someHello)
	return server, peer
}

func reasonOf(err error) string {
	var rule *ProtocolError
	if errors.As(err, &rule) {
		return rule.Reason
	}
	return ""
}

// gate lets goroutines wait until the test says go on.
type gate struct {
	once sync.Once
	open chan struct{}
}

func newGate(t testing.TB) *gate {
	g := &gate{open: make(chan struct{})}
	t.Cleanup(g.pass)
	return g
}

func (g *gate) pass() { g.once.Do(func() { close(g.open) }) }
func (g *gate) wait() { <-g.open }
