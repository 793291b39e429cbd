package shim

import (
	"bufio"
	"encoding/binary"
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"agentkernel/guest/internal/outlog"
	"agentkernel/guest/internal/wire"
)

// tooLong is when a test gives up waiting.
const tooLong = 30 * time.Second

func init() { runtime.LockOSThread() }

// A shim is a process with fixed descriptors, and so is its agent: copies of this program are both.
func TestMain(m *testing.M) {
	switch {
	case len(os.Args) > 1 && os.Args[1] == "agent":
		os.Exit(testAgent())
	case len(os.Args) > 3 && os.Args[1] == "daemon":
		os.Exit(testDaemon(os.Args[2], os.Args[3]))
	case os.Getenv("SHIM_TEST") != "":
		limit, _ := strconv.ParseInt(os.Getenv("SHIM_TEST_CAP"), 10, 64)
		os.Exit(run(outlog.Options{Cap: limit, Patience: 50 * time.Millisecond}))
	}
	os.Exit(m.Run())
}

// shim is one that runs, as its starter sees it.
type shim struct {
	t       testing.TB
	process *exec.Cmd
	orders  Orders
	report  *os.File
	lines   *bufio.Reader
	// exited is closed when it has.
	exited chan struct{}
}

// setup changes orders or environment of a shim before it starts.
type setup func(o *Orders, env *[]string)

func withScript(name string) setup {
	return func(o *Orders, _ *[]string) { o.AgentSpec = json.RawMessage(`{"script":"` + name + `"}`) }
}

func withCap(limit int) setup {
	return func(_ *Orders, env *[]string) { *env = append(*env, "SHIM_TEST_CAP="+strconv.Itoa(limit)) }
}

// launchShim starts one without waiting for anything.
func launchShim(t testing.TB, changes ...setup) *shim {
	t.Helper()
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	// The path of a socket is short, and that of a test's folder is not.
	folder, err := os.MkdirTemp("", "s")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(folder) })
	o := Orders{
		RuntimeDir: folder + "/run", LogDir: folder + "/box/log", Helper: program, Mode: noIsolation,
		AgentSpec: json.RawMessage(`{"version":"1.2.3"}`), Version: "1.2.3",
	}
	for _, name := range []string{o.RuntimeDir, o.LogDir} {
		if err := os.MkdirAll(name, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	env := append(os.Environ(), "SHIM_TEST=1", "GOMAXPROCS=2")
	for _, change := range changes {
		change(&o, &env)
	}
	return startShim(t, o, env)
}

func startShim(t testing.TB, o Orders, env []string) *shim {
	t.Helper()
	program := o.Helper
	for _, variable := range env {
		if other, found := strings.CutPrefix(variable, "SHIM_TEST_HELPER="); found {
			o.Helper = other
		}
	}
	text, err := json.Marshal(o)
	if err != nil {
		t.Fatal(err)
	}
	s := startRaw(t, program, append(binary.LittleEndian.AppendUint32(nil, uint32(len(text))), text...), env)
	s.orders = o
	return s
}

// startRaw starts a shim with any orders.
func startRaw(t testing.TB, program string, orders []byte, env []string) *shim {
	t.Helper()
	ordersOut, ordersIn := pipe(t)
	reportOut, reportIn := pipe(t)
	command := exec.Command(program)
	if name := os.Getenv("SHIM_TEST_STDERR"); name != "" {
		command.Stderr, _ = os.OpenFile(name, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	}
	command.Env = env
	command.ExtraFiles = []*os.File{ordersOut, reportIn}
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	_, _ = ordersOut.Close(), reportIn.Close()
	s := &shim{t: t, process: command, report: reportOut, lines: bufio.NewReader(reportOut), exited: make(chan struct{})}
	go func() {
		_ = command.Wait()
		close(s.exited)
	}()
	t.Cleanup(func() {
		_ = command.Process.Kill()
		s.awaitExit()
	})
	if _, err := ordersIn.Write(orders); err != nil {
		t.Fatal(err)
	}
	_ = ordersIn.Close()
	return s
}

// newShim starts one and waits until it is ready.
func newShim(t testing.TB, changes ...setup) *shim {
	t.Helper()
	s := launchShim(t, changes...)
	s.awaitReady()
	return s
}

func (s *shim) awaitReady() {
	s.t.Helper()
	for {
		line := s.line()
		if line["ready"] == true {
			if line["pid"] != float64(s.process.Process.Pid) || line["start_time"] == "" {
				s.t.Fatalf("ready: %v", line)
			}
			return
		}
		if line == nil || line["error"] != nil {
			s.t.Fatalf("the shim failed: %v", line)
		}
	}
}

// line is the next that the shim reports; nil at the end.
func (s *shim) line() map[string]any {
	s.t.Helper()
	text, err := s.lines.ReadString('\n')
	if err == io.EOF {
		return nil
	}
	if err != nil {
		s.t.Fatal(err)
	}
	line := map[string]any{}
	if err := json.Unmarshal([]byte(text), &line); err != nil {
		s.t.Fatalf("%q: %v", text, err)
	}
	return line
}

func (s *shim) awaitExit() {
	s.t.Helper()
	if !within(tooLong, s.exited) {
		s.t.Error("the shim does not end")
	}
}

// ended is what the shim wrote about the end.
func (s *shim) ended() ended {
	s.t.Helper()
	s.awaitExit()
	var how ended
	text, err := os.ReadFile(filepath.Join(s.orders.RuntimeDir, endedName))
	if err == nil {
		err = json.Unmarshal(text, &how)
	}
	if err != nil {
		s.t.Fatal(err)
	}
	return how
}

// dial connects without a word. Not with package net: it brings cgo along, and with that the agent cannot speak for all threads.
func (s *shim) dial() *os.File {
	s.t.Helper()
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		s.t.Fatal(err)
	}
	if err := unix.Connect(fd, &unix.SockaddrUnix{Name: filepath.Join(s.orders.RuntimeDir, socketName)}); err != nil {
		_ = unix.Close(fd)
		s.t.Fatal(err)
	}
	return nonblocking(fd, "shim")
}

// connect makes a client; it leaves with the test.
func (s *shim) connect(role string) *wire.Conn {
	s.t.Helper()
	socket := s.dial()
	conn := wire.NewConn(socket, wire.Hello{Role: role, Version: "0"}, nil)
	go func() { _ = conn.Run() }()
	s.t.Cleanup(conn.Close)
	if !within(tooLong, conn.Ready()) {
		s.t.Fatal("no hello")
	}
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

func pipe(t testing.TB) (out, in *os.File) {
	t.Helper()
	out, in, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _, _ = out.Close(), in.Close() })
	return out, in
}

// alive tells whether a process is there and no zombie.
func alive(pid int) bool {
	stat, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return false
	}
	rest := stat[strings.LastIndexByte(string(stat), ')')+1:]
	return !strings.HasPrefix(string(rest), " Z")
}

// eventually waits for something that no event tells.
func eventually(t testing.TB, what string, is func() bool) {
	t.Helper()
	for deadline := time.Now().Add(tooLong); !is(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("it does not come to be that " + what)
		}
	}
}
