package agent

import (
	"strconv"
	"strings"
	"syscall"
	"testing"

	"agentkernel/guest/internal/wire"
)

// stubborn ignores every polite signal, and so does its child.
const stubborn = `trap '' HUP TERM INT; sleep 1000 & echo $!; wait; wait`

// pidIn waits for the number that a command prints.
func pidIn(t *testing.T, r *running) int {
	t.Helper()
	seen := ""
	for !strings.Contains(seen, "\n") {
		m, err := r.Recv()
		if err != nil {
			t.Fatal(err)
		}
		seen += string(m.Data)
	}
	number := 0
	for _, digit := range strings.TrimSpace(seen) {
		number = number*10 + int(digit-'0')
	}
	return number
}

func TestACommandThatTakesTooLongIsEnded(t *testing.T) {
	o := serving(t).run(shell(`echo before; sleep 1000; echo after`, object{"timeout_ms": 50}))
	if o.result.Ended != "timed_out" || o.stdout != "before\n" || o.result.DurationMS < 50 || o.result.Status != nil {
		t.Errorf("%+v", o)
	}
}

func TestATimeThatIsNotReachedChangesNothing(t *testing.T) {
	serving(t).run(shell(`exit 4`, object{"timeout_ms": 3_600_000})).exited(t, 4)
}

func TestCancelEndsACommandThatListens(t *testing.T) {
	r := serving(t).start(shell(`trap 'echo bye; kill %1; exit 0' TERM; sleep 1000 & echo ready; wait`))
	r.until("ready")
	r.Cancel()
	if o := r.finish(); o.result.Ended != "canceled" || o.stdout != "bye\n" {
		t.Errorf("%+v", o)
	}
}

func TestCancelEndsACommandThatIsStopped(t *testing.T) {
	r := serving(t).start(shell(`kill -STOP $$`))
	eventually(t, "it is stopped", func() bool { p, _ := look(r.pid); return p.state == "T" })
	r.Cancel()
	if o := r.finish(); o.result.Ended != "canceled" {
		t.Errorf("%+v", o)
	}
}

func TestAfterCancelNothingOfTheGroupIsLeft(t *testing.T) {
	h := serving(t)
	for name, script := range map[string]string{
		"the command ignores signals too": stubborn,
		"only its child ignores them":     `(trap '' HUP TERM; exec sleep 1000) & echo $!; wait`,
	} {
		r := h.start(shell(script))
		child := pidIn(t, r)
		r.Cancel()
		if o := r.finish(); o.result.Ended != "canceled" {
			t.Errorf("%s: %+v", name, o)
		}
		if lives(r.pid) || lives(child) {
			t.Errorf("%s: something is left", name)
		}
	}
}

func TestAtTheEndOfPatienceJobsWithGroupsOfTheirOwnGoToo(t *testing.T) {
	h := serving(t)
	// A job of an interactive shell has a group of its own and the command's session.
	r := h.start(shell(`trap '' HUP TERM; set -m; (trap '' HUP TERM; exec sleep 1000) & echo $!; sleep 1000; sleep 1000`))
	job := pidIn(t, r)
	r.Cancel()
	r.finish()
	eventually(t, "the job is gone", func() bool { return !lives(job) })
}

func TestOutputThatSomebodyElseHoldsOpenIsNotWaitedForLong(t *testing.T) {
	h := serving(t)
	o := h.run(shell(`sleep 1000 & echo $!; exit 6`)).exited(t, 6)
	killed(t, o.stdout)
}

func TestSomebodyWhoGoesOnWritingDoesNotKeepACommandFromEnding(t *testing.T) {
	h := serving(t)
	r := h.start(shell(`(while :; do echo more; done) & echo pid $! >&2; exit 0`))
	o := r.finish().exited(t, 0)
	// Nobody reads it any more.
	writer, err := strconv.Atoi(strings.TrimSpace(strings.TrimPrefix(o.stderr, "pid ")))
	if err != nil {
		t.Fatal(err)
	}
	eventually(t, "it is gone too", func() bool { return !lives(writer) })
	if !strings.HasPrefix(o.stdout, "more\n") {
		t.Errorf("%.100q", o.stdout)
	}
}

func TestEverythingWrittenBeforeTheEndArrivesHoweverSlowTheReaderIs(t *testing.T) {
	const size = 3 << 20
	h := serving(t)
	r := h.start(shell(`head -c 3145728 /dev/zero; echo -n tail >&2`))
	// The command cannot go on until somebody reads; the others can.
	for range 20 {
		h.run(shell("echo quick")).exited(t, 0)
	}
	if !lives(r.pid) {
		t.Error("all of it was taken at once")
	}
	o := r.finish().exited(t, 0)
	if len(o.stdout) != size || strings.Trim(o.stdout, "\x00") != "" || o.stderr != "tail" {
		t.Errorf("%d bytes, %q", len(o.stdout), o.stderr)
	}
}

func TestACommandThatEndedIsDrainedAfterItsReaderComesBack(t *testing.T) {
	h := serving(t)
	// More than the credit and less than credit, queue and pipe together: the command ends, and nobody has read.
	r := h.start(shell(`head -c 300000 /dev/zero`))
	eventually(t, "the command has ended", func() bool { return !lives(r.pid) })
	for range 50 {
		h.run(shell("true")).exited(t, 0)
	}
	if o := r.finish().exited(t, 0); len(o.stdout) != 300_000 {
		t.Errorf("%d bytes", len(o.stdout))
	}
}

func TestACanceledCommandEndsThoughNobodyReadsItsOutput(t *testing.T) {
	h := serving(t)
	r := h.start(shell(`exec cat /dev/zero`))
	eventually(t, "it waits for a reader", func() bool { p, _ := look(r.pid); return p.state == "S" })
	r.Cancel()
	eventually(t, "it is gone", func() bool { return !lives(r.pid) })
	counts := 0
	for {
		m, err := r.Recv()
		if err != nil {
			t.Fatal(err)
		}
		counts += len(m.Data)
		if m.Kind == wire.EndType {
			break
		}
	}
	if counts == 0 {
		t.Error("nothing came")
	}
}

func TestALostConnectionEndsNoCommand(t *testing.T) {
	h := serving(t)
	r := h.start(shell(`exec sleep 1000`))
	h.Close()
	other := serving(t)
	other.run(shell("true")).exited(t, 0)
	if !lives(r.pid) {
		t.Error("it was ended")
	}
	if err := syscall.Kill(r.pid, syscall.SIGKILL); err != nil {
		t.Error(err)
	}
}

func TestOrphansAreReaped(t *testing.T) {
	h := serving(t)
	o := h.run(shell(`(sh -c 'exit 3' & sh -c 'sleep 0.01' & echo $!; exit 0) & wait`)).exited(t, 0)
	orphan := strings.TrimSpace(o.stdout)
	eventually(t, "the orphan is reaped", func() bool {
		return readFile("/proc/"+orphan+"/stat", make([]byte, 10)) == nil
	})
}
