package shim

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// children are the processes that a process has started.
func children(t *testing.T, pid int) []int {
	t.Helper()
	threads, err := filepath.Glob("/proc/" + strconv.Itoa(pid) + "/task/*/children")
	if err != nil {
		t.Fatal(err)
	}
	var found []int
	for _, name := range threads {
		text, err := os.ReadFile(name)
		if err != nil {
			continue
		}
		for _, word := range strings.Fields(string(text)) {
			child, err := strconv.Atoi(word)
			if err != nil {
				t.Fatal(err)
			}
			found = append(found, child)
		}
	}
	return found
}

func TestAShimTellsWhoItIs(t *testing.T) {
	s := newShim(t)
	text, err := os.ReadFile(s.orders.RuntimeDir + "/shim.json")
	if err != nil {
		t.Fatal(err)
	}
	var facts map[string]any
	if err := json.Unmarshal(text, &facts); err != nil {
		t.Fatal(err)
	}
	stat, err := os.ReadFile("/proc/" + strconv.Itoa(s.process.Process.Pid) + "/stat")
	if err != nil {
		t.Fatal(err)
	}
	started, err := startTime(stat)
	if err != nil {
		t.Fatal(err)
	}
	if facts["pid"] != float64(s.process.Process.Pid) || facts["start_time"] != started || len(facts["boot_id"].(string)) != 36 || facts["sandbox"] != "box" {
		t.Fatalf("%v", facts)
	}
	if s.line() != nil {
		t.Fatal("the report goes on after the last line")
	}
}

func TestAShimBelongsToNobody(t *testing.T) {
	kept, inherited := pipe(t)
	s := newShim(t, func(*shim) {
		// Go closes what it opens; this one is left open by mistake.
		if _, err := unix.FcntlInt(inherited.Fd(), unix.F_SETFD, 0); err != nil {
			t.Fatal(err)
		}
	})
	_ = inherited.Close()
	if _, err := kept.Read(make([]byte, 1)); err != io.EOF {
		t.Errorf("a descriptor was inherited: %v", err)
	}
	folder := "/proc/" + strconv.Itoa(s.process.Process.Pid)
	if os.Getuid() == 0 {
		// Others may not look, see below.
		for name, want := range map[string]string{"cwd": "/", "fd/0": "/dev/null", "fd/1": "/dev/null", "fd/2": "/dev/null"} {
			if target, err := os.Readlink(folder + "/" + name); err != nil || target != want {
				t.Errorf("%s is %q, %v", name, target, err)
			}
		}
	}
	text, err := os.ReadFile(folder + "/status")
	if err != nil || !strings.Contains(string(text), "Umask:\t0077\n") {
		t.Errorf("another mask: %v", err)
	}
	if session, err := unix.Getsid(s.process.Process.Pid); err != nil || session != s.process.Process.Pid {
		t.Errorf("session %d, %v", session, err)
	}
	info, err := os.Stat(s.orders.RuntimeDir + "/shim.sock")
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the socket has mode %v, %v", info.Mode(), err)
	}
}

func TestAShimIsNotLookedIntoByItsOwnUser(t *testing.T) {
	s := prepareShim(t, func(s *shim) {
		folder := filepath.Dir(s.orders.RuntimeDir)
		s.orders.Helper = copyProgram(t, s.orders.Helper, folder+"/helper")
		s.program = copyProgram(t, s.program, folder+"/shim")
	})
	if os.Getuid() == 0 {
		s.asUser(somebody)
	}
	s.start()
	s.awaitReady()
	s.asItsUser(func() {
		for _, name := range []string{"environ", "mem", "maps"} {
			if file, err := os.Open(fmt.Sprintf("/proc/%d/%s", s.process.Process.Pid, name)); !errors.Is(err, os.ErrPermission) {
				t.Errorf("%s: %v", name, err)
				_ = file.Close()
			}
		}
	})
}

// mustBeGone checks that only the word on how it ended is left.
func mustBeGone(t *testing.T, s *shim, pids ...int) {
	t.Helper()
	s.awaitExit()
	names, err := os.ReadDir(s.orders.RuntimeDir)
	if err != nil || len(names) != 1 || names[0].Name() != endedName {
		t.Errorf("left: %v, %v", names, err)
	}
	for _, pid := range pids {
		eventually(t, "process "+strconv.Itoa(pid)+" ends", func() bool { return !alive(pid) })
	}
}

func TestSigtermStopsTheSandbox(t *testing.T) {
	s := newShim(t)
	conn := s.connect("client")
	stream := open(t, conn, shell("a", "echo ready; exec sleep 60"))
	pid := int(awaitEvent(t, stream, "started")["pid"].(float64))
	awaitOutput(t, stream, "ready")
	if err := s.process.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if got := drain(t, stream); got.result["ended"] != "signaled" {
		t.Errorf("%+v", got)
	}
	if how := s.ended(); how.Reason != "stopped" || how.Status == nil || *how.Status != 0 || how.At == "" {
		t.Errorf("%+v", how)
	}
	if code := s.process.ProcessState.ExitCode(); code != 0 {
		t.Errorf("exit status %d", code)
	}
	mustBeGone(t, s, pid)
	<-conn.Done()
}

func TestAClientStopsTheSandboxAndIsToldGoodbye(t *testing.T) {
	s := newShim(t)
	conn := s.connect("client")
	if got := call(t, conn, map[string]any{"op": "shutdown", "grace_ms": 100}); got.failure != nil {
		t.Fatal(got.failure)
	}
	<-conn.Done()
	if how := s.ended(); how.Reason != "stopped" {
		t.Errorf("%+v", how)
	}
	mustBeGone(t, s)
}

func TestASandboxThatDoesNotStopIsKilled(t *testing.T) {
	s := launchShim(t, withScript("deaf"))
	eventually(t, "the agent is started", func() bool { return len(children(t, s.process.Process.Pid)) == 1 })
	agent := children(t, s.process.Process.Pid)[0]
	if err := s.process.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if line := s.line(); line["error"] != "launch" {
		t.Errorf("%v", line)
	}
	if how := s.ended(); how.Reason != "stopped" || how.Signal != 9 {
		t.Errorf("%+v", how)
	}
	mustBeGone(t, s, agent)
}

func TestWhenTheAgentIsKilledItsCommandsAreLost(t *testing.T) {
	s := newShim(t)
	stream := open(t, s.connect("client"), shell("a", "echo ready; exec sleep 60"))
	pid := int(awaitEvent(t, stream, "started")["pid"].(float64))
	awaitOutput(t, stream, "ready")
	// Nothing is around this agent that would take its commands along.
	defer func() { _ = syscall.Kill(pid, syscall.SIGKILL) }()
	if err := syscall.Kill(children(t, s.process.Process.Pid)[0], syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	got := drain(t, stream)
	if got.result["ended"] != "lost" || got.result["duration_ms"] == nil {
		t.Errorf("%+v", got)
	}
	if how := s.ended(); how.Reason != "ended" || how.Signal != 9 {
		t.Errorf("%+v", how)
	}
	mustBeGone(t, s)
}

func TestWhenTheShimIsKilledNothingOfTheSandboxIsLeft(t *testing.T) {
	s := newShim(t)
	stream := open(t, s.connect("client"), shell("a", "sleep 60 & echo $!; exec sleep 60"))
	pid := int(awaitEvent(t, stream, "started")["pid"].(float64))
	awaitOutput(t, stream, "\n")
	agent := children(t, s.process.Process.Pid)[0]
	if err := s.process.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	s.awaitExit()
	for _, pid := range []int{agent, pid} {
		eventually(t, "the process ends", func() bool { return !alive(pid) })
	}
	// What the next one finds is of no hindrance.
	again := s.again()
	again.start()
	again.awaitReady()
	if got := call(t, again.connect("client"), shell("a", "true")); got.result["status"] != 0.0 {
		t.Fatalf("%+v", got)
	}
}

func TestAnAgentThatClosesItsConnectionIsNone(t *testing.T) {
	s := newShim(t, withScript("leaves"))
	got := call(t, s.connect("client"), shell("a", "true"))
	if got.result["ended"] != "lost" {
		t.Errorf("%+v", got)
	}
	if how := s.ended(); how.Reason != "agent_lost" || how.Detail == "" {
		t.Errorf("%+v", how)
	}
	mustBeGone(t, s)
}

func TestAStartThatFailsIsReported(t *testing.T) {
	for script, want := range map[string]string{"gone": "with status 7", "client": "not an agent"} {
		s := launchShim(t, withScript(script))
		line := s.line()
		if detail, _ := line["detail"].(string); line["error"] != "launch" || !strings.Contains(detail, want) || s.line() != nil {
			t.Errorf("%s: %v", script, line)
		}
		if how := s.ended(); how.Reason != "start_failed" {
			t.Errorf("%s: %+v", script, how)
		}
		mustBeGone(t, s)
	}
}

func TestWhatTheSandboxSaysOfItsStartIsPassedOnAndSaidOnce(t *testing.T) {
	s := launchShim(t, withScript("fails"))
	if line := s.line(); line["copied"] != true || line["step"] != "overlay" {
		t.Errorf("first: %v", line)
	}
	if line := s.line(); line["error"] != "exec" || line["errno"] != 13.0 || line["detail"] != "permission denied" {
		t.Errorf("second: %v", line)
	}
	if line := s.line(); line != nil {
		t.Errorf("third: %v", line)
	}
	s.awaitExit()
	if s.process.ProcessState.ExitCode() != 1 {
		t.Error("it counts as a success")
	}
}

func TestAHelperThatIsNotThereIsReported(t *testing.T) {
	s := launchShim(t, func(s *shim) { s.orders.Helper = "/nonexistent/helper" })
	line := s.line()
	if line["error"] != "launch" || line["step"] != "start the sandbox" || line["errno"] != 2.0 || !strings.Contains(line["detail"].(string), "/nonexistent/helper") {
		t.Errorf("%v", line)
	}
	if how := s.ended(); how.Reason != "start_failed" {
		t.Errorf("%+v", how)
	}
	mustBeGone(t, s)
}

func TestAFolderThatIsNotOursAloneIsRefused(t *testing.T) {
	s := launchShim(t, func(s *shim) {
		if err := os.Chmod(s.orders.RuntimeDir, 0o755); err != nil {
			t.Fatal(err)
		}
	})
	if line := s.line(); line["error"] != "launch" || line["step"] != "runtime folder" || !strings.Contains(line["detail"].(string), "mode 755") {
		t.Errorf("%v", line)
	}
	s.awaitExit()
	if names, err := os.ReadDir(s.orders.RuntimeDir); err != nil || len(names) != 0 {
		t.Errorf("%v, %v", names, err)
	}
}

func TestAStarterThatIsGoneChangesNothing(t *testing.T) {
	s := launchShim(t)
	if err := s.report.Close(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the socket listens", func() bool {
		_, err := os.Stat(s.orders.RuntimeDir + "/shim.json")
		return err == nil
	})
	conn := s.connect("daemon")
	if got := call(t, conn, shell("a", "exit 3")); got.result["status"] != 3.0 {
		t.Fatalf("%+v", got)
	}
}

func TestEverythingThatWasSentIsReadThoughTheAgentIsGone(t *testing.T) {
	s := newShim(t)
	slow := open(t, s.connect("client"), shell("a", "head -c 200000 /dev/zero; echo; exec sleep 60"))
	conn := s.connect("client")
	eventually(t, "all was written", func() bool {
		one := describe(t, conn, "a")
		return one != nil && one["stdout"].(map[string]any)["end"] == 200001.0
	})
	if err := s.process.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if got := drain(t, slow); len(got.stdout) != 200001 || got.result["ended"] != "signaled" {
		t.Fatalf("%d bytes, %v", len(got.stdout), got.result)
	}
}
