package shim

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"agentkernel/guest/internal/plan"
)

// somebody is an ordinary user, for tests that are run by root.
const somebody = 54_321

// isolated makes a shim whose sandbox is one: the launch helper and bubblewrap are between shim and agent.
func isolated(t *testing.T, mode string, changes ...setup) *shim {
	t.Helper()
	bwrap, err := exec.LookPath("bwrap")
	if err != nil {
		t.Skip("bubblewrap is not installed")
	}
	root := os.Getuid() == 0
	if mode == launchAsRoot && !root {
		t.Skip("only root launches as root")
	}
	s := prepareShim(t, func(s *shim) {
		o := &s.orders
		o.Mode = mode
		for _, change := range changes {
			change(s)
		}
		// Where these programs lie only their owner may look.
		inside := copyProgram(t, o.Helper, filepath.Dir(o.RuntimeDir)+"/inside")
		o.Helper = copyProgram(t, builtProgram, filepath.Dir(o.RuntimeDir)+"/helper")
		s.program = o.Helper
		o.Prologue, o.Plan = stageOrders(t, inside, bwrap, mode == launchAsRoot, o.Network, s.amend)
	})
	if mode == launchAsUser && root {
		s.asUser(somebody)
	}
	s.start()
	for {
		line := s.line()
		switch {
		case line["ready"] == true:
			return s
		case line["step"] == "user namespace" || strings.Contains(fmt.Sprint(line["detail"]), "user namespace"):
			t.Skipf("ordinary users may not make namespaces here: %v", line["detail"])
		case line == nil || line["error"] != nil:
			t.Fatalf("it does not start: %v", line)
		}
	}
}

func copyProgram(t *testing.T, from, to string) string {
	t.Helper()
	source, err := os.Open(from)
	if err != nil {
		t.Fatal(err)
	}
	defer source.Close()
	target, err := os.OpenFile(to, os.O_CREATE|os.O_WRONLY, 0o755)
	if err != nil {
		t.Fatal(err)
	}
	defer target.Close()
	if _, err := io.Copy(target, source); err != nil {
		t.Fatal(err)
	}
	return to
}

// stageOrders are prologue and plan of a small sandbox with the host's programs.
func stageOrders(t *testing.T, inside, bwrap string, asRoot, network bool, amend func(*plan.Plan)) (prologue, work json.RawMessage) {
	t.Helper()
	p := plan.Prologue{Stage: "/mnt", Mounts: []plan.Mount{
		{Kind: "bind", Source: "/proc", Target: "proc"},
		{Kind: "devices", Source: "/dev", Target: "dev", Names: []string{"null", "zero"}},
		{Kind: "dir", Target: "own", Mode: 0o755},
		{Kind: "bind", Source: inside, Target: "own/init", ReadOnly: true},
		{Kind: "show", Source: "/", Target: "", Names: []string{"usr", "bin", "lib", "lib64"}},
	}}
	w := plan.Plan{
		Mounts: []plan.Mount{{Kind: "tmpfs", Target: "tmp", Mode: 0o1777}}, Bwrap: bwrap, Init: "/own/init", Mode: plan.Stays,
		Spec: json.RawMessage(`{"version":"1"}`),
		Args: []string{
			"--unshare-user", "--uid", "1000", "--gid", "1000", "--unshare-pid", "--unshare-ipc", "--unshare-uts", "--unshare-cgroup",
			"--die-with-parent", "--as-pid-1", "--clearenv", "--cap-drop", "ALL", "--new-session",
			"--dev-bind", "/", "/", "--proc", "/proc", "--chdir", "/",
		},
	}
	// A filter that lets everything pass.
	w.Seccomp = []byte{0x06, 0, 0, 0, 0, 0, 0xff, 0x7f}
	w.Network = plan.Network{Egress: network, TUN: network}
	if asRoot {
		w.DropTo = &plan.Identity{UID: 900_012_345, GID: 900_012_345}
	}
	if amend != nil {
		amend(&w)
	}
	return withoutNull(t, p), withoutNull(t, w)
}

// withoutNull is how the host says it: what is not there is left out.
func withoutNull(t *testing.T, value any) json.RawMessage {
	t.Helper()
	members := map[string]any{}
	text, err := json.Marshal(value)
	if err == nil {
		err = json.Unmarshal(text, &members)
	}
	if err == nil {
		maps.DeleteFunc(members, func(_ string, value any) bool { return value == nil })
		text, err = json.Marshal(members)
	}
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// descendants are all processes below one.
func descendants(t *testing.T, pid int) []int {
	var all []int
	for _, child := range children(t, pid) {
		all = append(append(all, child), descendants(t, child)...)
	}
	return all
}

// sockets is how many sockets a process holds.
func sockets(t *testing.T, pid int) int { return held(t, pid, "socket:") }

// held is how many descriptors a process has of things with that in their names.
func held(t *testing.T, pid int, what string) int {
	t.Helper()
	folder := "/proc/" + strconv.Itoa(pid) + "/fd"
	names, err := os.ReadDir(folder)
	if err != nil {
		t.Fatal(err)
	}
	count := 0
	for _, name := range names {
		if target, err := os.Readlink(folder + "/" + name.Name()); err == nil && strings.Contains(target, what) {
			count++
		}
	}
	return count
}

func modes(t *testing.T, test func(t *testing.T, mode string)) {
	for _, mode := range []string{launchAsRoot, launchAsUser} {
		t.Run(mode, func(t *testing.T) { test(t, mode) })
	}
}

func TestACommandInASandboxOfItsOwn(t *testing.T) {
	modes(t, func(t *testing.T, mode string) {
		s := isolated(t, mode)
		got := call(t, s.connect("client"), shell("a", "id -u; ls /proc/self/fd | tr '\\n' ' '; tr '\\0' ' ' </proc/1/cmdline; cat; exit 3", map[string]any{"stdin": false}))
		// What ls opens to read the folder is descriptor 3.
		if got.result["status"] != 3.0 || !strings.HasPrefix(string(got.stdout), "1000\n0 1 2 3 /own/init agent ") {
			t.Fatalf("%q, %q, %v", got.stdout, got.stderr, got.result)
		}
	})
}

func TestTheAgentsSocketIsTheAgentsAlone(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("only root sees what others hold")
	}
	modes(t, func(t *testing.T, mode string) {
		s := isolated(t, mode)
		all := descendants(t, s.process.Process.Pid)
		for i, pid := range all {
			want := 0
			if i == len(all)-1 {
				want = 1
			}
			if got := sockets(t, pid); got != want {
				t.Errorf("process %d of %d holds %d sockets", i+1, len(all), got)
			}
		}
		if len(all) < 2 {
			t.Errorf("%d processes", len(all))
		}
	})
}

func TestAKilledShimTakesTheWholeSandboxAlong(t *testing.T) {
	modes(t, func(t *testing.T, mode string) {
		s := isolated(t, mode)
		stream := open(t, s.connect("client"), shell("a", "setsid sleep 60 & sleep 60 & echo ready; exec sleep 60"))
		awaitOutput(t, stream, "ready")
		all := descendants(t, s.process.Process.Pid)
		if len(all) < 5 {
			t.Fatalf("%d processes", len(all))
		}
		if err := s.process.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		s.awaitExit()
		for _, pid := range all {
			eventually(t, "nothing is left", func() bool { return !alive(pid) })
		}
	})
}

func TestAKilledHelperEndsTheSandboxForTheShim(t *testing.T) {
	modes(t, func(t *testing.T, mode string) {
		s := isolated(t, mode)
		stream := open(t, s.connect("client"), shell("a", "echo ready; exec sleep 60"))
		awaitOutput(t, stream, "ready")
		all := descendants(t, s.process.Process.Pid)
		if err := syscall.Kill(all[0], syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		if got := drain(t, stream); got.result["ended"] != "lost" {
			t.Errorf("%+v", got)
		}
		if how := s.ended(); how.Reason != "ended" || how.Signal != 9 {
			t.Errorf("%+v", how)
		}
		mustBeGone(t, s, all...)
	})
}

func TestAnOrderlyEndOfASandbox(t *testing.T) {
	modes(t, func(t *testing.T, mode string) {
		s := isolated(t, mode)
		conn := s.connect("client")
		stream := open(t, conn, shell("a", "trap 'echo bye; exit 4' TERM HUP; echo ready; while :; do sleep 0.01; done"))
		awaitOutput(t, stream, "ready")
		all := descendants(t, s.process.Process.Pid)
		if got := call(t, conn, map[string]any{"op": "shutdown", "grace_ms": 5000}); got.failure != nil {
			t.Fatal(got.failure)
		}
		if got := drain(t, stream); string(got.stdout) != "bye\n" || got.result["status"] != 4.0 {
			t.Errorf("%q, %v", got.stdout, got.result)
		}
		if how := s.ended(); how.Reason != "stopped" || how.Status == nil || *how.Status != 0 {
			t.Errorf("%+v", how)
		}
		mustBeGone(t, s, all...)
	})
}

func TestAHelperThatCannotBuildTheSandboxIsReportedInItsOwnWords(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("as an ordinary user the first step may fail already")
	}
	s := launchShim(t, func(s *shim) {
		s.orders.Mode = launchAsRoot
		s.orders.Prologue, s.orders.Plan = json.RawMessage(`{"stage":"/nonexistent"}`), json.RawMessage(`{}`)
	})
	if line := s.line(); line["error"] != "launch" || line["step"] != "stage" || line["errno"] != 2.0 {
		t.Errorf("%v", line)
	}
	if how := s.ended(); how.Reason != "start_failed" {
		t.Errorf("%+v", how)
	}
	mustBeGone(t, s)
}
