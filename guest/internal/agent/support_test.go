package agent

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"agentkernel/guest/internal/wire"
)

// tooLong is when a test gives up; nothing in it waits for time to pass.
const tooLong = 60 * time.Second

func init() { runtime.LockOSThread() }

// builtProgram is the helper as it is shipped, built before anything else starts: later our own reaper takes every child.
var builtProgram string

func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == StageMode {
		os.Exit(StageMain(os.Args[2:]))
	}
	if len(os.Args) > 1 && os.Args[1] == containMode {
		contain()
	}
	if attack := os.Getenv("AGENT_TEST_ATTACK"); attack != "" {
		os.Exit(attacks[attack]())
	}
	folder, err := os.MkdirTemp("", "agent-test")
	if err != nil {
		panic(err)
	}
	builtProgram = filepath.Join(folder, "agentkernel-guest")
	build := exec.Command("go", "build", "-trimpath", "-buildvcs=false", "-ldflags", "-s -w", "-o", builtProgram, "agentkernel/guest/cmd/agentkernel-guest")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		panic(string(out))
	}
	// Programs and this test of attacks may be started as somebody else.
	copied, err := os.ReadFile("/proc/self/exe")
	if err == nil {
		err = errors.Join(os.Chmod(folder, 0o755), os.WriteFile(filepath.Join(folder, "attack"), copied, 0o755))
	}
	if err != nil {
		panic(err)
	}
	code := m.Run()
	if left := leftRunning(); len(left) > 0 {
		fmt.Printf("FAIL: left running: %q\n", left)
		code = 1
	}
	_ = os.RemoveAll(folder)
	os.Exit(code)
}

// leftRunning ends what the tests left running and tells its command lines.
func leftRunning() [][]string {
	var left [][]string
	a, err := inProcess()
	if err != nil {
		return nil
	}
	a.reaper.awaitNone(time.Second)
	eachProcess(func(pid int) bool {
		if p, lives := look(pid); lives && p.state != "Z" && a.isOurs(p) {
			left = append(left, commandLine(pid))
		}
		return true
	})
	a.killAll()
	return left
}

// inProcess is one agent for all tests of this process, which has one table of children.
var inProcess = sync.OnceValues(func() (*agent, error) {
	return newAgent(&orders{})
})

// host speaks to an agent.
type host struct {
	t testing.TB
	*wire.Conn
	ended chan error
}

func connect(t testing.TB, socket *os.File) *host {
	t.Helper()
	h := &host{t, wire.NewConn(socket, wire.Hello{Role: "shim"}, nil), make(chan error, 1)}
	go func() { h.ended <- h.Run() }()
	t.Cleanup(h.Close)
	return h
}

func socketPair(t testing.TB) (*os.File, *os.File) {
	t.Helper()
	fds, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	return pollable(fds[0], "ours"), os.NewFile(uintptr(fds[1]), "theirs")
}

// serving is a host whose agent runs in this process.
func serving(t testing.TB) *host {
	t.Helper()
	a, err := inProcess()
	if err != nil {
		t.Fatal(err)
	}
	return servedBy(t, a)
}

func servedBy(t testing.TB, a *agent) *host {
	t.Helper()
	ours, theirs := socketPair(t)
	if err := syscall.SetNonblock(int(theirs.Fd()), true); err != nil {
		t.Fatal(err)
	}
	fd, err := syscall.Dup(int(theirs.Fd()))
	if err != nil {
		t.Fatal(err)
	}
	_ = theirs.Close()
	syscall.CloseOnExec(fd)
	conn := wire.NewConn(pollable(fd, "theirs"), wire.Hello{Role: "agent", Features: features}, a.serve)
	go func() { _ = conn.Run() }()
	t.Cleanup(conn.Close)
	return connect(t, ours)
}

// object is a JSON object.
type object = map[string]any

var plainEnv = []string{"PATH=/usr/local/bin:/usr/bin:/bin", "LANG=C"}

// shell is the order for a script, with more members.
func shell(script string, more ...object) object {
	o := object{"op": "exec", "id": "x", "argv": []string{"sh", "-c", script}, "env": plainEnv, "cwd": "/"}
	for _, members := range more {
		for name, value := range members {
			o[name] = value
		}
	}
	return o
}

// running is a command that was started; nobody has read its output yet.
type running struct {
	h *host
	*wire.Stream
	pid int
}

func (h *host) open(order object) *wire.Stream {
	h.t.Helper()
	s, err := h.Open(order)
	if err != nil {
		h.t.Fatal(err)
	}
	return s
}

func (h *host) start(order object) *running {
	h.t.Helper()
	s := h.open(order)
	m, err := s.Recv()
	if err != nil {
		h.t.Fatal(err)
	}
	var started struct {
		Event string `json:"event"`
		PID   int    `json:"pid"`
	}
	if m.Kind != wire.EventType || m.Decode(&started) != nil || started.Event != "started" || started.PID <= 0 {
		h.t.Fatalf("not started: %s", m.Data)
	}
	return &running{h, s, started.PID}
}

// outcome is what a command wrote and how it ended.
type outcome struct {
	stdout, stderr string
	result         result
}

func (r *running) finish() outcome {
	r.h.t.Helper()
	var o outcome
	for {
		m, err := r.Recv()
		if err != nil {
			r.h.t.Fatalf("%v, after %q %q", err, o.stdout, o.stderr)
		}
		switch {
		case m.Kind == wire.DataType && m.Channel == wire.Out:
			o.stdout += string(m.Data)
		case m.Kind == wire.DataType:
			o.stderr += string(m.Data)
		case m.Kind == wire.EndType:
			if err := m.Decode(&o.result); err != nil {
				r.h.t.Fatal(err)
			}
			return o
		}
	}
}

// until reads output up to a text.
func (r *running) until(text string) {
	r.h.t.Helper()
	seen := ""
	for !strings.Contains(seen, text) {
		m, err := r.Recv()
		if err != nil || m.Kind == wire.EndType {
			r.h.t.Fatalf("%q never came, but %q, %v", text, seen, err)
		}
		if m.Kind == wire.DataType {
			seen += string(m.Data)
		}
	}
}

func (h *host) run(order object) outcome {
	h.t.Helper()
	return h.start(order).finish()
}

// refused is the error that an order gets.
func (h *host) refused(order object) *wire.ErrorBody {
	h.t.Helper()
	_, err := h.open(order).Recv()
	var body *wire.ErrorBody
	if !errors.As(err, &body) {
		h.t.Fatalf("not refused: %v", err)
	}
	return body
}

// call opens an operation that only has a result.
func (h *host) call(order object, into any) {
	h.t.Helper()
	m, err := h.open(order).Recv()
	if err != nil {
		h.t.Fatal(err)
	}
	if m.Kind != wire.EndType {
		h.t.Fatalf("%d %s", m.Kind, m.Data)
	}
	if err := json.Unmarshal(m.Data, into); err != nil {
		h.t.Fatal(err)
	}
}

func (o outcome) exited(t testing.TB, status int) outcome {
	t.Helper()
	if o.result.Ended != "exited" || o.result.Status == nil || *o.result.Status != status {
		t.Errorf("ended %+v, want status %d; it wrote %q %q", o.result, status, o.stdout, o.stderr)
	}
	return o
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

// eventually waits until something is so that nobody tells of.
func eventually(t testing.TB, what string, is func() bool) {
	t.Helper()
	late := time.Now().Add(tooLong)
	for !is() {
		if time.Now().After(late) {
			t.Fatalf("never: %s", what)
		}
		time.Sleep(2 * time.Millisecond)
	}
}

func lives(pid int) bool {
	p, found := look(pid)
	return found && p.state != "Z"
}

// program is an agent of its own, as it is shipped.
type program struct {
	*host
	pid     int
	done    <-chan ended
	control *os.File
	status  *os.File
}

// startProgram starts the built program with these orders, as process 1 of a namespace with its own /proc if as says as whom. The
// agent in this process reaps it, as it reaps everything.
func startProgram(t testing.TB, orders string, as isolation) *program {
	t.Helper()
	path, args, attr := builtProgram, []string{"agentkernel-guest", "agent", "6"}, &syscall.SysProcAttr{}
	if as != asItIs {
		self, err := os.Executable()
		if err != nil {
			t.Fatal(err)
		}
		path, args, attr = self, []string{self, containMode, builtProgram, "6", string(as)}, isolated()
	}
	nursery, err := inProcess()
	if err != nil {
		t.Fatal(err)
	}
	ours, theirs := socketPair(t)
	controlRead, controlWrite := osPipe(t)
	statusRead, statusWrite := osPipe(t)
	ordersFile := filepath.Join(t.TempDir(), "orders")
	if err := os.WriteFile(ordersFile, []byte(orders), 0o600); err != nil {
		t.Fatal(err)
	}
	file, err := os.Open(ordersFile)
	if err != nil {
		t.Fatal(err)
	}
	var descriptors []uintptr
	for _, one := range []*os.File{nursery.null, nursery.null, os.Stderr, controlRead, statusWrite, theirs, file} {
		descriptors = append(descriptors, one.Fd())
	}
	p := &program{control: controlWrite, status: statusRead}
	p.pid, p.done, err = nursery.reaper.start(func() (int, error) {
		return syscall.ForkExec(path, args, &syscall.ProcAttr{
			Env: []string{"SECRET=of-the-agent"}, Dir: "/", Sys: attr, Files: descriptors,
		})
	})
	for _, end := range []*os.File{theirs, controlRead, statusWrite, file} {
		_ = end.Close()
	}
	if err != nil {
		_ = ours.Close()
		if errors.Is(err, syscall.EPERM) || errors.Is(err, syscall.EINVAL) || errors.Is(err, syscall.ENOSPC) {
			t.Skipf("namespaces are not allowed here: %v", err)
		}
		t.Fatal(err)
	}
	p.host = connect(t, ours)
	t.Cleanup(func() {
		// It ends what it started, and then itself.
		_ = controlWrite.Close()
		eventually(t, "the program ends", func() bool { return !lives(p.pid) })
	})
	return p
}

func osPipe(t testing.TB) (*os.File, *os.File) {
	t.Helper()
	read, write, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _, _ = read.Close(), write.Close() })
	return read, write
}

// firstLine is the first status line.
func (p *program) firstLine() string {
	p.t.Helper()
	var room [4096]byte
	_ = p.status.SetReadDeadline(time.Now().Add(tooLong))
	n, err := p.status.Read(room[:])
	if err != nil && err != io.EOF {
		p.t.Fatal(err)
	}
	return strings.TrimSpace(string(room[:n]))
}
