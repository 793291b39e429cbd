package agent

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"agentkernel/guest/internal/wire"
)

func TestACommandsOutputAndStatusArrive(t *testing.T) {
	h := serving(t)
	o := h.run(shell(`echo out; echo err >&2; exit 7`)).exited(t, 7)
	if o.stdout != "out\n" || o.stderr != "err\n" || o.result.MaxRSS <= 0 {
		t.Errorf("%+v", o)
	}
	for _, status := range []int{0, 1, 127, 255} {
		h.run(shell("exit "+strconv.Itoa(status))).exited(t, status)
	}
}

func TestASignalThatEndsACommandIsTold(t *testing.T) {
	h := serving(t)
	for _, number := range []int{6, 9, 11, 15} {
		o := h.run(shell("kill -" + strconv.Itoa(number) + " $$"))
		if o.result.Ended != "signaled" || o.result.Signal != number || o.result.Status != nil {
			t.Errorf("signal %d: %+v", number, o.result)
		}
	}
}

func TestOnlyTheGivenVariablesReachACommand(t *testing.T) {
	t.Setenv("SECRET_OF_THE_AGENT", "x")
	o := serving(t).run(object{"op": "exec", "argv": []string{"/usr/bin/env"}, "env": []string{"B=2", "A=1 and more", "EMPTY="}, "cwd": "/"})
	if o.exited(t, 0).stdout != "B=2\nA=1 and more\nEMPTY=\n" {
		t.Errorf("%q", o.stdout)
	}
}

func TestACommandStartsInItsFolderAndLooksForProgramsThere(t *testing.T) {
	folder := t.TempDir()
	if err := os.MkdirAll(folder+"/bin", 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(folder+"/bin/own", []byte("#!/bin/sh\npwd\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	real, err := filepath.EvalSymlinks(folder)
	if err != nil {
		t.Fatal(err)
	}
	h := serving(t)
	for name, path := range map[string]string{"./bin/own": "/bin", "own": "bin:/bin"} {
		o := h.run(object{"op": "exec", "argv": []string{name}, "env": []string{"PATH=" + path}, "cwd": folder})
		if o.exited(t, 0).stdout != real+"\n" {
			t.Errorf("%s: %q", name, o.stdout)
		}
	}
}

func TestACommandHasASessionOfItsOwnAndNothingElseOfOurs(t *testing.T) {
	// As it is shipped: this test may have been given descriptors of others.
	p := contained(t, `{}`)
	o := p.run(shell(`cat /proc/self/stat | cut -d' ' -f6; echo $$; ls /proc/self/fd | tr '\n' ' '; umask; readlink /proc/self/fd/0`)).exited(t, 0)
	lines := strings.Split(o.stdout, "\n")
	// ls itself has opened 3.
	if lines[0] != lines[1] || lines[2] != "0 1 2 3 0022" || lines[3] != "/dev/null" {
		t.Errorf("%q", lines)
	}
}

func TestInputReachesACommandAndEnds(t *testing.T) {
	r := serving(t).start(shell("cat; echo end", object{"stdin": true}))
	sent := strings.Repeat("0123456789abcdef", 1<<17)
	go func() {
		_ = r.Write(wire.In, []byte(sent))
		r.CloseChannel(wire.In)
	}()
	if o := r.finish().exited(t, 0); o.stdout != sent+"end\n" {
		t.Errorf("%d bytes came back of %d", len(o.stdout), len(sent))
	}
}

func TestACommandThatDoesNotReadItsInputStillEnds(t *testing.T) {
	h := serving(t)
	r := h.start(shell("exec 0</dev/null; echo closed; exit 3", object{"stdin": true}))
	r.until("closed")
	go func() { _ = r.Write(wire.In, make([]byte, 4<<20)) }()
	r.finish().exited(t, 3)
	// Also when something else keeps the input and never reads.
	r = h.start(shell("sleep 1000 <&0 >/dev/null 2>&1 & echo $!", object{"stdin": true}))
	go func() { _ = r.Write(wire.In, make([]byte, 4<<20)) }()
	o := r.finish().exited(t, 0)
	killed(t, o.stdout)
}

// killed ends a process that a command left behind.
func killed(t *testing.T, number string) {
	t.Helper()
	pid, err := strconv.Atoi(strings.TrimSpace(number))
	if err != nil {
		t.Fatal(err)
	}
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		t.Errorf("it is gone already: %v", err)
	}
	eventually(t, "it is reaped", func() bool { return syscall.Kill(pid, 0) != nil })
}

func TestWhatCannotStartSaysWhy(t *testing.T) {
	folder := t.TempDir()
	for name, content := range map[string]string{"text": "x", "noexec": "#!/bin/sh\n", "badline": "#!/no/such\n", "binary": "\x7fELFnot"} {
		mode := os.FileMode(0o755)
		if name == "noexec" {
			mode = 0o644
		}
		if err := os.WriteFile(folder+"/"+name, []byte(content), mode); err != nil {
			t.Fatal(err)
		}
	}
	h := serving(t)
	for _, c := range []struct {
		name string
		more object
		code string
		is   syscall.Errno
	}{
		{"no-such-command", nil, "command_not_found", syscall.ENOENT},
		{folder + "/missing", nil, "command_not_found", syscall.ENOENT},
		{folder + "/noexec", nil, "command_not_executable", syscall.EACCES},
		{folder, nil, "command_not_executable", syscall.EISDIR},
		{folder + "/badline", nil, "command_not_executable", syscall.ENOENT},
		{folder + "/binary", nil, "command_not_executable", syscall.ENOEXEC},
		{"sh", object{"cwd": folder + "/missing"}, "workdir_not_found", syscall.ENOENT},
		{"sh", object{"cwd": folder + "/text"}, "workdir_not_found", syscall.ENOTDIR},
		{"sh", object{"argv": []string{"sh", strings.Repeat("x", 200_000)}}, "command_not_executable", syscall.E2BIG},
	} {
		order := shell("exit", object{"argv": []string{c.name}}, c.more)
		if got := h.refused(order); got.Code != c.code || got.Errno != int(c.is) {
			t.Errorf("%s: %+v", c.name, got)
		}
	}
}

func TestAnOrderThatMakesNoSenseIsInvalid(t *testing.T) {
	h := serving(t)
	for what, members := range map[string]object{
		"no argv":            {"argv": []string{}},
		"argv of another":    {"argv": "sh"},
		"NUL in an argument": {"argv": []string{"sh", "a\x00b"}},
		"NUL in a variable":  {"env": []string{"A=a\x00b"}},
		"no variable":        {"env": []string{"A"}},
		"no name":            {"env": []string{"=a"}},
		"relative folder":    {"cwd": "tmp"},
		"no folder":          {"cwd": ""},
		"NUL in the folder":  {"cwd": "/a\x00"},
		"long folder":        {"cwd": "/" + strings.Repeat("a", 5000)},
		"negative time":      {"timeout_ms": -1},
		"flat terminal":      {"tty": object{"cols": 0, "rows": 10}},
		"huge terminal":      {"tty": object{"cols": 80, "rows": 1 << 20}},
		"another user":       {"user": "postgres"},
	} {
		if got := h.refused(shell("exit", members)); got.Code != "invalid" {
			t.Errorf("%s: %+v", what, got)
		}
	}
	if got := h.refused(object{"op": "no_such_op"}); got.Code != "unknown_op" {
		t.Errorf("%+v", got)
	}
}

func TestAMistakeInOneOperationDoesNotEndTheAgent(t *testing.T) {
	shared, err := inProcess()
	if err != nil {
		t.Fatal(err)
	}
	h := servedBy(t, &agent{tidy: shared.tidy, ops: map[string]func(*wire.Stream){"broken": func(*wire.Stream) { panic("broken") }}})
	if got := h.refused(object{"op": "broken"}); got.Code != "io" {
		t.Errorf("%+v", got)
	}
	if got := h.refused(object{"op": "nothing"}); got.Code != "unknown_op" {
		t.Errorf("%+v", got)
	}
}

func TestSignalsOfTheHostReachTheWholeGroup(t *testing.T) {
	h := serving(t)
	r := h.start(shell(`trap 'wait; exit 5' USR1; (trap 'echo the child too; exit' USR1; echo ready; while :; do sleep 0.01; done) & wait`))
	r.until("ready")
	if err := r.Event(object{"event": "signal", "signal": int(syscall.SIGUSR1)}); err != nil {
		t.Fatal(err)
	}
	if o := r.finish().exited(t, 5); o.stdout != "the child too\n" {
		t.Errorf("%q", o.stdout)
	}
	// Not through a shell, which may drop a signal on its way to becoming this.
	r = h.start(shell("", object{"argv": []string{"sleep", "1000"}}))
	for _, event := range []object{{"event": "signal"}, {"event": "signal", "signal": 65}, {"event": "signal", "signal": -9}, {"event": "resize", "cols": 1, "rows": 1}, {"event": "what"}} {
		if err := r.Event(event); err != nil {
			t.Fatal(err)
		}
	}
	if err := r.Event(object{"event": "signal", "signal": int(syscall.SIGINT)}); err != nil {
		t.Fatal(err)
	}
	if o := r.finish(); o.result.Signal != int(syscall.SIGINT) {
		t.Errorf("%+v", o.result)
	}
}
