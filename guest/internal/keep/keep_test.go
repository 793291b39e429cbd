package keep

import (
	"bufio"
	"encoding/json"
	"os"
	"os/exec"
	"reflect"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"agentkernel/guest/internal/filetest"
)

// start starts a shell script and waits for the line it prints when it is ready.
func start(t *testing.T, script string) (*exec.Cmd, string) {
	t.Helper()
	command := exec.Command("/bin/sh", "-c", script)
	output, err := command.StdoutPipe()
	if err == nil {
		err = command.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = command.Process.Kill()
		_ = command.Wait()
	})
	if _, err := bufio.NewReader(output).ReadString('\n'); err != nil {
		t.Fatal(err)
	}
	started, err := startTimeOf(command.Process.Pid)
	if err != nil {
		t.Fatal(err)
	}
	return command, started
}

func endedBy(t *testing.T, command *exec.Cmd) syscall.WaitStatus {
	t.Helper()
	_ = command.Wait()
	return command.ProcessState.Sys().(syscall.WaitStatus)
}

func TestEndAsksFirst(t *testing.T) {
	command, started := start(t, `trap "exit 7" TERM; echo ready; while :; do sleep 0.01; done`)
	filetest.Within(t, func() {
		if err := end(command.Process.Pid, started, 20_000); err != nil {
			t.Error(err)
		}
	})
	if how := endedBy(t, command); how.ExitStatus() != 7 {
		t.Errorf("it ended with %v", how)
	}
}

func TestEndKillsWhatDoesNotListen(t *testing.T) {
	command, started := start(t, `trap "" TERM; echo ready; while :; do sleep 0.01; done`)
	filetest.Within(t, func() {
		if err := end(command.Process.Pid, started, 50); err != nil {
			t.Error(err)
		}
	})
	if how := endedBy(t, command); how.Signal() != syscall.SIGKILL {
		t.Errorf("it ended with %v", how)
	}
}

func TestEndWithoutGraceKillsAtOnce(t *testing.T) {
	command, started := start(t, `trap "exit 7" TERM; echo ready; while :; do sleep 0.01; done`)
	if err := end(command.Process.Pid, started, 0); err != nil {
		t.Fatal(err)
	}
	if how := endedBy(t, command); how.Signal() != syscall.SIGKILL {
		t.Errorf("it ended with %v", how)
	}
}

func TestEndLeavesAProcessAloneThatHasTheNumberOfAnother(t *testing.T) {
	command, started := start(t, `echo ready; exec sleep 1000`)
	ticks, err := strconv.Atoi(started)
	if err != nil {
		t.Fatal(err)
	}
	if err := end(command.Process.Pid, strconv.Itoa(ticks-1), 20_000); err != nil {
		t.Fatal(err)
	}
	if err := command.Process.Signal(syscall.Signal(0)); err != nil {
		t.Errorf("it has ended: %v", err)
	}
}

func TestEndOfWhatIsGone(t *testing.T) {
	command, started := start(t, `echo ready; exec sleep 1000`)
	_ = command.Process.Kill()
	// It is a zombie until somebody waits for it, and nothing after.
	for range 2 {
		filetest.Within(t, func() {
			if err := end(command.Process.Pid, started, 20_000); err != nil {
				t.Error(err)
			}
		})
		_ = command.Wait()
	}
}

func TestEndRefusesNumbersThatAreNoProcess(t *testing.T) {
	for _, arguments := range [][]string{{"1", "5", "0"}, {"0", "5", "0"}, {"-1", "5", "0"}, {"x", "5", "0"}, {"5", "5", "-1"}} {
		if err := endProcess(arguments); err == nil {
			t.Errorf("%q was taken", arguments)
		}
	}
}

func orders(t *testing.T, value map[string]any) *strings.Reader {
	t.Helper()
	value["owner"] = map[string]int{"uid": os.Getuid(), "gid": os.Getgid()}
	text, err := json.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	return strings.NewReader(string(text))
}

func TestCopyProjectDoesAsOrdered(t *testing.T) {
	source := filetest.Make(t, map[string]string{"a": "one", ".env": "hush", "config": "token"})
	target := t.TempDir() + "/copy"
	if step, err := copyProject(orders(t, map[string]any{
		"source": source, "target": target, "hidden": []string{".env"}, "replaced": []any{map[string]string{"path": "config", "content": "clean"}},
	})); err != nil {
		t.Fatal(step, err)
	}
	if got, want := filetest.Names(t, target), []string{"a", "config"}; !reflect.DeepEqual(got, want) {
		t.Errorf("copied %q", got)
	}
	if got := filetest.Read(t, target+"/config"); got != "clean" {
		t.Errorf("config holds %q", got)
	}
}

func TestCopyProjectRefusesASourceBehindASymlinkAndATargetThatIsThere(t *testing.T) {
	root := filetest.Make(t, map[string]string{"real/project/a": "x", "link": "-> real", "there/": ""})
	for source, target := range map[string]string{
		root + "/link/project": root + "/copy", root + "/missing": root + "/copy", root + "/real/project": root + "/there", root + "/real/project/a": root + "/copy",
	} {
		if _, err := copyProject(orders(t, map[string]any{"source": source, "target": target})); err == nil {
			t.Errorf("%s was copied to %s", source, target)
		}
	}
	if _, err := os.Lstat(root + "/copy"); !os.IsNotExist(err) {
		t.Errorf("something was made: %v", err)
	}
}
