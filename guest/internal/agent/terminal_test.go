package agent

import (
	"strings"
	"testing"

	"agentkernel/guest/internal/wire"
)

func onTerminal(more ...object) object {
	o := object{"tty": object{"cols": 91, "rows": 37}}
	for _, members := range more {
		for name, value := range members {
			o[name] = value
		}
	}
	return o
}

func TestACommandCanHaveATerminal(t *testing.T) {
	o := serving(t).run(shell(`stty size; test -t 0 && test -t 1 && test -t 2 && echo terminal; echo through-tty >/dev/tty; echo err >&2; exit 9`, onTerminal())).exited(t, 9)
	if o.stdout != "37 91\r\nterminal\r\nthrough-tty\r\nerr\r\n" || o.stderr != "" {
		t.Errorf("%q %q", o.stdout, o.stderr)
	}
}

func TestATerminalChangesItsSize(t *testing.T) {
	r := serving(t).start(shell(`trap 'stty size; exit 0' WINCH; echo ready; while :; do sleep 0.01; done`, onTerminal()))
	r.until("ready")
	for _, bad := range []object{{"event": "resize", "cols": 0, "rows": 5}, {"event": "resize", "cols": 70_000, "rows": 5}} {
		if err := r.Event(bad); err != nil {
			t.Fatal(err)
		}
	}
	if err := r.Event(object{"event": "resize", "cols": 120, "rows": 50}); err != nil {
		t.Fatal(err)
	}
	if o := r.finish().exited(t, 0); !strings.Contains(o.stdout, "50 120") {
		t.Errorf("%q", o.stdout)
	}
}

func TestWhatIsTypedReachesTheCommandAndCtrlCItsGroup(t *testing.T) {
	h := serving(t)
	r := h.start(shell(`trap 'echo interrupted; exit 3' INT; stty -echo; echo ready; read line; echo "<$line>"; while :; do sleep 0.01; done`, onTerminal(object{"stdin": true})))
	r.until("ready")
	if err := r.Write(wire.In, []byte("hello\n")); err != nil {
		t.Fatal(err)
	}
	r.until("<hello>")
	if err := r.Write(wire.In, []byte("\x03")); err != nil {
		t.Fatal(err)
	}
	if o := r.finish().exited(t, 3); !strings.Contains(o.stdout, "interrupted") {
		t.Errorf("%q", o.stdout)
	}
}

func TestTheEndOfInputIsTheTerminalsCharacterForIt(t *testing.T) {
	r := serving(t).start(shell(`stty -echo eof '^G'; echo ready; cat; echo end`, onTerminal(object{"stdin": true})))
	r.until("ready")
	if err := r.Write(wire.In, []byte("line\n")); err != nil {
		t.Fatal(err)
	}
	r.CloseChannel(wire.In)
	if o := r.finish().exited(t, 0); !strings.HasSuffix(o.stdout, "line\r\nend\r\n") {
		t.Errorf("%q", o.stdout)
	}
}

func TestMuchOutputOfATerminalArrivesToTheEnd(t *testing.T) {
	o := serving(t).run(shell(`stty -opost; head -c 1000000 /dev/zero; echo -n end`, onTerminal())).exited(t, 0)
	if len(o.stdout) != 1_000_003 || !strings.HasSuffix(o.stdout, "end") {
		t.Errorf("%d bytes", len(o.stdout))
	}
}

func TestATerminalThatAChildKeepsDoesNotKeepTheCommand(t *testing.T) {
	o := serving(t).run(shell(`trap '' HUP; setsid sleep 1000 & echo $!; exit 2`, onTerminal())).exited(t, 2)
	killed(t, o.stdout)
}
