package shim

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"strings"
	"testing"

	"agentkernel/guest/internal/outlog"
	"agentkernel/guest/internal/wire"
)

// counting writes the numbers from 1 on, one a line of 64 bytes, so that every offset tells its content.
const counting = `awk 'BEGIN { for (i = 1; i <= %d; i++) printf "%%063d\n", i }'`

const width = 64

// lineOf is the line with that number.
func lineOf(number int64) [width]byte {
	var line [width]byte
	line[width-1] = '\n'
	for i := width - 2; i >= 0; i-- {
		line[i] = '0' + byte(number%10)
		number /= 10
	}
	return line
}

// checkCounting fails the test when the bytes are not those that counting writes from an offset on.
func checkCounting(t *testing.T, offset int64, text []byte) {
	t.Helper()
	for i := 0; i < len(text); {
		at := offset + int64(i)
		line := lineOf(at/width + 1)
		want := line[at%width:]
		n := min(len(want), len(text)-i)
		if !bytes.Equal(text[i:i+n], want[:n]) {
			t.Fatalf("at %d: %q instead of %q", at, text[i:i+n], want[:n])
		}
		i += n
	}
}

// follow takes stdout from an offset on, up to the end or until it has so many bytes, and checks each. It tells where it is
// then, and what was skipped.
func follow(t *testing.T, s *wire.Stream, offset, most int64) (at, skipped int64, ended bool) {
	t.Helper()
	for begin := offset; most < 0 || offset-begin < most; {
		m, err := next(t, s)
		if err != nil {
			t.Fatalf("at %d: %v", offset, err)
		}
		switch {
		case m.Kind == wire.EndType:
			return offset, skipped, true
		case m.Kind == wire.DataType && m.Channel == wire.Out:
			checkCounting(t, offset, m.Data)
			offset += int64(len(m.Data))
		case m.Kind == wire.EventType:
			var event struct {
				Event   string
				Channel byte
				Offset  int64
			}
			if err := m.Decode(&event); err != nil {
				t.Fatal(err)
			}
			if event.Event == "offset" && event.Channel == wire.Out {
				if event.Offset < offset {
					t.Fatalf("back from %d to %d", offset, event.Offset)
				}
				skipped += event.Offset - offset
				offset = event.Offset
			}
		}
	}
	return offset, skipped, false
}

func TestOutputIsReadAgainFromAnyOffset(t *testing.T) {
	s := newShim(t)
	conn := s.connect("client")
	const lines = 5_000
	call(t, conn, shell("a", fmt.Sprintf(counting, lines)))
	other := s.connect("client")
	for _, offset := range []int64{0, 1, 100_003, lines*width - 1, lines * 8} {
		stream := open(t, other, map[string]any{"op": "attach", "id": "a", "stdout": offset})
		begin := offset
		if offset == lines*width {
			begin = 0 // Nothing comes, so nobody says from where.
		}
		at, _, ended := follow(t, stream, begin, -1)
		if !ended || (at != lines*width && offset != lines*width) {
			t.Errorf("from %d to %d, ended %v", offset, at, ended)
		}
	}
}

func TestTheFirstBytesSayWhereTheyBegin(t *testing.T) {
	conn := newShim(t).connect("client")
	call(t, conn, shell("a", "printf 0123456789; printf abcdef >&2"))
	got := call(t, conn, map[string]any{"op": "attach", "id": "a", "stdout": 4, "stderr": 6})
	if string(got.stdout) != "456789" || len(got.stderr) != 0 || len(got.events) != 2 {
		t.Fatalf("%+v", got)
	}
	if event := got.events[1]; event["event"] != "offset" || event["channel"] != 1.0 || event["offset"] != 4.0 {
		t.Fatalf("%v", event)
	}
}

func TestWhoOnlyLooksGetsWhatIsThere(t *testing.T) {
	conn := newShim(t).connect("client")
	s := open(t, conn, shell("a", "echo ready; cat", map[string]any{"stdin": true}))
	awaitOutput(t, s, "ready")
	got := call(t, conn, map[string]any{"op": "attach", "id": "a", "follow": false})
	if string(got.stdout) != "ready\n" || got.result["running"] != true {
		t.Fatalf("%+v", got)
	}
	s.CloseChannel(wire.In)
	drain(t, s)
	got = call(t, conn, map[string]any{"op": "attach", "id": "a", "follow": false})
	if string(got.stdout) != "ready\n" || got.result["ended"] != "exited" {
		t.Fatalf("%+v", got)
	}
}

func TestLookingAtACommandThatNeverStopsWritingEnds(t *testing.T) {
	s := newShim(t, withCap(1<<20))
	conn := s.connect("client")
	stream := open(t, conn, shell("a", "exec yes", map[string]any{"detach": true}))
	awaitOutput(t, stream, "y\n")
	stream.Drop()
	for range 5 {
		if got := call(t, conn, map[string]any{"op": "attach", "id": "a", "follow": false}); got.result["running"] != true || len(got.stdout) > 2<<20 {
			t.Fatalf("%d bytes, %v", len(got.stdout), got.result)
		}
	}
}

func TestAClientThatReturnsInTheMiddleMissesNothing(t *testing.T) {
	s := newShim(t)
	const lines = 100 << 20 / width
	stream := open(t, s.connect("client"), shell("big", fmt.Sprintf(counting, lines)))
	at, skipped, ended := follow(t, stream, 0, 1<<20)
	for !ended {
		stream.Conn().Close()
		stream = open(t, s.connect("client"), map[string]any{"op": "attach", "id": "big", "stdout": at})
		var more int64
		at, more, ended = follow(t, stream, at, 30<<20)
		skipped += more
	}
	if at != lines*width || skipped != 0 {
		t.Fatalf("%d bytes, %d skipped", at, skipped)
	}
}

func TestAClientThatDoesNotReadHoldsUpNobody(t *testing.T) {
	s := newShim(t)
	const lines = 4 << 20 / width
	stuck := open(t, s.connect("client"), shell("a", fmt.Sprintf(counting, lines)))
	conn := s.connect("client")
	awaitEvent(t, stuck, "started")
	if at, skipped, _ := follow(t, open(t, conn, map[string]any{"op": "attach", "id": "a"}), 0, -1); at != lines*width || skipped != 0 {
		t.Fatalf("%d bytes, %d skipped", at, skipped)
	}
	// The same holds for another command on the connection of the one who does not read.
	if got := call(t, stuck.Conn(), shell("b", "echo ok")); string(got.stdout) != "ok\n" {
		t.Fatalf("%+v", got)
	}
	if _, err := stuck.Conn().Ping(tooLong); err != nil {
		t.Fatal(err)
	}
	if at, skipped, _ := follow(t, stuck, 0, -1); at != lines*width || skipped != 0 {
		t.Fatalf("later: %d bytes, %d skipped", at, skipped)
	}
}

func TestBeyondTheCapTheOldestBytesAreDroppedAndTheGapIsTold(t *testing.T) {
	const limit, lines = 1 << 20, 4 << 20 / width
	s := newShim(t, withCap(limit))
	stuck := open(t, s.connect("client"), shell("a", fmt.Sprintf(counting, lines)))
	awaitEvent(t, stuck, "started")
	conn := s.connect("client")
	eventually(t, "the command ends", func() bool { return describe(t, conn, "a")["running"] == false })
	if got := describe(t, conn, "a")["stdout"].(map[string]any); got["end"] != float64(lines*width) || got["start"] != float64(lines*width-limit) {
		t.Fatalf("%v", got)
	}
	at, skipped, _ := follow(t, stuck, 0, -1)
	if at != lines*width || skipped < 2<<20 || skipped > lines*width-limit {
		t.Fatalf("to %d, %d skipped", at, skipped)
	}
	at, skipped, _ = follow(t, open(t, conn, map[string]any{"op": "attach", "id": "a"}), 0, -1)
	if at != lines*width || skipped != lines*width-limit {
		t.Fatalf("from the start: to %d, %d skipped", at, skipped)
	}
}

func TestAClientThatReadsLosesNothingThoughTheCapIsSmall(t *testing.T) {
	const lines = 16 << 20 / width
	s := newShim(t, withCap(1<<20))
	if at, skipped, _ := follow(t, open(t, s.connect("client"), shell("a", fmt.Sprintf(counting, lines))), 0, -1); at != lines*width || skipped != 0 {
		t.Fatalf("%d bytes, %d skipped", at, skipped)
	}
}

func TestAClientThatGoesEndsNoCommand(t *testing.T) {
	s := newShim(t)
	conn := s.connect("client")
	stream := open(t, conn, shell("a", "echo ready; read line; echo got $line", map[string]any{"stdin": true}))
	awaitOutput(t, stream, "ready")
	conn.Close()
	stream = open(t, s.connect("client"), map[string]any{"op": "attach", "id": "a", "stdin": true, "stdout": 6})
	if err := stream.Write(wire.In, []byte("word\n")); err != nil {
		t.Fatal(err)
	}
	if got := drain(t, stream); string(got.stdout) != "got word\n" || got.result["status"] != 0.0 {
		t.Fatalf("%+v", got)
	}
}

func TestTwoClientsSeeTheSame(t *testing.T) {
	s := newShim(t)
	first := open(t, s.connect("client"), shell("a", "echo ready; cat; echo oops >&2; exit 5", map[string]any{"stdin": true}))
	awaitOutput(t, first, "ready")
	second := open(t, s.connect("client"), map[string]any{"op": "attach", "id": "a"})
	awaitOutput(t, second, "ready")
	_ = first.Write(wire.In, []byte("more\n"))
	// Who attached without asking for it has no say.
	_ = second.Write(wire.In, []byte("less\n"))
	second.CloseChannel(wire.In)
	first.CloseChannel(wire.In)
	for name, stream := range map[string]*wire.Stream{"first": first, "second": second} {
		if got := drain(t, stream); string(got.stdout) != "more\n" || string(got.stderr) != "oops\n" || got.result["status"] != 5.0 {
			t.Errorf("%s: %+v", name, got)
		}
	}
}

func TestRemovingACommandEndsItAndItsFollowers(t *testing.T) {
	s := newShim(t)
	stream := open(t, s.connect("client"), shell("a", "echo ready; exec sleep 60"))
	awaitOutput(t, stream, "ready")
	conn := s.connect("client")
	if got := call(t, conn, map[string]any{"op": "exec_remove", "id": "a"}); got.failure != nil {
		t.Fatal(got.failure)
	}
	if got := drain(t, stream); got.result["ended"] != "canceled" {
		t.Fatalf("%+v", got)
	}
	if describe(t, conn, "a") != nil {
		t.Fatal("it is still there")
	}
}

func TestRemovingACommandLetsWhoReadsItFinish(t *testing.T) {
	s := newShim(t)
	const lines = 2 << 20 / width
	slow := open(t, s.connect("client"), shell("a", fmt.Sprintf(counting, lines)))
	conn := s.connect("client")
	eventually(t, "the command ends", func() bool { return describe(t, conn, "a")["running"] == false })
	if got := call(t, conn, map[string]any{"op": "exec_remove", "id": "a"}); got.failure != nil {
		t.Fatal(got.failure)
	}
	if at, skipped, ended := follow(t, slow, 0, -1); at != lines*width || skipped != 0 || !ended {
		t.Fatalf("%d bytes, %d skipped", at, skipped)
	}
}

func TestOutputIsKeptThoughItsFolderIsGone(t *testing.T) {
	s := newShim(t)
	if err := os.RemoveAll(s.orders.LogDir); err != nil {
		t.Fatal(err)
	}
	const lines = 3 << 20 / width
	conn := s.connect("client")
	if at, _, _ := follow(t, open(t, conn, shell("a", fmt.Sprintf(counting, lines))), 0, -1); at != lines*width {
		t.Fatalf("%d bytes", at)
	}
	if at, skipped, _ := follow(t, open(t, conn, map[string]any{"op": "attach", "id": "a"}), 0, -1); at != lines*width || skipped != lines*width-1<<20 {
		t.Fatalf("again: %d bytes, %d skipped", at, skipped)
	}
}

func TestLogsLeaveNoFiles(t *testing.T) {
	s := newShim(t)
	call(t, s.connect("client"), shell("a", fmt.Sprintf(counting, 20_000)))
	if names, err := os.ReadDir(s.orders.LogDir); err != nil || len(names) != 0 {
		t.Fatalf("%v, %v", names, err)
	}
}

func TestTheMemoryOfEndedCommandsIsBounded(t *testing.T) {
	r := newRegistry(t.TempDir(), outlog.Options{})
	var commands []*command
	for i := range 100 {
		c, refusal := r.reserve(execRequest{ID: fmt.Sprint(i)})
		if refusal != nil {
			t.Fatal(refusal)
		}
		c.stdout.Append(bytes.Repeat([]byte("x"), 50_000))
		c.running = true
		close(c.started)
		c.finish(&result{Ended: "canceled"}, io.EOF)
		r.retire(c)
		commands = append(commands, c)
	}
	held := 0
	for _, c := range commands {
		held += memoryOf(c)
		if start, end := c.stdout.Range(); start != 0 || end != 50_000 {
			t.Fatalf("%s keeps %d to %d", c.id, start, end)
		}
	}
	if held > mostEndedMemory || held != r.held {
		t.Fatalf("%d bytes are held, %d are known", held, r.held)
	}
	for _, c := range commands {
		r.forget(c)
	}
	if r.held != 0 || len(r.byID)+len(r.ended)+len(r.unreleased) != 0 {
		t.Fatalf("%+v", r)
	}
}

func TestSoManyCommandsMayRun(t *testing.T) {
	r := newRegistry(t.TempDir(), outlog.Options{})
	for i := range mostRunning {
		if _, refusal := r.reserve(execRequest{ID: fmt.Sprint(i)}); refusal != nil {
			t.Fatal(refusal)
		}
	}
	if _, refusal := r.reserve(execRequest{ID: "more"}); refusal == nil || refusal.Code != "too_many_streams" {
		t.Fatalf("%v", refusal)
	}
	if _, refusal := r.reserve(execRequest{ID: "0"}); refusal == nil || refusal.Code != "exists" || !strings.Contains(refusal.Message, "0") {
		t.Fatalf("%v", refusal)
	}
}
