package pidone

import (
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"agentkernel/guest/internal/wire"
)

// hostSide starts process 1 with published ports; the connection is the host's.
func hostSide(t *testing.T, script string) *wire.Conn {
	t.Helper()
	control, orders := pipe(t)
	_, status := pipe(t)
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	theirs := os.NewFile(uintptr(pair[1]), "theirs")
	init := startInit(t, Spec{Argv: []string{"/bin/sh", "-c", script}, Env: []string{"PATH=/usr/bin:/bin"}, Cwd: "/", Ports: true}, control, status, theirs)
	_ = theirs.Close()
	if err := unix.SetNonblock(pair[0], true); err != nil {
		t.Fatal(err)
	}
	conn := wire.NewConn(os.NewFile(uintptr(pair[0]), "ours"), wire.Hello{Role: "client"}, nil)
	go func() { _ = conn.Run() }()
	t.Cleanup(func() {
		conn.Close()
		_ = init.Process.Kill()
		_ = init.Wait()
		_ = orders.Close()
	})
	return conn
}

func TestServersAreReachedAndNothingElseIsServed(t *testing.T) {
	listener, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	go func() {
		server, err := listener.Accept()
		if err != nil {
			return
		}
		_, _ = io.Copy(server, server)
		_ = server.Close()
	}()
	conn := hostSide(t, "exec sleep 60")
	if peer := conn.Peer(); peer.Role != "agent" || strings.Join(peer.Features, " ") != "connect" {
		t.Errorf("it greets as %+v", peer)
	}
	stream, err := conn.Open(map[string]any{"op": "connect", "port": listener.Addr().(*net.TCPAddr).Port})
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		_ = stream.Write(wire.In, []byte("hello"))
		stream.CloseChannel(wire.In)
	}()
	heard := ""
	for {
		message, err := stream.Recv()
		if err != nil {
			break
		}
		if message.Kind == wire.DataType {
			heard += string(message.Data)
		}
	}
	if heard != "hello" {
		t.Errorf("heard %q", heard)
	}
	for _, op := range []string{"exec", "read", "shutdown", "tcp"} {
		stream, err := conn.Open(map[string]any{"op": op, "path": "/etc/passwd", "argv": []string{"true"}, "id": "a"})
		if err != nil {
			t.Fatal(err)
		}
		if message, err := stream.Recv(); err == nil && message.Kind != wire.ErrorType {
			t.Errorf("%s is served: %+v", op, message)
		}
	}
}

func TestTheCommandDoesNotGetTheConnection(t *testing.T) {
	out := filepath.Join(t.TempDir(), "fds")
	conn := hostSide(t, "ls -l /proc/$$/fd > "+out+".new; mv "+out+".new "+out+"; exec sleep 60")
	conn.Peer()
	for {
		text, err := os.ReadFile(out)
		if err != nil {
			continue
		}
		if strings.Contains(string(text), "socket:") {
			t.Errorf("the command holds a socket:\n%s", text)
		}
		return
	}
}
