package shim

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"agentkernel/guest/internal/plan"
	"agentkernel/guest/internal/wire"
)

// pidsGroup is a control group for one test; what it is for is skipped where none can be made.
func pidsGroup(t *testing.T) string {
	t.Helper()
	for _, place := range []string{"/sys/fs/cgroup/pids", "/sys/fs/cgroup"} {
		group := fmt.Sprintf("%s/agentkernel-enter-test-%d", place, os.Getpid())
		if os.Mkdir(group, 0o755) != nil {
			continue
		}
		t.Cleanup(func() {
			eventually(t, "the group is empty", func() bool {
				err := os.Remove(group)
				return err == nil || errors.Is(err, unix.ENOENT)
			})
		})
		if _, err := os.Stat(group + "/cgroup.procs"); err == nil {
			return group
		}
	}
	t.Skip("no control group can be made here")
	return ""
}

func TestACommandApartIsInTheSandboxsControlGroups(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("needs root")
	}
	group := pidsGroup(t)
	s := isolated(t, launchAsRoot, withNetwork, func(s *shim) {
		s.amend = func(p *plan.Plan) { p.CgroupProcs = []string{group + "/cgroup.procs"} }
	})
	conn := s.connect("client")
	stream := open(t, conn, apartShell("a", "echo ready; exec sleep 60"))
	awaitOutput(t, stream, "ready")
	members, err := os.ReadFile(group + "/cgroup.procs")
	if err != nil {
		t.Fatal(err)
	}
	in := map[string]bool{}
	for _, pid := range strings.Fields(string(members)) {
		in[pid] = true
	}
	agent := fmt.Sprint(servant(t, s))
	if !in[agent] {
		t.Errorf("the agent %s is in none of %q", agent, members)
	}
	for _, pid := range children(t, servant(t, s)) {
		if !in[fmt.Sprint(pid)] {
			t.Errorf("the command %d is in none of %q", pid, members)
		}
	}
	// bubblewrap, process 1, the agent and the command: nothing of ours that is outside.
	if len(in) != 4 {
		t.Errorf("members: %q", members)
	}
	stream.Cancel()
	drain(t, stream)
}

func TestWhereGroupsCannotBeJoinedACommandApartHasTheLimitsOfTheOthers(t *testing.T) {
	modes(t, func(t *testing.T, mode string) {
		s := isolated(t, mode, withNetwork, func(s *shim) {
			s.amend = func(p *plan.Plan) {
				p.CgroupProcs, p.FallbackLimits = []string{"/nonexistent/cgroup.procs"}, json.RawMessage(`[{"resource":7,"value":77}]`)
			}
		})
		conn := s.connect("client")
		for name, order := range map[string]map[string]any{"another": shell("a", "ulimit -n"), "one apart": apartShell("b", "ulimit -n")} {
			if got := call(t, conn, order); string(got.stdout) != "77\n" {
				t.Errorf("%s: %q, %q, %v", name, got.stdout, got.stderr, got.failure)
			}
		}
	})
}

// The agent of a command apart begins its life among others of the same user. Nothing of it may be open to them, at no time.
func TestNobodyLooksIntoTheAgentWhileItStarts(t *testing.T) {
	const attack = `import os
seen = set()
print("ready", flush=True)
while True:
    for name in os.listdir("/proc"):
        if not name.isdigit() or name == str(os.getpid()): continue
        base = "/proc/" + name
        try:
            line = open(base + "/cmdline", "rb").read()
        except OSError: continue
        if b"python" in line or b"agent-apart" not in line and b"enter-" not in line: continue
        # Numbers of descriptors may be seen, but not what they are. A command has no sockets, nor is it /own/init.
        for number in range(3, 24):
            try:
                if not os.readlink(base + "/fd/%d" % number).startswith("/proc"): print("OPEN fd", line, flush=True)
            except OSError: pass
        try:
            if b"/own/init" in open(base + "/maps", "rb").read(4096): print("OPEN maps", line, flush=True)
        except OSError: pass
        try:
            if b"GOMAXPROCS" in open(base + "/environ", "rb").read(): print("OPEN environ", line, flush=True)
        except OSError: pass
        if name not in seen:
            seen.add(name)
            print("saw", flush=True)
`
	if _, err := os.Stat("/usr/bin/python3"); err != nil {
		t.Skip("needs python")
	}
	modes(t, func(t *testing.T, mode string) {
		s := isolatedWithGateway(t, mode)
		conn := s.connect("client")
		var attackers []*wire.Stream
		for i := range 2 {
			stream := open(t, conn, shell(fmt.Sprint("attack", i), "", map[string]any{"argv": []string{"/usr/bin/python3", "-c", attack}}))
			awaitOutput(t, stream, "ready")
			attackers = append(attackers, stream)
		}
		for i := range 30 {
			if got := call(t, conn, apartShell(fmt.Sprint("c", i), "true")); got.failure != nil {
				t.Fatal(got.failure)
			}
		}
		saw := 0
		for _, stream := range attackers {
			stream.Cancel()
			got := drain(t, stream)
			saw += strings.Count(string(got.stdout), "saw")
			if strings.Contains(string(got.stdout), "OPEN") {
				t.Errorf("it could: %.300q", got.stdout)
			}
		}
		if saw == 0 {
			t.Error("the attackers saw none of them")
		}
	})
}
