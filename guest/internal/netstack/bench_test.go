package netstack

import (
	"io"
	"net"
	"testing"

	"agentkernel/guest/internal/wire"
)

// Throughput of one connection from a socket in the namespace to the host's end of the socket pair, and back. Client, kernel, stack and
// host are all on this machine's processors.

func BenchmarkUp(b *testing.B) {
	done := make(chan struct{})
	begin(b, Options{}, func(s *wire.Stream, _ opened) {
		connected(s)
		for {
			if m, err := s.Recv(); err != nil || m.Kind == wire.EOFType {
				break
			}
		}
		close(done)
		s.CloseChannel(wire.Out)
		s.End(struct{}{})
	})
	conn := dial(b, "198.18.1.7:80")
	piece := make([]byte, 1<<20)
	b.SetBytes(int64(len(piece)))
	b.ResetTimer()
	for range b.N {
		if _, err := conn.Write(piece); err != nil {
			b.Fatal(err)
		}
	}
	_ = conn.CloseWrite()
	<-done
}

func BenchmarkDown(b *testing.B) {
	const piece = 1 << 20
	begin(b, Options{}, func(s *wire.Stream, _ opened) {
		connected(s)
		content := make([]byte, piece)
		for range b.N {
			if s.Write(wire.Out, content) != nil {
				break
			}
		}
		s.CloseChannel(wire.Out)
		for {
			if m, err := s.Recv(); err != nil || m.Kind == wire.EOFType {
				break
			}
		}
		s.End(struct{}{})
	})
	conn := dial(b, "198.18.1.7:80")
	b.SetBytes(piece)
	b.ResetTimer()
	_ = conn.CloseWrite()
	if n, err := io.CopyBuffer(struct{ io.Writer }{io.Discard}, struct{ io.Reader }{conn}, make([]byte, 256<<10)); err != nil || n != int64(b.N)*piece {
		b.Fatal(n, err)
	}
}

func BenchmarkRoundTrip(b *testing.B) {
	begin(b, Options{}, echo)
	conn := dial(b, "198.18.1.7:80")
	one := make([]byte, 1)
	b.ResetTimer()
	for range b.N {
		_, _ = conn.Write(one)
		if _, err := conn.Read(one); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkConnect(b *testing.B) {
	begin(b, Options{}, echo)
	for range b.N {
		conn, err := net.Dial("tcp", "198.18.1.7:80")
		if err != nil {
			b.Fatal(err)
		}
		_ = conn.(*net.TCPConn).SetLinger(0)
		_ = conn.Close()
	}
}

func BenchmarkLookup(b *testing.B) {
	begin(b, Options{}, echo)
	for range b.N {
		conn := dialUDP(b, "198.18.0.1:53")
		_, _ = conn.Write(make([]byte, 30))
		if _, err := conn.Read(make([]byte, 100)); err != nil {
			b.Fatal(err)
		}
		_ = conn.Close()
	}
}
