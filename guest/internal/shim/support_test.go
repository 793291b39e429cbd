package shim

import (
	"bufio"
	"encoding/binary"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"agentkernel/guest/internal/outlog"
	"agentkernel/guest/internal/plan"
)

// tooLong is when a test gives up waiting.
const tooLong = 30 * time.Second

func init() { runtime.LockOSThread() }

// builtProgram and builtNetProgram are the helpers as they are shipped: the agent cannot protect itself in a program that has threads
// of C, as this one may.
var builtProgram, builtNetProgram string

// A shim is a process with fixed descriptors, so copies of this program are shims, and whatever else a test needs as a process.
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
	folder, err := os.MkdirTemp("", "shim-test")
	if err != nil {
		panic(err)
	}
	builtProgram, builtNetProgram = filepath.Join(folder, "agentkernel-guest"), filepath.Join(folder, "agentkernel-guest-net")
	build := exec.Command("go", "build", "-trimpath", "-buildvcs=false", "-o", folder, "agentkernel/guest/cmd/...")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if text, err := build.CombinedOutput(); err != nil {
		panic(string(text))
	}
	code := m.Run()
	_ = os.RemoveAll(folder)
	os.Exit(code)
}

// shim is one as its starter sees it.
type shim struct {
	t       testing.TB
	program string
	env     []string
	orders  Orders
	// raw takes the place of the orders, and credential that of the user.
	raw        []byte
	credential *syscall.Credential
	// amend changes the plan of a sandbox.
	amend func(*plan.Plan)

	process *exec.Cmd
	report  *os.File
	lines   *bufio.Reader
	// exited is closed when it has.
	exited chan struct{}
}

// setup changes a shim before it starts.
type setup func(s *shim)

func withScript(name string) setup {
	return func(s *shim) {
		s.orders.Helper = s.program
		s.orders.AgentSpec = json.RawMessage(`{"script":"` + name + `"}`)
	}
}

func withCap(limit int) setup {
	return func(s *shim) { s.env = append(s.env, "SHIM_TEST_CAP="+strconv.Itoa(limit)) }
}

// prepareShim makes everything for one that is started later.
func prepareShim(t testing.TB, changes ...setup) *shim {
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
	s := &shim{t: t, program: program, env: append(os.Environ(), "SHIM_TEST=1", "GOMAXPROCS=2"), orders: Orders{
		RuntimeDir: folder + "/run", LogDir: folder + "/box/log", Helper: builtProgram, Mode: noIsolation,
		AgentSpec: json.RawMessage(`{"version":"1.2.3"}`), Version: "1.2.3",
	}}
	for _, name := range []string{s.orders.RuntimeDir, s.orders.LogDir} {
		if err := os.MkdirAll(name, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	for _, change := range changes {
		change(s)
	}
	return s
}

// start starts it without waiting for anything.
func (s *shim) start() {
	s.t.Helper()
	orders := s.raw
	if orders == nil {
		text, err := json.Marshal(s.orders)
		if err != nil {
			s.t.Fatal(err)
		}
		orders = append(binary.LittleEndian.AppendUint32(nil, uint32(len(text))), text...)
	}
	ordersOut, ordersIn := pipe(s.t)
	reportOut, reportIn := pipe(s.t)
	s.process = exec.Command(s.program, "shim")
	s.process.Env = s.env
	s.process.ExtraFiles = []*os.File{ordersOut, reportIn}
	s.process.SysProcAttr = &syscall.SysProcAttr{Credential: s.credential}
	if err := s.process.Start(); err != nil {
		s.t.Fatal(err)
	}
	_, _ = ordersOut.Close(), reportIn.Close()
	s.report, s.lines, s.exited = reportOut, bufio.NewReader(reportOut), make(chan struct{})
	go func() {
		_ = s.process.Wait()
		close(s.exited)
	}()
	s.t.Cleanup(func() {
		_ = s.process.Process.Kill()
		s.awaitExit()
	})
	if _, err := ordersIn.Write(orders); err != nil {
		s.t.Fatal(err)
	}
	_ = ordersIn.Close()
}

// asUser makes it an ordinary user's.
func (s *shim) asUser(uid int) {
	s.t.Helper()
	s.credential = &syscall.Credential{Uid: uint32(uid), Gid: uint32(uid)}
	folder := filepath.Dir(s.orders.RuntimeDir)
	err := filepath.WalkDir(folder, func(name string, _ fs.DirEntry, err error) error {
		return errors.Join(err, os.Lchown(name, uid, uid))
	})
	if err != nil {
		s.t.Fatal(err)
	}
}

// asItsUser does something as the user that the shim belongs to.
func (s *shim) asItsUser(do func()) {
	s.t.Helper()
	if s.credential != nil {
		become := func(uid int) {
			if err := syscall.Setreuid(-1, uid); err != nil {
				s.t.Fatal(err)
			}
		}
		become(int(s.credential.Uid))
		defer become(0)
	}
	do()
}

// again is a new one in the same place.
func (s *shim) again() *shim {
	return &shim{t: s.t, program: s.program, env: s.env, orders: s.orders, credential: s.credential}
}

// launchShim starts one.
func launchShim(t testing.TB, changes ...setup) *shim {
	t.Helper()
	s := prepareShim(t, changes...)
	s.start()
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

// withNetwork also makes the agent a program that can serve one.
func withNetwork(s *shim) { s.orders.Network, s.orders.Helper = true, builtNetProgram }

// dial connects without a word.
func (s *shim) dial() *os.File {
	s.t.Helper()
	return s.dialTo(socketName)
}

func (s *shim) dialTo(name string) *os.File {
	s.t.Helper()
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		s.t.Fatal(err)
	}
	s.asItsUser(func() {
		err = unix.Connect(fd, &unix.SockaddrUnix{Name: filepath.Join(s.orders.RuntimeDir, name)})
	})
	if err != nil {
		_ = unix.Close(fd)
		s.t.Fatal(err)
	}
	return nonblocking(fd, "shim")
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
