package netstack

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"agentkernel/guest/internal/wire"
)

// asAgent makes this program a process that does nothing but Serve, so that what it costs can be measured.
const asAgent = "NETSTACK_TEST_AS_AGENT"

func serveAsAgent() {
	conn := wire.NewConn(os.NewFile(4, "egress"), wire.Hello{Role: "agent", Features: []string{"egress"}}, nil)
	conn.AllowStreams(4096)
	go func() { _ = conn.Run() }()
	if err := Serve(3, conn, Options{}); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(0)
}

// agentProcess is a process that serves a place of which the test plays the host.
type agentProcess struct {
	t   testing.TB
	pid int
}

func beginProcess(t testing.TB, serve func(*wire.Stream, opened)) *agentProcess {
	t.Helper()
	device := makeDevice(t)
	fds, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	_ = syscall.SetNonblock(fds[1], true)
	tunFile, socket := os.NewFile(uintptr(device), "tun"), os.NewFile(uintptr(fds[0]), "agent")
	command := exec.Command("/proc/self/exe")
	command.Env = append(os.Environ(), asAgent+"=1")
	command.ExtraFiles = []*os.File{tunFile, socket}
	command.Stderr = os.Stderr
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	_, _ = tunFile.Close(), socket.Close()
	host := wire.NewConn(os.NewFile(uintptr(fds[1]), "host"), wire.Hello{Role: "gateway"}, func(s *wire.Stream) { serve(s, opened{}) })
	host.AllowStreams(4096)
	go func() { _ = host.Run() }()
	t.Cleanup(func() {
		_ = command.Process.Kill()
		_ = command.Wait()
		host.Close()
	})
	<-host.Ready()
	return &agentProcess{t, command.Process.Pid}
}

// status is a number of /proc/PID/status.
func (a *agentProcess) status(name string) int {
	a.t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", a.pid))
	if err != nil {
		a.t.Fatal(err)
	}
	for _, line := range strings.Split(string(text), "\n") {
		if rest, ok := strings.CutPrefix(line, name+":"); ok {
			n, err := strconv.Atoi(strings.Fields(rest)[0])
			if err != nil {
				a.t.Fatal(err)
			}
			return n
		}
	}
	a.t.Fatalf("no %s", name)
	return 0
}

func exchange(t testing.TB, conn net.Conn, size int) {
	t.Helper()
	text := make([]byte, size)
	if _, err := conn.Write(text); err != nil {
		t.Fatal(err)
	}
	for size > 0 {
		n, err := conn.Read(text)
		if err != nil {
			t.Fatal(err)
		}
		size -= n
	}
}

func TestWhatTheStackCostsInMemory(t *testing.T) {
	p := beginProcess(t, echo)
	t.Logf("unused: %d KiB resident", p.status("VmRSS"))
	first := dial(t, "198.18.1.7:80")
	exchange(t, first, 1000)
	used := p.status("VmRSS")
	t.Logf("one connection: %d KiB", used)
	if used > 20<<10 {
		t.Errorf("one connection takes %d KiB", used)
	}
	conns := make([]*net.TCPConn, 1000)
	for i := range conns {
		conns[i] = dial(t, "198.18.1."+strconv.Itoa(1+i%200)+":80")
		exchange(t, conns[i], 1000)
	}
	many := p.status("VmRSS")
	t.Logf("1,000 idle connections: %d KiB more, %d threads", many-used, p.status("Threads"))
	if each := (many - used) / len(conns); each > 48 {
		t.Errorf("an idle connection takes %d KiB", each)
	}
	for _, conn := range append(conns, first) {
		_ = conn.Close()
	}
	// Go's heap has holes: not all of it can be given back.
	await(t, "memory to be given back", func() bool { return p.status("VmRSS") < (used+many)/2 })
	t.Logf("after them: %d KiB", p.status("VmRSS"))
}

func TestThousandsOfShortConnectionsLeaveNothingBehind(t *testing.T) {
	p := beginProcess(t, echo)
	round := func() int {
		for i := range 2000 {
			conn := dial(t, "198.18.1."+strconv.Itoa(1+i%200)+":80")
			exchange(t, conn, 2000)
			_ = conn.Close()
		}
		time.Sleep(timeWait)
		return p.status("VmRSS")
	}
	// What the first rounds take stays for the next.
	_, before := round(), round()
	after := round()
	t.Logf("%d KiB, then %d KiB", before, after)
	if after > before+4<<10 {
		t.Errorf("%d KiB more after 2,000 connections", after-before)
	}
}
