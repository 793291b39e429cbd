package shim

import (
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"agentkernel/guest/internal/wire"
)

// apartShell is a command with a network of its own.
func apartShell(id, script string, more ...map[string]any) map[string]any {
	return shell(id, script, append(more, map[string]any{"network": true, "argv": []string{"/bin/bash", "-c", script}})...)
}

// fetch is a script that connects to a server and shows what comes: through the device, or through the proxy where there is none.
const fetch = `fetch() {
	if grep -q tun0 /proc/net/dev; then
		exec 3<>/dev/tcp/203.0.113.7/443 || return
	else
		exec 3<>/dev/tcp/127.0.0.1/${HTTP_PROXY##*:} && printf 'CONNECT 203.0.113.7:443 HTTP/1.1\r\nHost: x\r\n\r\n' >&3 || return
		while read -r line <&3 && [ "$line" != $'\r' ]; do :; done
	fi
	printf hello >&3
	read -t 10 -N 60 text <&3
	echo "$text"
}
`

// tagged is what a gateway says of the flow.
func tagged(s *wire.Stream) {
	var flow struct {
		Tag string `json:"tag"`
	}
	_ = json.Unmarshal(s.Payload(), &flow)
	_ = s.Event(map[string]any{"event": "connected"})
	_ = s.Write(wire.Out, []byte(fmt.Sprintf("tag=%s;%60s", flow.Tag, "")))
	for {
		m, err := s.Recv()
		if err != nil || m.Kind == wire.EOFType {
			break
		}
	}
	s.End(struct{}{})
}

func isolatedWithGateway(t *testing.T, mode string) *shim {
	t.Helper()
	s := isolated(t, mode, withNetwork)
	s.gatewayOf("gateway", tagged)
	return s
}

func TestTheFlowsOfACommandWithANetworkOfItsOwnBearItsId(t *testing.T) {
	modes(t, func(t *testing.T, mode string) {
		s := isolatedWithGateway(t, mode)
		conn := s.connect("client")
		if peer := conn.Peer(); !peer.Has(featureNetworks) {
			t.Errorf("%+v", peer)
		}
		for _, c := range []struct {
			order map[string]any
			want  string
		}{
			{apartShell("one", fetch+"fetch"), "tag=one;"},
			{shell("two", "", map[string]any{"argv": []string{"/bin/bash", "-c", fetch + "fetch"}}), "tag=;"},
			{apartShell("three", fetch+"fetch"), "tag=three;"},
		} {
			got := call(t, conn, c.order)
			if !strings.HasPrefix(string(got.stdout), c.want) || got.result["status"] != 0.0 {
				t.Errorf("%q, %q, %v, %v, want %s", got.stdout, got.stderr, got.result, got.failure, c.want)
			}
		}
		mustHaveNoneApart(t, s)
	})
}

// mustHaveNoneApart checks that nothing is left but the sandbox itself and its process 1.
func mustHaveNoneApart(t *testing.T, s *shim) {
	t.Helper()
	most := 2
	if s.orders.Mode == launchAsUser {
		most = 3
	}
	left := func() []int { return descendants(t, s.process.Process.Pid) }
	for deadline := time.Now().Add(tooLong); len(left()) != most; time.Sleep(2 * time.Millisecond) {
		if time.Now().After(deadline) {
			for _, pid := range left() {
				text, _ := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/status")
				t.Errorf("left:\n%s", text)
			}
			t.FailNow()
		}
	}
}

func TestACommandApartIsAsMuchInTheSandboxAsOthers(t *testing.T) {
	modes(t, func(t *testing.T, mode string) {
		s := isolatedWithGateway(t, mode)
		conn := s.connect("client")
		look := `sed -n '/^\(Uid\|Gid\|Groups\|Cap\|NoNewPrivs\|Seccomp\|NSpid\)/{/NSpid/!p}' /proc/self/status; cat /proc/self/uid_map /proc/self/gid_map
for n in mnt pid ipc uts cgroup user; do readlink /proc/self/ns/$n; done; cat /proc/self/cgroup /proc/self/mountinfo; pwd; ulimit -a; umask
env | grep -iv proxy | grep -v '^_=\|SHLVL' | sort; cat /proc/self/oom_score_adj; cat /proc/self/setgroups; ls -l /proc/self/fd | wc -l`
		ordinary := call(t, conn, shell("a", look, map[string]any{"argv": []string{"/bin/bash", "-c", look}}))
		apart := call(t, conn, apartShell("b", look))
		if string(ordinary.stdout) != string(apart.stdout) || len(apart.stdout) < 500 || len(apart.stderr) > 0 {
			t.Errorf("%s\n---- apart:\n%s%s", ordinary.stdout, apart.stdout, apart.stderr)
		}
		for _, want := range []string{"CapEff:\t0000000000000000", "CapBnd:\t0000000000000000", "CapInh:\t0000000000000000", "CapAmb:\t0000000000000000", "CapPrm:\t0000000000000000", "NoNewPrivs:\t1", "Seccomp:\t2"} {
			if !strings.Contains(string(apart.stdout), want) {
				t.Errorf("no %q", want)
			}
		}
		spaces := `readlink /proc/self/ns/net`
		if one, two := call(t, conn, shell("c", spaces)), call(t, conn, apartShell("d", spaces)); string(one.stdout) == string(two.stdout) || len(two.stdout) == 0 {
			t.Errorf("networks %q and %q", one.stdout, two.stdout)
		}
	})
}

func TestWhatServesACommandApartIsOutOfTheSandboxsReach(t *testing.T) {
	modes(t, func(t *testing.T, mode string) {
		s := isolatedWithGateway(t, mode)
		conn := s.connect("client")
		stream := open(t, conn, apartShell("a", "echo ready; exec sleep 60"))
		awaitOutput(t, stream, "ready")
		agent := servant(t, s)
		// Of the agent only its number and name are seen, by everybody inside.
		script := `found=
for p in /proc/[0-9]*; do
	case $(tr '\0' ' ' <$p/cmdline 2>/dev/null) in '/own/init agent-apart'*) found=$p;; esac
done
echo found $([ -n "$found" ] && echo one)
ls $found/fd 2>/dev/null | wc -l; cat $found/mem $found/environ $found/fd/* $found/maps 2>/dev/null | wc -c; readlink $found/exe $found/ns/net
grep -h '^Cap\|^NoNewPrivs\|^Seccomp:' $found/status | sort | tr '\n\t' ' :'
for n in net user mnt; do nsenter --$n=$found/ns/$n true 2>/dev/null && echo entered $n; nsenter --$n=/proc/1/ns/$n true 2>/dev/null && echo entered 1 $n; done
nsenter -t ${found#/proc/} -n true 2>/dev/null && echo entered; (exec 9<>/dev/net/tun) 2>/dev/null && echo tun; unshare -n true 2>/dev/null && echo unshared
ip link set tun0 down 2>/dev/null && echo down; ip link set lo down 2>/dev/null && echo lo; ip link add x type dummy 2>/dev/null && echo dummy; echo end`
		for name, order := range map[string]map[string]any{
			"another command": shell("b", script, map[string]any{"argv": []string{"/bin/bash", "-c", script}}), "one apart": apartShell("c", script),
		} {
			got := call(t, conn, order)
			want := "found one\n0\n0\nCapAmb::0000000000000000 CapBnd::0000000000000000 CapEff::0000000000000000 CapInh::0000000000000000 CapPrm::0000000000000000 NoNewPrivs::1 Seccomp::2 end\n"
			if string(got.stdout) != want {
				t.Errorf("%s sees %q, %q, want %q", name, got.stdout, got.stderr, want)
			}
		}
		status, err := os.ReadFile("/proc/" + strconv.Itoa(agent) + "/status")
		if err != nil || !strings.Contains(string(status), "CapPrm:\t0000000000000000") {
			t.Errorf("%s, %v", status, err)
		}
		for _, task := range tasks(t, agent) {
			status, _ := os.ReadFile("/proc/" + strconv.Itoa(agent) + "/task/" + task + "/status")
			if len(status) > 0 && strings.Count(string(status), "\t0000000000000000\n") < 5 {
				t.Errorf("a thread has capabilities:\n%s", status)
			}
		}
	})
}

func tasks(t *testing.T, pid int) []string {
	t.Helper()
	entries, err := os.ReadDir("/proc/" + strconv.Itoa(pid) + "/task")
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, entry := range entries {
		names = append(names, entry.Name())
	}
	return names
}

// servant is the agent of the only command apart, as the host sees it.
func servant(t *testing.T, s *shim) int {
	t.Helper()
	for _, pid := range descendants(t, s.process.Process.Pid) {
		text, _ := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/cmdline")
		if strings.Contains(string(text), "agent-apart") {
			return pid
		}
	}
	t.Fatal("there is none")
	return 0
}

func TestCommandsApartAndOthersSeeAndSignalEachOther(t *testing.T) {
	modes(t, func(t *testing.T, mode string) {
		s := isolatedWithGateway(t, mode)
		conn := s.connect("client")
		wait := "trap 'echo signaled; exit 5' USR1; echo ready; while :; do read -t 0.02 <> <(:); done"
		for _, c := range []struct {
			sleeper, killer func(id, script string, more ...map[string]any) map[string]any
		}{{shell, apartShell}, {apartShell, shell}} {
			order := c.sleeper("a", wait, map[string]any{})
			order["argv"] = []string{"/bin/bash", "-c", wait}
			stream := open(t, conn, order)
			pid := awaitEvent(t, stream, "started")["pid"].(float64)
			awaitOutput(t, stream, "ready")
			if got := call(t, conn, c.killer("b", fmt.Sprintf("kill -USR1 %d", int(pid)))); got.result["status"] != 0.0 {
				t.Fatalf("%q %v", got.stderr, got.result)
			}
			if got := drain(t, stream); !strings.Contains(string(got.stdout), "signaled") || got.result["status"] != 5.0 {
				t.Errorf("%q, %v", got.stdout, got.result)
			}
			for _, id := range []string{"a", "b"} {
				call(t, conn, map[string]any{"op": "exec_remove", "id": id})
			}
		}
	})
}

func TestSignalsAndInputReachACommandApart(t *testing.T) {
	s := isolatedWithGateway(t, launchAsRoot)
	conn := s.connect("client")
	stream := open(t, conn, apartShell("in", "cat", map[string]any{"stdin": true}))
	awaitEvent(t, stream, "started")
	_ = stream.Write(wire.In, []byte("text"))
	stream.CloseChannel(wire.In)
	if got := drain(t, stream); string(got.stdout) != "text" || got.result["status"] != 0.0 {
		t.Errorf("%q %v", got.stdout, got.result)
	}
	stream = open(t, conn, apartShell("sleep", "exec sleep 60"))
	awaitEvent(t, stream, "started")
	if got := call(t, conn, map[string]any{"op": "exec_signal", "id": "sleep", "signal": 10}); got.failure != nil {
		t.Error(got.failure)
	}
	if got := drain(t, stream); got.result["signal"] != 10.0 {
		t.Errorf("%v", got.result)
	}
	stream = open(t, conn, apartShell("cancel", "exec sleep 60"))
	awaitEvent(t, stream, "started")
	stream.Cancel()
	if got := drain(t, stream); got.result["ended"] != "canceled" {
		t.Errorf("%v", got.result)
	}
	if got := call(t, conn, apartShell("late", "exec sleep 60", map[string]any{"timeout_ms": 50})); got.result["ended"] != "timed_out" {
		t.Errorf("%v", got.result)
	}
	if got := call(t, conn, map[string]any{"op": "exec", "id": "none", "argv": []string{"/nonexistent"}, "env": []string{}, "cwd": "/", "network": true}); got.failure == nil || got.failure.Code != "command_not_found" {
		t.Errorf("%+v", got)
	}
	mustHaveNoneApart(t, s)
}

func TestWhatACommandApartLeavesBehindEndsWithIt(t *testing.T) {
	modes(t, func(t *testing.T, mode string) {
		s := isolatedWithGateway(t, mode)
		conn := s.connect("client")
		got := call(t, conn, apartShell("a", "setsid sh -c 'sleep 61 & sleep 61' >/dev/null 2>&1 & echo $!; sleep 0.1"))
		if got.result["status"] != 0.0 {
			t.Fatalf("%+v", got)
		}
		if got := call(t, conn, shell("b", "grep -lx sleep /proc/[0-9]*/comm 2>/dev/null")); len(got.stdout) > 0 {
			t.Errorf("left: %s", got.stdout)
		}
		mustHaveNoneApart(t, s)
	})
}

func TestAKilledAgentOfACommandApartTakesItsNetworkAndItsProcessesAlong(t *testing.T) {
	modes(t, func(t *testing.T, mode string) {
		s := isolatedWithGateway(t, mode)
		conn := s.connect("client")
		stream := open(t, conn, apartShell("a", "setsid sleep 61 & sleep 61 & echo ready; exec sleep 61"))
		awaitOutput(t, stream, "ready")
		// As the sandbox itself can.
		kill := `for p in /proc/[0-9]*; do case $(tr '\0' ' ' <$p/cmdline 2>/dev/null) in '/own/init agent-apart'*) kill -KILL ${p#/proc/};; esac; done`
		call(t, conn, shell("b", "", map[string]any{"argv": []string{"/bin/bash", "-c", kill}}))
		if got := drain(t, stream); got.result["ended"] != "lost" {
			t.Errorf("%+v", got)
		}
		mustHaveNoneApart(t, s)
		if got := call(t, conn, apartShell("c", fetch+"fetch")); !strings.HasPrefix(string(got.stdout), "tag=c;") {
			t.Errorf("afterwards: %+v", got)
		}
	})
}

func TestAKilledShimTakesCommandsApartAlong(t *testing.T) {
	modes(t, func(t *testing.T, mode string) {
		s := isolatedWithGateway(t, mode)
		stream := open(t, s.connect("client"), apartShell("a", "setsid sleep 61 & echo ready; exec sleep 61"))
		awaitOutput(t, stream, "ready")
		all := descendants(t, s.process.Process.Pid)
		if len(all) < 6 {
			t.Fatalf("%d processes", len(all))
		}
		_ = s.process.Process.Kill()
		s.awaitExit()
		for _, pid := range all {
			eventually(t, "nothing is left", func() bool { return !alive(pid) })
		}
	})
}

func TestAnOrderlyEndWaitsForCommandsApart(t *testing.T) {
	modes(t, func(t *testing.T, mode string) {
		s := isolatedWithGateway(t, mode)
		conn := s.connect("client")
		script := "trap 'sleep 0.2; echo bye; exit 4' TERM; echo ready; while :; do sleep 0.01; done"
		streams := []*wire.Stream{open(t, conn, apartShell("a", script)), open(t, conn, apartShell("b", script)), open(t, conn, shell("c", script))}
		for _, stream := range streams {
			awaitOutput(t, stream, "ready")
		}
		all := descendants(t, s.process.Process.Pid)
		begun := time.Now()
		if got := call(t, conn, map[string]any{"op": "shutdown", "grace_ms": 10_000}); got.failure != nil {
			t.Fatal(got.failure)
		}
		if took := time.Since(begun); took > 5*time.Second {
			t.Errorf("it took %v", took)
		}
		for i, stream := range streams {
			if got := drain(t, stream); !strings.Contains(string(got.stdout), "bye") || got.result["status"] != 4.0 {
				t.Errorf("%d: %q, %v", i, got.stdout, got.result)
			}
		}
		if how := s.ended(); how.Reason != "stopped" {
			t.Errorf("%+v", how)
		}
		for _, pid := range all {
			eventually(t, "nothing is left", func() bool { return !alive(pid) })
		}
	})
}

func TestWhatACommandApartSentLastArrives(t *testing.T) {
	s := isolated(t, launchAsRoot, withNetwork)
	took := make(chan int, 1)
	s.gatewayOf("gateway", func(s *wire.Stream) {
		_ = s.Event(map[string]any{"event": "connected"})
		total := 0
		for {
			m, err := s.Recv()
			if err != nil || m.Kind == wire.EOFType {
				break
			}
			total += len(m.Data)
			time.Sleep(time.Millisecond)
		}
		took <- total
		s.End(struct{}{})
	})
	got := call(t, s.connect("client"), apartShell("a", "head -c 1000000 /dev/zero >/dev/tcp/203.0.113.7/443"))
	if got.result["status"] != 0.0 {
		t.Fatalf("%q %v", got.stderr, got.result)
	}
	select {
	case total := <-took:
		if total != 1_000_000 {
			t.Errorf("%d bytes", total)
		}
	case <-time.After(tooLong):
		t.Error("nothing came")
	}
}

func TestWithoutANetworkNoCommandHasItsOwn(t *testing.T) {
	for _, s := range []*shim{newShim(t), newShim(t, withNetwork)} {
		conn := s.connect("client")
		if conn.Peer().Has(featureNetworks) {
			t.Error("the shim promises it")
		}
		if got := call(t, conn, apartShell("a", "true")); got.failure == nil || got.failure.Code != "unsupported" {
			t.Errorf("%+v", got)
		}
		if got := call(t, conn, shell("a", "exit 3")); got.result["status"] != 3.0 {
			t.Errorf("the id is not free: %+v", got)
		}
	}
}

func TestManyCommandsApartAtOnce(t *testing.T) {
	s := isolatedWithGateway(t, launchAsRoot)
	conn := s.connect("client")
	const count = 20
	streams := make([]*wire.Stream, count)
	for i := range streams {
		streams[i] = open(t, conn, apartShell("c"+strconv.Itoa(i), fetch+"fetch"))
	}
	for i, stream := range streams {
		if got := drain(t, stream); !strings.HasPrefix(string(got.stdout), fmt.Sprintf("tag=c%d;", i)) {
			t.Errorf("%d: %q, %q, %v", i, got.stdout, got.stderr, got.failure)
		}
	}
	mustHaveNoneApart(t, s)
	// The shim holds nothing of them any more.
	before := held(t, s.process.Process.Pid, "")
	for i := range 5 {
		call(t, conn, apartShell("d"+strconv.Itoa(i), "true"))
	}
	eventually(t, "no descriptor is left", func() bool { return held(t, s.process.Process.Pid, "") <= before })
}

func TestASandboxThatEndsWhileItIsEntered(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("needs root")
	}
	s := isolated(t, launchAsRoot, withNetwork)
	conn := s.connect("client")
	all := descendants(t, s.process.Process.Pid)
	// The sandbox goes in the middle of it.
	streams := []*wire.Stream{}
	for i := range 5 {
		streams = append(streams, open(t, conn, apartShell("a"+strconv.Itoa(i), "sleep 60")))
	}
	_ = syscall.Kill(all[0], syscall.SIGKILL)
	for _, stream := range streams {
		if got := drain(t, stream); got.failure == nil && got.result["ended"] != "lost" {
			t.Errorf("%+v", got)
		}
	}
	s.ended()
	for _, pid := range slices.Concat(all, descendants(t, s.process.Process.Pid)) {
		eventually(t, "nothing is left", func() bool { return !alive(pid) })
	}
}
