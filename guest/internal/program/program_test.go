package program

import (
	"os"
	"os/exec"
	"strings"
	"testing"
)

func TestMain(m *testing.M) {
	if os.Getenv("PROGRAM_TEST") != "" {
		Main(Modes{"count": func(arguments []string) int { return len(arguments) }})
	}
	os.Exit(m.Run())
}

func run(t *testing.T, arguments ...string) (exit int, said string) {
	t.Helper()
	program := exec.Command("/proc/self/exe", arguments...)
	program.Env = append(os.Environ(), "PROGRAM_TEST=1")
	text, _ := program.CombinedOutput()
	return program.ProcessState.ExitCode(), string(text)
}

func TestAModeGetsTheArgumentsAfterItAndGivesTheExitStatus(t *testing.T) {
	if exit, said := run(t, "count", "a", "", "c"); exit != 3 || said != "" {
		t.Errorf("exit %d, %q", exit, said)
	}
}

func TestWhoeverStartsItByHandIsToldWhoseProgramItIs(t *testing.T) {
	for _, arguments := range [][]string{nil, {""}, {"--help"}, {"Count"}} {
		if exit, said := run(t, arguments...); exit != 2 || !strings.Contains(said, "agentkernel --help") {
			t.Errorf("%q: exit %d, %q", arguments, exit, said)
		}
	}
}
