package egress

import (
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"agentkernel/guest/internal/wire"
)

// tooLong is when a test gives up.
const tooLong = 30 * time.Second

func pair(t *testing.T) (ours, theirs int) {
	t.Helper()
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM, 0)
	if err != nil {
		t.Fatal(err)
	}
	return fds[0], fds[1]
}

// gateway serves the other end.
func gateway(t *testing.T, fd int, serve func(*wire.Stream)) *wire.Conn {
	t.Helper()
	unix.CloseOnExec(fd)
	_ = unix.SetNonblock(fd, true)
	conn := wire.NewConn(os.NewFile(uintptr(fd), "gateway"), wire.Hello{Role: "gateway", Features: []string{"egress"}}, serve)
	go func() { _ = conn.Run() }()
	t.Cleanup(conn.Close)
	return conn
}

func TestWiresAreReadFromTheArguments(t *testing.T) {
	if w, err := readWires(nil); w != nil || err != nil {
		t.Errorf("none: %v, %v", w, err)
	}
	for _, arguments := range [][]string{{"5"}, {"5", "x"}, {"x", "6"}, {"5", "6", "7"}, {"", ""}} {
		if w, err := readWires(arguments); err == nil {
			t.Errorf("%q: %v", arguments, w)
		}
	}
}

func TestNothingThatWeStartGetsTheWires(t *testing.T) {
	a, b := pair(t)
	c, d := pair(t)
	w, err := readWires([]string{strconv.Itoa(a), strconv.Itoa(c)})
	if err != nil || w.egress != a || w.tun != c {
		t.Fatalf("%+v, %v", w, err)
	}
	for _, fd := range []int{b, d} {
		unix.CloseOnExec(fd)
		defer unix.Close(fd)
	}
	defer unix.Close(a)
	defer unix.Close(c)
	// Not by package os/exec, which closes more than a fork does.
	r, out, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	ls, err := exec.LookPath("ls")
	if err != nil {
		t.Fatal(err)
	}
	pid, err := syscall.ForkExec(ls, []string{"ls", "/proc/self/fd"}, &syscall.ProcAttr{Files: []uintptr{0, out.Fd(), 2}})
	if err != nil {
		t.Fatal(err)
	}
	_ = out.Close()
	var room [256]byte
	n, _ := r.Read(room[:])
	_, _ = syscall.Wait4(pid, nil, 0, nil)
	for _, fd := range []int{a, c} {
		if slices.Contains(strings.Fields(string(room[:n])), strconv.Itoa(fd)) {
			t.Errorf("descriptor %d is open: %q", fd, room[:n])
		}
	}
}

func TestWithoutADeviceCommandsAreToldOfTheProxy(t *testing.T) {
	n := &network{variables: proxyVariables(3128, 1080)}
	env := []string{"PATH=/bin", "HTTP_PROXY=http://host:1", "https_proxy=x", "HTTP_PROXY_OTHER=kept", "no_proxy", "all_proxy="}
	before := slices.Clone(env)
	got := n.Environment(env)
	if !slices.Equal(env, before) {
		t.Error("the caller's list changed")
	}
	want := []string{
		"PATH=/bin", "HTTP_PROXY_OTHER=kept",
		"HTTP_PROXY=http://127.0.0.1:3128", "http_proxy=http://127.0.0.1:3128",
		"HTTPS_PROXY=http://127.0.0.1:3128", "https_proxy=http://127.0.0.1:3128",
		"ALL_PROXY=socks5h://127.0.0.1:1080", "all_proxy=socks5h://127.0.0.1:1080",
		"NO_PROXY=localhost,127.0.0.1", "no_proxy=localhost,127.0.0.1",
	}
	if !slices.Equal(got, want) {
		t.Errorf("%q", got)
	}
}

func TestWithoutArgumentsThereIsNoNetwork(t *testing.T) {
	if n, err := Open(nil, ""); n != nil || err != nil {
		t.Errorf("%v, %v", n, err)
	}
	if n, err := Open([]string{"5"}, ""); n != nil || err == nil {
		t.Errorf("half of one: %v, %v", n, err)
	}
}

func TestTheEndWaitsForWhatTheGatewayHasNotTakenYet(t *testing.T) {
	ours, theirs := pair(t)
	took := make(chan int, 1)
	take := make(chan struct{})
	gateway(t, theirs, func(s *wire.Stream) {
		<-take
		total := 0
		for {
			m, err := s.Recv()
			if err != nil || m.Kind == wire.EOFType {
				break
			}
			total += len(m.Data)
		}
		took <- total
		s.End(struct{}{})
	})
	n, err := open(&wires{egress: ours, tun: -1}, "1")
	if err != nil {
		t.Fatal(err)
	}
	n.Serve()
	n.conn.Peer()
	begin := time.Now()
	n.Finish(tooLong)
	if waited := time.Since(begin); waited > tooLong/2 {
		t.Errorf("nothing was ever sent, and it waited %v", waited)
	}
	stream, err := n.conn.Open(map[string]any{"op": "tcp"})
	if err != nil {
		t.Fatal(err)
	}
	const size = 1 << 20
	go func() {
		_ = stream.Write(wire.In, make([]byte, size))
		stream.CloseChannel(wire.In)
	}()
	for !n.conn.Sending() {
		time.Sleep(time.Millisecond)
	}
	n.Finish(20 * time.Millisecond)
	if !n.conn.Sending() {
		t.Fatal("the gateway has taken it already")
	}
	close(take)
	n.Finish(tooLong)
	if n.conn.Sending() {
		t.Error("something is left")
	}
	if got := <-took; got != size {
		t.Errorf("%d bytes arrived", got)
	}
}

func TestTheEndDoesNotWaitForAGatewayThatNobodyAskedFor(t *testing.T) {
	ours, theirs := pair(t)
	defer unix.Close(theirs)
	n, err := open(&wires{egress: ours, tun: -1}, "1")
	if err != nil {
		t.Fatal(err)
	}
	defer n.conn.Close()
	// Our greeting is not even written: nobody serves yet.
	begin := time.Now()
	n.Finish(tooLong)
	if waited := time.Since(begin); waited > finishPause {
		t.Errorf("it waited %v", waited)
	}
	// A flow that waits for the greeting of the gateway.
	go func() { _, _ = n.conn.Open(map[string]any{"op": "udp"}) }()
	for !n.conn.Opened() {
		time.Sleep(time.Millisecond)
	}
	const limit = 20 * time.Millisecond
	begin = time.Now()
	n.Finish(limit)
	if waited := time.Since(begin); waited < limit {
		t.Errorf("a flow is about to be opened, and it waited only %v", waited)
	}
}
