package shim

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"agentkernel/guest/internal/wire"
)

// daemon is what a test makes shims start: a copy of this program that writes down that it was started, and how.
type daemon struct {
	t      *testing.T
	folder string
}

type daemonStart struct {
	PID int
	Cwd string
	Env []string
	// Streams are what its descriptors are, and Extra how many more it was given.
	Streams []string
	Extra   int
	Session int
}

func newDaemon(t *testing.T) *daemon {
	t.Helper()
	folder, err := os.MkdirTemp("", "d")
	if err != nil {
		t.Fatal(err)
	}
	d := &daemon{t: t, folder: folder}
	t.Cleanup(func() {
		for _, one := range d.starts() {
			_ = syscall.Kill(one.PID, syscall.SIGKILL)
		}
		_ = os.RemoveAll(folder)
	})
	return d
}

// restart are the orders that start it. what is "serve" or "fail-N": the first N end at once.
func (d *daemon) restart(what string) *Restart {
	program, err := os.Executable()
	if err != nil {
		d.t.Fatal(err)
	}
	return &Restart{
		Argv:   []string{program, "daemon", d.folder, what},
		Env:    []string{"MARK=1"},
		Socket: d.folder + "/daemon.sock",
		Lock:   d.folder + "/restart.lock",
	}
}

// starts are all that were started, in order.
func (d *daemon) starts() []daemonStart {
	d.t.Helper()
	text, err := os.ReadFile(d.folder + "/starts")
	if os.IsNotExist(err) {
		return nil
	}
	if err != nil {
		d.t.Fatal(err)
	}
	var all []daemonStart
	for _, line := range strings.Split(strings.TrimSpace(string(text)), "\n") {
		var one daemonStart
		if err := json.Unmarshal([]byte(line), &one); err != nil {
			d.t.Fatalf("%q: %v", line, err)
		}
		all = append(all, one)
	}
	return all
}

func withRestart(restart *Restart) setup {
	return func(s *shim) { s.orders.Restart = restart }
}

// testDaemon is the process: it writes itself down and listens until it is killed.
func testDaemon(folder, what string) int {
	cwd, _ := os.Getwd()
	session, _ := syscall.Getpgid(0)
	one := daemonStart{PID: os.Getpid(), Cwd: cwd, Env: os.Environ(), Session: session}
	for fd := range 3 {
		target, _ := os.Readlink(fmt.Sprint("/proc/self/fd/", fd))
		one.Streams = append(one.Streams, target)
	}
	for fd := 3; fd < 100; fd++ {
		// Those of our own runtime do not survive an exec.
		if flags, _, errno := syscall.Syscall(syscall.SYS_FCNTL, uintptr(fd), syscall.F_GETFD, 0); errno == 0 && flags&syscall.FD_CLOEXEC == 0 {
			one.Extra++
		}
	}
	line, _ := json.Marshal(one)
	file, err := os.OpenFile(folder+"/starts", os.O_CREATE|os.O_APPEND|os.O_RDWR, 0o600)
	if err != nil {
		return 1
	}
	if _, err := file.Write(append(line, '\n')); err != nil {
		return 1
	}
	text, _ := os.ReadFile(folder + "/starts")
	if fail, found := strings.CutPrefix(what, "fail-"); found {
		if n, _ := strconv.Atoi(fail); strings.Count(string(text), "\n") <= n {
			return 1
		}
	}
	// A new one takes the place of what a dead one left.
	_ = os.Remove(folder + "/daemon.sock")
	listener, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil || unix.Bind(listener, &unix.SockaddrUnix{Name: folder + "/daemon.sock"}) != nil || unix.Listen(listener, 128) != nil {
		return 1
	}
	for {
		fd, _, err := unix.Accept(listener)
		if err == nil {
			_ = unix.Close(fd)
		}
	}
}

func TestOneOfSeveralShimsStartsADaemonThatCrashed(t *testing.T) {
	d := newDaemon(t)
	var shims []*shim
	var conns []*wire.Conn
	for range 5 {
		s := newShim(t, withRestart(d.restart("serve")))
		shims = append(shims, s)
		conns = append(conns, s.connect("daemon"))
	}
	for _, conn := range conns {
		conn.Close()
	}
	r := d.restart("serve")
	eventually(t, "a daemon is there", r.accepts)
	// Every shim has looked, and found it, when none waits to look again.
	starts := d.starts()
	if len(starts) != 1 {
		t.Fatalf("%d were started", len(starts))
	}
	one := starts[0]
	if one.Cwd != "/" || one.Session != one.PID || one.Extra != 0 || strings.Join(one.Env, " ") != "MARK=1" || strings.Join(one.Streams, " ") != "/dev/null /dev/null /dev/null" {
		t.Errorf("%+v", one)
	}
	// It is no part of any sandbox.
	for _, s := range shims {
		if err := s.process.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		s.awaitExit()
	}
	if !r.accepts() || len(d.starts()) != 1 {
		t.Fatal("the daemon went with the shims, or there are more")
	}
}

func TestADaemonThatLeavesIsNotStartedAgain(t *testing.T) {
	d := newDaemon(t)
	s := newShim(t, withRestart(d.restart("serve")))
	s.connect("daemon").Bye()
	s.connect("client").Close()
	s.connect("client").Bye()
	// One that crashes is: had the others counted, it would not be the first.
	s.connect("daemon").Close()
	r := d.restart("serve")
	eventually(t, "a daemon is there", r.accepts)
	if got := len(d.starts()); got != 1 {
		t.Fatalf("%d were started", got)
	}
}

// quick is a pace that a test has time for.
func quick() pace {
	p := usualPace
	p.first, p.spread, p.pause, p.longest = time.Millisecond, time.Millisecond, time.Millisecond, 10*time.Millisecond
	p.accept, p.other, p.poll = 20*time.Millisecond, 20*time.Millisecond, time.Millisecond
	return p
}

// idle tells whether a watch has nothing to do.
func (w *watch) idle() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return !w.busy
}

func crash(w *watch) {
	w.arrived("daemon")
	w.left("daemon", true)
}

func TestADaemonThatDoesNotComeUpIsTriedAgain(t *testing.T) {
	d := newDaemon(t)
	p := quick()
	p.tries, p.accept = 1000, time.Second
	w := newWatch(d.restart("fail-2"), p)
	crash(w)
	eventually(t, "a daemon is there", w.restart.accepts)
	if got := len(d.starts()); got != 3 {
		t.Fatalf("%d were started", got)
	}
	eventually(t, "it rests", w.idle)
}

func TestAWatchGivesUpAtLast(t *testing.T) {
	for name, r := range map[string]*Restart{
		"no program": {Argv: []string{"/nonexistent"}, Socket: "/nonexistent/s", Lock: t.TempDir() + "/l"},
		"no lock":    {Argv: []string{"/bin/true"}, Socket: "/nonexistent/s", Lock: "/nonexistent/l"},
		"a process that does not listen": {
			Argv: []string{"/bin/true"}, Socket: t.TempDir() + "/s", Lock: t.TempDir() + "/l",
		},
	} {
		w := newWatch(r, quick())
		crash(w)
		eventually(t, "it rests with "+name, w.idle)
	}
}

func TestAWatchRestsWhenADaemonIsConnected(t *testing.T) {
	p := quick()
	p.tries = 1 << 30
	w := newWatch(&Restart{Argv: []string{"/nonexistent"}, Socket: "/nonexistent/s", Lock: t.TempDir() + "/l"}, p)
	crash(w)
	w.arrived("daemon")
	eventually(t, "it rests", w.idle)
	w.left("daemon", false)
	if !w.idle() {
		t.Fatal("it works though nobody crashed")
	}
	crash(w)
	w.close()
	w.close()
	eventually(t, "it rests when it is closed", w.idle)
	crash(w)
	if !w.idle() {
		t.Fatal("it works though it is closed")
	}
}

func TestWithoutOrdersNothingIsStarted(t *testing.T) {
	w := newWatch(nil, quick())
	crash(w)
	if !w.idle() {
		t.Fatal("there is nothing to start")
	}
}

func TestWhoHoldsTheLockIsWaitedForAndNotPassed(t *testing.T) {
	d := newDaemon(t)
	r := d.restart("serve")
	lock, err := os.OpenFile(r.Lock, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer lock.Close()
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX); err != nil {
		t.Fatal(err)
	}
	w := newWatch(r, quick())
	crash(w)
	eventually(t, "it gives up", w.idle)
	if got := d.starts(); len(got) != 0 {
		t.Fatalf("%v", got)
	}
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_UN); err != nil {
		t.Fatal(err)
	}
	crash(w)
	eventually(t, "a daemon is there", r.accepts)
}

func TestALockThatIsASymlinkIsNotFollowed(t *testing.T) {
	d := newDaemon(t)
	r := d.restart("serve")
	target := filepath.Join(d.folder, "target")
	if err := os.Symlink(target, r.Lock); err != nil {
		t.Fatal(err)
	}
	w := newWatch(r, quick())
	crash(w)
	eventually(t, "it gives up", w.idle)
	if _, err := os.Lstat(target); !os.IsNotExist(err) || len(d.starts()) != 0 {
		t.Fatalf("%v, %v", err, d.starts())
	}
}
