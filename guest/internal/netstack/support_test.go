package netstack

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"agentkernel/guest/internal/tun"
	"agentkernel/guest/internal/wire"
)

// tooLong is when a test gives up.
const tooLong = 30 * time.Second

const inNamespace = "NETSTACK_TEST_IN_NAMESPACE"

// TestMain runs the tests in a network namespace of their own: they make a TUN device and talk through it with ordinary sockets.
func TestMain(m *testing.M) {
	if os.Getenv(asAgent) != "" {
		serveAsAgent()
	}
	if os.Getenv(inNamespace) != "" || os.Geteuid() != 0 {
		os.Exit(m.Run())
	}
	again := exec.Command("/proc/self/exe", os.Args[1:]...)
	again.Env = append(os.Environ(), inNamespace+"=1")
	again.Stdin, again.Stdout, again.Stderr = os.Stdin, os.Stdout, os.Stderr
	again.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET, Pdeathsig: syscall.SIGKILL}
	runtime.LockOSThread()
	err := again.Run()
	if again.ProcessState == nil {
		fmt.Fprintln(os.Stderr, "a network namespace for the tests:", err)
		os.Exit(m.Run())
	}
	os.Exit(again.ProcessState.ExitCode())
}

// opened is what the sandbox's side asked for.
type opened struct {
	Op   string `json:"op"`
	Dst  string `json:"dst"`
	Port int    `json:"port"`
	Via  string `json:"via"`
}

// place is a sandbox's network: a TUN device that is served, and the connection of which the test plays the host.
type place struct {
	agent, host *wire.Conn
	// streams are how many the host was asked for.
	streams atomic.Int64
	// fd is another descriptor of the device.
	device int
}

func makeDevice(t testing.TB) int {
	t.Helper()
	if os.Getenv(inNamespace) == "" {
		t.Skip("needs root, for a network namespace and /dev/net/tun")
	}
	fd, err := tun.Create()
	if err != nil {
		t.Skipf("no TUN device here: %v", err)
	}
	// The kernel makes the route to an IPv6 address a moment later; in a sandbox that is long over when a program starts.
	await(t, "the IPv6 address", func() bool {
		routes, err := os.ReadFile("/proc/net/ipv6_route")
		return err != nil || bytes.Contains(routes, []byte("fd616b00000000000000000000000002 80"))
	})
	return fd
}

// begin makes a place where serve plays the host for each stream.
func begin(t testing.TB, options Options, serve func(*wire.Stream, opened)) *place {
	t.Helper()
	device := makeDevice(t)
	second, err := unix.Dup(device)
	if err != nil {
		t.Fatal(err)
	}
	fds, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC|syscall.SOCK_NONBLOCK, 0)
	if err != nil {
		t.Fatal(err)
	}
	p := &place{device: second}
	p.agent = wire.NewConn(os.NewFile(uintptr(fds[0]), "agent"), wire.Hello{Role: "agent", Features: []string{"egress"}}, nil)
	p.host = wire.NewConn(os.NewFile(uintptr(fds[1]), "host"), wire.Hello{Role: "gateway"}, func(s *wire.Stream) {
		p.streams.Add(1)
		var asked opened
		if err := json.Unmarshal(s.Payload(), &asked); err != nil {
			s.Fail("invalid", err.Error(), 0)
			return
		}
		serve(s, asked)
	})
	for _, conn := range []*wire.Conn{p.agent, p.host} {
		conn.AllowStreams(4096)
		go func() { _ = conn.Run() }()
	}
	link, err := openLink(device)
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- serveLink(link, p.agent, options) }()
	t.Cleanup(func() {
		p.agent.Close()
		p.host.Close()
		link.close()
		_ = unix.Close(second)
		select {
		case err := <-served:
			if err != nil {
				t.Errorf("Serve: %v", err)
			}
		case <-time.After(tooLong):
			t.Error("Serve did not end with the device")
		}
	})
	return p
}

func connected(s *wire.Stream) { _ = s.Event(map[string]any{"event": "connected"}) }

// echo sends back what comes, and ends when that ends.
func echo(s *wire.Stream, _ opened) {
	connected(s)
	for {
		m, err := s.Recv()
		if err != nil {
			s.End(struct{}{})
			return
		}
		switch m.Kind {
		case wire.DataType:
			if s.Write(wire.Out, m.Data) != nil {
				s.End(struct{}{})
				return
			}
		case wire.EOFType:
			s.CloseChannel(wire.Out)
			s.End(struct{}{})
			return
		}
	}
}

// await waits until something is so.
func await(t testing.TB, what string, is func() bool) {
	t.Helper()
	for begin := time.Now(); !is(); time.Sleep(5 * time.Millisecond) {
		if time.Since(begin) > tooLong {
			t.Fatalf("still waiting: %s", what)
		}
	}
}
