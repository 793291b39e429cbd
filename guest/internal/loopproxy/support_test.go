package loopproxy

import (
	"encoding/json"
	"io"
	"net"
	"os"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"

	"agentkernel/guest/internal/flow"
	"agentkernel/guest/internal/wire"
)

const tooLong = 20 * time.Second

// place is a pair of proxies, and the connection of which the test plays the host.
type place struct {
	t           testing.TB
	http, socks string
	agent, host *wire.Conn

	mu    sync.Mutex
	asked []flow.Request
}

func begin(t testing.TB, options Options, serve func(*wire.Stream, flow.Request)) *place {
	t.Helper()
	fds, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC|syscall.SOCK_NONBLOCK, 0)
	if err != nil {
		t.Fatal(err)
	}
	p := &place{t: t}
	p.agent = wire.NewConn(os.NewFile(uintptr(fds[0]), "agent"), wire.Hello{Role: "agent"}, nil)
	p.host = wire.NewConn(os.NewFile(uintptr(fds[1]), "host"), wire.Hello{Role: "gateway"}, func(s *wire.Stream) {
		var asked flow.Request
		if err := json.Unmarshal(s.Payload(), &asked); err != nil {
			t.Error(err)
		}
		p.mu.Lock()
		p.asked = append(p.asked, asked)
		p.mu.Unlock()
		serve(s, asked)
	})
	for _, conn := range []*wire.Conn{p.agent, p.host} {
		conn.AllowStreams(4096)
		go func() { _ = conn.Run() }()
		t.Cleanup(conn.Close)
	}
	httpPort, socksPort, err := Listen(p.agent, options)
	if err != nil {
		t.Fatal(err)
	}
	p.http, p.socks = "127.0.0.1:"+strconv.Itoa(httpPort), "127.0.0.1:"+strconv.Itoa(socksPort)
	return p
}

func (p *place) requests() []flow.Request {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.asked
}

// say sends bytes to a proxy and reads all that it answers.
func (p *place) say(address, text string) string {
	p.t.Helper()
	conn := p.dial(address)
	if _, err := io.WriteString(conn, text); err != nil {
		p.t.Fatal(err)
	}
	answer, _ := io.ReadAll(conn)
	return string(answer)
}

func (p *place) dial(address string) *net.TCPConn {
	p.t.Helper()
	conn, err := net.Dial("tcp", address)
	if err != nil {
		p.t.Fatal(err)
	}
	p.t.Cleanup(func() { _ = conn.Close() })
	_ = conn.SetDeadline(time.Now().Add(tooLong))
	return conn.(*net.TCPConn)
}

func connected(s *wire.Stream) { _ = s.Event(map[string]any{"event": "connected"}) }

// echo sends back what comes.
func echo(s *wire.Stream, _ flow.Request) {
	connected(s)
	for {
		m, err := s.Recv()
		if err != nil || m.Kind == wire.EOFType {
			break
		}
		if m.Kind == wire.DataType && s.Write(wire.Out, m.Data) != nil {
			break
		}
	}
	s.CloseChannel(wire.Out)
	s.End(struct{}{})
}

// reaching passes each stream to a real server.
func reaching(server string) func(*wire.Stream, flow.Request) {
	return func(s *wire.Stream, _ flow.Request) {
		conn, err := net.Dial("tcp", server)
		if err != nil {
			s.Fail("refused", err.Error(), 0)
			return
		}
		defer conn.Close()
		connected(s)
		go func() {
			buf := make([]byte, 32<<10)
			for {
				n, err := conn.Read(buf)
				if n > 0 && s.Write(wire.Out, buf[:n]) != nil {
					return
				}
				if err != nil {
					s.CloseChannel(wire.Out)
					s.End(struct{}{})
					return
				}
			}
		}()
		for {
			m, err := s.Recv()
			if err != nil {
				return
			}
			switch m.Kind {
			case wire.DataType:
				_, _ = conn.Write(m.Data)
			case wire.EOFType:
				_ = conn.(*net.TCPConn).CloseWrite()
			}
		}
	}
}
