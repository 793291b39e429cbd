package agent

import (
	"os"
	"strings"
	"testing"
)

type statsResult struct {
	Processes []listed `json:"processes"`
	Truncated bool     `json:"truncated"`
}

func TestStatsTellEveryProcessOfTheSandbox(t *testing.T) {
	h := serving(t)
	r := h.start(shell(`sleep 1000 & echo $!; while :; do :; done`))
	child := pidIn(t, r)
	var busy, quiet listed
	eventually(t, "the shell has used time", func() bool {
		var got statsResult
		h.call(object{"op": "stats"}, &got)
		for _, p := range got.Processes {
			switch p.PID {
			case r.pid:
				busy = p
			case child:
				quiet = p
			case os.Getpid():
				t.Fatal("the agent is in its own list")
			}
		}
		return busy.CPUMS > 0 && len(quiet.Argv) == 2
	})
	if busy.PPID != os.Getpid() || busy.State != "R" || busy.RSS <= 0 || strings.Join(busy.Argv[:2], " ") != "sh -c" {
		t.Errorf("%+v", busy)
	}
	if quiet.PPID != r.pid || quiet.State != "S" || strings.Join(quiet.Argv, " ") != "sleep 1000" {
		t.Errorf("%+v", quiet)
	}
	r.Cancel()
	r.finish()
}

func TestHostileArgumentsAreCutAndTheListFitsIntoAFrame(t *testing.T) {
	h := serving(t)
	long := strings.Repeat("\x01\x02é", 4000)
	var all []*running
	for range 120 {
		all = append(all, h.start(object{"op": "exec", "argv": []string{"sleep", "1000", long[:0]}, "env": plainEnv, "cwd": "/"}))
	}
	wild := h.start(object{"op": "exec", "argv": append([]string{"sh", "-c", "echo ready; sleep 1000; exit", long}, strings.Split(strings.Repeat("a,", 100), ",")...), "env": plainEnv, "cwd": "/"})
	wild.until("ready")
	var got statsResult
	h.call(object{"op": "stats"}, &got)
	found := false
	for _, p := range got.Processes {
		if p.PID == wild.pid {
			found = true
			if len(p.Argv) > mostArguments || len(p.Argv[3]) > mostWord+8 {
				t.Errorf("%d words, %d bytes", len(p.Argv), len(p.Argv[3]))
			}
		}
	}
	if !found && !got.Truncated {
		t.Error("a process is missing, and it is not said")
	}
	for _, r := range append(all, wild) {
		r.Cancel()
	}
	for _, r := range append(all, wild) {
		r.finish()
	}
}

func TestALongListIsTruncatedAndSaysSo(t *testing.T) {
	h := serving(t)
	word := strings.Repeat("\x01", 200)
	r := h.start(shell(`i=0; while [ $i -lt 80 ]; do sh -c 'read x' "$0" "$0" "$0" "$0" "$0" & i=$((i+1)); done; echo ready; wait`,
		object{"argv": []string{"sh", "-c", `i=0; while [ $i -lt 80 ]; do sh -c 'sleep 1000; :' "$0" "$0" "$0" & i=$((i+1)); done; echo ready; wait`, word}}))
	r.until("ready")
	var got statsResult
	h.call(object{"op": "stats"}, &got)
	if !got.Truncated || len(got.Processes) == 0 {
		t.Errorf("%d processes, truncated %v", len(got.Processes), got.Truncated)
	}
	r.Cancel()
	r.finish()
}

func TestANameWithParenthesesDoesNotFoolTheParser(t *testing.T) {
	const rest = " 1 7 7 0 -1 4194560 94 0 0 0 3 4 0 0 20 0 1 0 8117 2355200 201 18446744073709551615 1 1 0 0 0 0 0 0 0 0 0 0 17 0 0 0 0 0 0"
	p, ok := parseStat(7, []byte("7 (a) R 5 5 (b) S"+rest))
	if !ok || p.state != "S" || p.ppid != 1 || p.session != 7 || p.cpuMS != 70 || p.rss != 201*int64(os.Getpagesize()) {
		t.Errorf("%+v", p)
	}
	for _, text := range []string{"", "7", "7 (a", "7 (a)", "7 (a) S 1", ")"} {
		if _, ok := parseStat(7, []byte(text)); ok {
			t.Errorf("%q is taken", text)
		}
	}
}

func FuzzParseStat(f *testing.F) {
	f.Add([]byte("7 (a) S 1 7 7 0 -1 4194560 94 0 0 0 3 4 0 0 20 0 1 0 8117 2355200 201 1"))
	f.Add([]byte("7 (a))))) (S 1 99999999999999999999 -7 x"))
	f.Fuzz(func(_ *testing.T, text []byte) { parseStat(7, text) })
}

func FuzzParseOrder(f *testing.F) {
	f.Add([]byte(`{"op":"exec","argv":["a"],"env":["A=b"],"cwd":"/","tty":{"cols":1,"rows":1},"timeout_ms":5}`))
	f.Add([]byte(`{"argv":[null],"env":null,"cwd":"/\u0000"}`))
	f.Fuzz(func(t *testing.T, payload []byte) {
		o, failure := parseOrder(payload)
		if (o == nil) == (failure == nil) {
			t.Fatal("neither an order nor a reason")
		}
	})
}
