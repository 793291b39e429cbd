package scope

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"

	"golang.org/x/sys/unix"
)

// TestMain is also the keeper, as the real program is.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == KeeperMode {
		os.Exit(KeeperMain())
	}
	os.Exit(m.Run())
}

// endKeeper ends the keeper of a place as the manager does, and tells how it ended.
func endKeeper(t *testing.T, p place) unix.WaitStatus {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(p.folder, "keeper/cgroup.procs"))
	if err != nil {
		t.Fatal(err)
	}
	pid, err := strconv.Atoi(string(text))
	if err != nil {
		t.Fatal(err)
	}
	return end(t, pid)
}

func end(t *testing.T, pid int) (status unix.WaitStatus) {
	t.Helper()
	if err := unix.Kill(pid, unix.SIGTERM); err != nil {
		t.Fatal(err)
	}
	return wait(t, pid)
}

func wait(t *testing.T, pid int) (status unix.WaitStatus) {
	t.Helper()
	for {
		if _, err := unix.Wait4(pid, &status, 0, nil); err == nil {
			return status
		} else if err != unix.EINTR {
			t.Fatal(err)
		}
	}
}

func TestTwentyFirstRunsMakeOneScopeWithOneKeeper(t *testing.T) {
	m := startManager(t, &manager{})
	var runs sync.WaitGroup
	failures := make([]error, 20)
	for i := range failures {
		inBackground(&runs, func() { failures[i] = m.place.ensure() })
	}
	runs.Wait()
	if err := errors.Join(failures...); err != nil {
		t.Fatal(err)
	}
	for _, pid := range m.refused {
		if err := unix.Kill(pid, 0); err != unix.ESRCH {
			t.Errorf("keeper %d, which nobody needs, is left: %v", pid, err)
		}
	}
	for _, group := range []string{keeperGroup, launchGroup, runsGroup} {
		if info, err := os.Stat(filepath.Join(m.place.folder, group)); err != nil || !info.IsDir() {
			t.Errorf("no group %s: %v", group, err)
		}
	}
	if status := endKeeper(t, m.place); status.Signal() != unix.SIGTERM {
		t.Errorf("the keeper did not stay until it was told to end: %v", status)
	}
}

func TestAScopeThatIsThereIsNotAskedForAgain(t *testing.T) {
	m := startManager(t, &manager{refuse: "org.example.Never"})
	if err := os.MkdirAll(filepath.Join(m.place.folder, launchGroup), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := m.place.ensure(); err != nil {
		t.Fatal(err)
	}
}

func TestTheManagersReasonIsTold(t *testing.T) {
	m := startManager(t, &manager{refuse: "org.example.Refused"})
	for _, err := range []error{m.place.ensure(), m.place.attach(1)} {
		if err == nil || !strings.Contains(err.Error(), "not today") {
			t.Errorf("err = %v", err)
		}
	}
}

func TestAManagerThatDoesNotAnswerIsGivenUp(t *testing.T) {
	m := startManager(t, &manager{silent: true})
	if err := m.place.attach(1); !errors.Is(err, errSlow) {
		t.Fatalf("err = %v", err)
	}
}

func TestWithoutAManagerTheSocketIsNamed(t *testing.T) {
	p := place{runtimeDir: t.TempDir(), folder: t.TempDir()}
	if err := p.ensure(); !errors.Is(err, unix.ENOENT) || !strings.Contains(err.Error(), "systemd/private") {
		t.Fatalf("err = %v", err)
	}
}

func TestAProcessIsAttachedByItsNumber(t *testing.T) {
	m := startManager(t, &manager{})
	if err := m.place.attach(4242); err != nil {
		t.Fatal(err)
	}
	if len(m.attached) != 1 || m.attached[0] != 4242 {
		t.Fatalf("attached %v", m.attached)
	}
}

func TestARealBusIsGreetedAndPassesOurCallOn(t *testing.T) {
	daemon, err := exec.LookPath("dbus-daemon")
	if err != nil {
		t.Skip("dbus-daemon is not installed")
	}
	dir := t.TempDir()
	config := filepath.Join(dir, "bus.conf")
	text := `<busconfig><type>session</type><listen>unix:path=` + dir + `/bus</listen><auth>EXTERNAL</auth>` +
		`<policy context="default"><allow send_destination="*"/><allow receive_sender="*"/><allow own="*"/></policy></busconfig>`
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	bus := exec.Command(daemon, "--config-file="+config, "--nofork", "--print-address")
	said, err := bus.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := bus.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = bus.Process.Kill(); _ = bus.Wait() })
	// It prints its address when it listens.
	if _, err := said.Read(make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	err = place{runtimeDir: dir}.attach(os.Getpid())
	if !isError(err, "org.freedesktop.DBus.Error.ServiceUnknown") {
		t.Fatalf("err = %v", err)
	}
}

func TestAKeeperWhoseStarterDiesBeforeItIsNeededEnds(t *testing.T) {
	k, err := startKeeper([]string{"/proc/self/exe", KeeperMode})
	if err != nil {
		t.Fatal(err)
	}
	if err := unix.Close(k.order); err != nil {
		t.Fatal(err)
	}
	if status := wait(t, k.pid); !status.Exited() || status.ExitStatus() != 1 {
		t.Fatalf("ended with %v", status)
	}
}

func TestAStatusOfAnotherPidNamespaceIsToldApart(t *testing.T) {
	for text, same := range map[string]bool{"Name:\ta\nNSpid:\t12\n": true, "NSpid:\t12\t1\n": false, "Name:\ta\n": false, "": false} {
		if samePidNamespace(text) != same {
			t.Errorf("%q", text)
		}
	}
}

func TestTheOutcomeReachesTheChild(t *testing.T) {
	m := startManager(t, &manager{})
	refusing := startManager(t, &manager{refuse: "org.example.Refused"})
	for name, test := range map[string]struct {
		place place
		want  string
	}{"moved": {m.place, ""}, "refused": {refusing.place, "not today"}} {
		t.Run(name, func(t *testing.T) {
			h, err := newHandover(test.place)
			if err != nil {
				t.Fatal(err)
			}
			child, err := unix.Dup(h.read)
			if err != nil {
				t.Fatal(err)
			}
			h.Carry(4242)
			err = Await(child)
			if (err == nil) != (test.want == "") || err != nil && !strings.Contains(err.Error(), test.want) {
				t.Fatalf("err = %v", err)
			}
		})
	}
}

func TestAChildWhoseMoverDiedIsToldSo(t *testing.T) {
	h, err := newHandover(place{})
	if err != nil {
		t.Fatal(err)
	}
	_ = unix.Close(h.write)
	if err := Await(h.read); err == nil {
		t.Fatal("no error")
	}
}
