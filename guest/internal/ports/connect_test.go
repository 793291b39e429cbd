package ports

import (
	"bytes"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"agentkernel/guest/internal/files/inside"
	"agentkernel/guest/internal/files/wiretest"
	"agentkernel/guest/internal/wire"
)

func serve(t *testing.T, root string) *wire.Conn {
	t.Helper()
	return wiretest.Serve(t, map[string]func(*wire.Stream){"connect": Below(inside.At(root))})
}

// server accepts connections and answers each until the test is over.
func server(t *testing.T, network, address string, answer func(net.Conn)) net.Listener {
	t.Helper()
	listener, err := net.Listen(network, address)
	if err != nil {
		if network == "tcp6" {
			t.Skip("no IPv6 here: ", err)
		}
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go answer(conn)
		}
	}()
	return listener
}

func echo(conn net.Conn) {
	defer conn.Close()
	_, _ = io.Copy(conn, conn)
}

func port(listener net.Listener) int { return listener.Addr().(*net.TCPAddr).Port }

func connected(t *testing.T, conn *wire.Conn, members ...any) *wire.Stream {
	t.Helper()
	stream := wiretest.Open(t, conn, "connect", members...)
	message, err := stream.Recv()
	if err != nil || string(message.Data) != `{"event":"connected"}` {
		t.Fatal(string(message.Data), err)
	}
	return stream
}

func TestBytesGoBothWaysAndEachWayEndsByItself(t *testing.T) {
	content := bytes.Repeat([]byte("0123456789abcdef"), 1<<16)
	root := t.TempDir()
	deep := filepath.Join(root, strings.Repeat("a-long-name/", 12))
	if err := os.MkdirAll(deep, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Chdir(deep); err != nil {
		t.Fatal(err)
	}
	server(t, "unix", "socket", echo)
	if err := os.Symlink("/"+strings.Repeat("a-long-name/", 12)+"socket", filepath.Join(root, "link")); err != nil {
		t.Fatal(err)
	}
	if err := os.Chdir("/"); err != nil {
		t.Fatal(err)
	}
	conn := serve(t, root)
	for _, members := range [][]any{
		{"port", port(server(t, "tcp4", "127.0.0.1:0", echo))},
		{"path", "/" + strings.Repeat("a-long-name/", 12) + "socket"},
		{"path", "/link"},
	} {
		stream := connected(t, conn, members...)
		go func() {
			_ = stream.Write(wire.In, content)
			stream.CloseChannel(wire.In)
		}()
		// The server closes only after our end of file.
		if a := wiretest.Finish(t, stream); a.Err != nil || !bytes.Equal(a.Data, content) {
			t.Errorf("%v: %d bytes, %v", members, len(a.Data), a.Err)
		}
	}
}

func TestTheOtherLoopbackAddressIsTriedToo(t *testing.T) {
	listener := server(t, "tcp6", "[::1]:0", echo)
	stream := connected(t, serve(t, t.TempDir()), "port", port(listener))
	stream.CloseChannel(wire.In)
	if a := wiretest.Finish(t, stream); a.Err != nil {
		t.Error(a.Err)
	}
}

func TestAServerThatSaysByeFirstIsStillTold(t *testing.T) {
	heard := make(chan string, 1)
	listener := server(t, "tcp4", "127.0.0.1:0", func(conn net.Conn) {
		defer conn.Close()
		_, _ = conn.Write([]byte("bye"))
		_ = conn.(*net.TCPConn).CloseWrite()
		all, _ := io.ReadAll(conn)
		heard <- string(all)
	})
	stream := connected(t, serve(t, t.TempDir()), "port", port(listener))
	for {
		message, err := stream.Recv()
		if err != nil {
			t.Fatal(err)
		}
		if message.Kind == wire.EOFType {
			break
		}
	}
	if err := stream.Write(wire.In, []byte("still here")); err != nil {
		t.Fatal(err)
	}
	stream.CloseChannel(wire.In)
	if a := wiretest.Finish(t, stream); a.Err != nil {
		t.Error(a.Err)
	}
	if got := <-heard; got != "still here" {
		t.Errorf("%q", got)
	}
}

func TestWhereNobodyListensTheConnectionIsRefused(t *testing.T) {
	root := t.TempDir()
	listener, err := net.ListenUnix("unix", &net.UnixAddr{Name: filepath.Join(root, "dead")})
	if err != nil {
		t.Fatal(err)
	}
	listener.SetUnlinkOnClose(false)
	_ = listener.Close()
	if err := os.WriteFile(filepath.Join(root, "file"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	free, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_ = free.Close()
	conn := serve(t, root)
	for _, c := range []struct {
		code    string
		members []any
	}{
		{"refused", []any{"port", port(free)}}, {"refused", []any{"path", "/dead"}}, {"refused", []any{"path", "/file"}},
		{"not_found", []any{"path", "/none"}}, {"path_forbidden", []any{"path", "/proc/net"}}, {"invalid", []any{"path", "dead"}},
		{"invalid", []any{"port", 0}}, {"invalid", []any{"port", 65536}}, {"invalid", []any{"port", "80"}}, {"invalid", nil},
		{"invalid", []any{"port", 80, "path", "/x"}},
	} {
		got := wiretest.Ask(t, conn, "connect", c.members...).Code()
		if c.code == "path_forbidden" {
			got = wiretest.Ask(t, serve(t, "/"), "connect", c.members...).Code()
		}
		if got != c.code {
			t.Errorf("%v: %q, want %q", c.members, got, c.code)
		}
	}
}

func TestAConnectionThatIsCanceledIsClosed(t *testing.T) {
	closed := make(chan struct{})
	listener := server(t, "tcp4", "127.0.0.1:0", func(conn net.Conn) {
		_, _ = io.Copy(io.Discard, conn)
		close(closed)
	})
	stream := connected(t, serve(t, t.TempDir()), "port", port(listener))
	stream.Cancel()
	if a := wiretest.Finish(t, stream); a.Code() != "io" {
		t.Error(a.Err)
	}
	<-closed
}

func TestABrokenConnectionEndsTheStreamAlthoughTheCallerWaits(t *testing.T) {
	listener := server(t, "tcp4", "127.0.0.1:0", func(conn net.Conn) {
		_, _ = conn.Read(make([]byte, 1))
		_ = conn.(*net.TCPConn).SetLinger(0)
		_ = conn.Close()
	})
	stream := connected(t, serve(t, t.TempDir()), "port", port(listener))
	if err := stream.Write(wire.In, []byte("x")); err != nil {
		t.Fatal(err)
	}
	if a := wiretest.Finish(t, stream); a.Code() != "io" {
		t.Error(a.Err)
	}
}
