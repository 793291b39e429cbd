package shim

import (
	"bytes"
	"fmt"
	"reflect"
	"strings"
	"testing"

	"agentkernel/guest/internal/wire"
)

func TestACommandRunsAndItsOutputComesWithItsResult(t *testing.T) {
	s := newShim(t)
	got := call(t, s.connect("client"), shell("a", "echo out; echo err >&2; exit 3"))
	if string(got.stdout) != "out\n" || string(got.stderr) != "err\n" || got.result["ended"] != "exited" || got.result["status"] != 3.0 {
		t.Fatalf("%+v", got)
	}
	if len(got.events) != 1 || got.events[0]["event"] != "started" || got.events[0]["pid"].(float64) < 2 {
		t.Fatalf("events: %v", got.events)
	}
}

func TestTheShimSaysWhatItAndTheAgentCanDo(t *testing.T) {
	hello := newShim(t).connect("client").Peer()
	if hello.Role != "shim" || hello.Version != "1.2.3" || !hello.Has("exec") || !hello.Has("stats") || !hello.Has("shutdown") || !hello.Has("log") || hello.Has("dance") {
		t.Fatalf("%+v", hello)
	}
}

func TestAnIdIsUsedOnce(t *testing.T) {
	conn := newShim(t).connect("client")
	call(t, conn, shell("a", "true"))
	if got := call(t, conn, shell("a", "true")); got.failure == nil || got.failure.Code != "exists" {
		t.Fatalf("%+v", got)
	}
	if got := call(t, conn, map[string]any{"op": "exec_remove", "id": "a"}); got.failure != nil {
		t.Fatal(got.failure)
	}
	if got := call(t, conn, shell("a", "exit 4")); got.result["status"] != 4.0 {
		t.Fatalf("%+v", got)
	}
}

func TestRequestsThatAreWrongAreRefused(t *testing.T) {
	conn := newShim(t).connect("client")
	call(t, conn, shell("there", "true"))
	for name, c := range map[string]struct {
		payload map[string]any
		code    string
	}{
		"an id with a slash":    {shell("a/b", "true"), "invalid"},
		"no id":                 {shell("", "true"), "invalid"},
		"an id too long":        {shell(strings.Repeat("a", 65), "true"), "invalid"},
		"an id of number":       {map[string]any{"op": "exec", "id": 7}, "invalid"},
		"a signal 0":            {map[string]any{"op": "exec_signal", "id": "there", "signal": 0}, "invalid"},
		"a signal 65":           {map[string]any{"op": "exec_signal", "id": "there", "signal": 65}, "invalid"},
		"a signal for nobody":   {map[string]any{"op": "exec_signal", "id": "none", "signal": 15}, "not_found"},
		"a signal too late":     {map[string]any{"op": "exec_signal", "id": "there", "signal": 15}, "not_found"},
		"no command to follow":  {map[string]any{"op": "attach", "id": "none"}, "not_found"},
		"an offset below 0":     {map[string]any{"op": "attach", "id": "there", "stdout": -1}, "invalid"},
		"an offset of text":     {map[string]any{"op": "attach", "id": "there", "stdout": "1"}, "invalid"},
		"no command to remove":  {map[string]any{"op": "exec_remove", "id": "none"}, "not_found"},
		"a grace below 0":       {map[string]any{"op": "shutdown", "grace_ms": -1}, "invalid"},
		"a grace of years":      {map[string]any{"op": "shutdown", "grace_ms": 1e15}, "invalid"},
		"an unknown operation":  {map[string]any{"op": "dance"}, "unknown_op"},
		"a program not there":   {shell("b", "", map[string]any{"argv": []string{"/nonexistent"}}), "command_not_found"},
		"the same once more":    {shell("b", "", map[string]any{"argv": []string{"/nonexistent"}}), "command_not_found"},
		"an attach to that one": {map[string]any{"op": "attach", "id": "b"}, "not_found"},
	} {
		if got := call(t, conn, c.payload); got.failure == nil || got.failure.Code != c.code {
			t.Errorf("%s: %+v", name, got)
		}
	}
}

func TestWhatIsNotAboutCommandsIsTheAgents(t *testing.T) {
	conn := newShim(t).connect("client")
	s := open(t, conn, shell("a", "echo ready; exec sleep 60"))
	pid := awaitEvent(t, s, "started")["pid"]
	awaitOutput(t, s, "ready")
	got := call(t, conn, map[string]any{"op": "stats"})
	processes, _ := got.result["processes"].([]any)
	for _, one := range processes {
		if one.(map[string]any)["pid"] == pid {
			return
		}
	}
	t.Fatalf("%v is not among %v", pid, processes)
}

func TestInputReachesTheCommand(t *testing.T) {
	s := open(t, newShim(t).connect("client"), shell("a", "cat; echo end", map[string]any{"stdin": true}))
	want := bytes.Repeat([]byte("0123456789abcdef"), 1<<16)
	go func() {
		_ = s.Write(wire.In, want)
		s.CloseChannel(wire.In)
	}()
	if got := drain(t, s); string(got.stdout) != string(want)+"end\n" {
		t.Fatalf("%d bytes came back of %d", len(got.stdout), len(want))
	}
}

func TestASignalPassesInputThatNobodyReads(t *testing.T) {
	s := open(t, newShim(t).connect("client"), shell("a", "trap 'exit 9' USR1; echo ready; while :; do sleep 0.01; done", map[string]any{"stdin": true}))
	awaitOutput(t, s, "ready")
	stuck := make(chan error, 1)
	go func() { stuck <- s.Write(wire.In, make([]byte, 4<<20)) }()
	if err := s.Event(map[string]any{"event": "signal", "signal": 10}); err != nil {
		t.Fatal(err)
	}
	if got := drain(t, s); got.result["status"] != 9.0 {
		t.Fatalf("%+v", got.result)
	}
	if err := <-stuck; err == nil {
		t.Fatal("somebody took all of the input")
	}
}

func TestEverybodyMaySignalACommandByItsId(t *testing.T) {
	s := newShim(t)
	stream := open(t, s.connect("client"), shell("a", "echo ready; exec sleep 60"))
	awaitOutput(t, stream, "ready")
	if got := call(t, s.connect("client"), map[string]any{"op": "exec_signal", "id": "a", "signal": 15}); got.failure != nil {
		t.Fatal(got.failure)
	}
	if got := drain(t, stream); got.result["ended"] != "signaled" || got.result["signal"] != 15.0 {
		t.Fatalf("%+v", got.result)
	}
}

func TestCancelEndsACommandUnlessItIsDetached(t *testing.T) {
	conn := newShim(t).connect("client")
	for _, c := range []struct {
		more map[string]any
		want string
	}{
		{map[string]any{}, "canceled true"},
		{map[string]any{"detach": true}, "<nil> false"},
	} {
		id := fmt.Sprintf("detach-%d", len(c.more))
		s := open(t, conn, shell(id, "echo ready; exec sleep 60", c.more))
		awaitOutput(t, s, "ready")
		s.Cancel()
		got := drain(t, s)
		if fmt.Sprintf("%v %v", got.result["ended"], got.result["running"] == nil) != c.want {
			t.Errorf("%v: %v", c.more, got.result)
		}
		running := describe(t, conn, id)["running"]
		if running != (len(c.more) > 0) {
			t.Errorf("%v: running is %v", c.more, running)
		}
	}
	// Of the detached one only an attached client leaves.
	s := open(t, conn, map[string]any{"op": "attach", "id": "detach-1"})
	awaitOutput(t, s, "ready")
	s.Cancel()
	if got := drain(t, s); got.result["running"] != true {
		t.Errorf("%v", got.result)
	}
	if got := call(t, conn, map[string]any{"op": "exec_remove", "id": "detach-1"}); got.failure != nil {
		t.Error(got.failure)
	}
}

// describe is a command as the list shows it.
func describe(t *testing.T, conn *wire.Conn, id string) map[string]any {
	t.Helper()
	for _, one := range list(t, conn) {
		if one["id"] == id {
			return one
		}
	}
	return nil
}

func list(t *testing.T, conn *wire.Conn) []map[string]any {
	t.Helper()
	got := call(t, conn, map[string]any{"op": "exec_list"})
	var all []map[string]any
	for _, part := range append(got.events, got.result) {
		for _, one := range part["execs"].([]any) {
			all = append(all, one.(map[string]any))
		}
	}
	return all
}

func TestAListShowsWhatRunsAndWhatHasEnded(t *testing.T) {
	conn := newShim(t).connect("client")
	call(t, conn, shell("done", "printf 12345; printf 67 >&2"))
	s := open(t, conn, shell("runs", "echo ready; exec sleep 60", map[string]any{"detach": true}))
	awaitOutput(t, s, "ready")
	all := list(t, conn)
	if len(all) != 2 || all[0]["id"] != "done" || all[1]["id"] != "runs" {
		t.Fatalf("%v", all)
	}
	done, runs := all[0], all[1]
	if done["running"] != false || done["result"].(map[string]any)["status"] != 0.0 || runs["running"] != true || runs["result"] != nil {
		t.Fatalf("%v\n%v", done, runs)
	}
	if !reflect.DeepEqual(done["stdout"], map[string]any{"start": 0.0, "end": 5.0}) || !reflect.DeepEqual(done["stderr"], map[string]any{"start": 0.0, "end": 2.0}) {
		t.Fatalf("%v", done)
	}
	if runs["pid"].(float64) < 2 || runs["tty"] != false || runs["detach"] != true || runs["started_at_ms"].(float64) < 1e12 {
		t.Fatalf("%v", runs)
	}
	if argv := runs["argv"].([]any); len(argv) != 3 || argv[0] != "/bin/sh" {
		t.Fatalf("%v", argv)
	}
}

func TestAListMayBeLongerThanAFrame(t *testing.T) {
	conn := newShim(t).connect("client")
	long := strings.Repeat("x", 3000)
	for i := range 60 {
		call(t, conn, shell(fmt.Sprint("c", i), "true", map[string]any{"argv": []string{"/bin/true", long, strings.Repeat("y", 2000)}}))
	}
	all := list(t, conn)
	if len(all) != 60 || all[0]["id"] != "c0" || all[59]["id"] != "c59" {
		t.Fatalf("%d commands", len(all))
	}
	if argv := all[7]["argv"].([]any); len(argv) != 2 || argv[1] != long {
		t.Fatalf("%d arguments", len(argv))
	}
}

func TestOnlyTheNewestCommandsThatHaveEndedAreKept(t *testing.T) {
	conn := newShim(t).connect("client")
	stays := open(t, conn, shell("stays", "echo ready; exec sleep 60"))
	awaitOutput(t, stays, "ready")
	for i := range mostEnded + 3 {
		call(t, conn, shell(fmt.Sprint("c", i), "echo "+fmt.Sprint(i)))
	}
	eventually(t, "the oldest are forgotten", func() bool { return len(list(t, conn)) == mostEnded+1 })
	if got := call(t, conn, map[string]any{"op": "attach", "id": "c2"}); got.failure == nil || got.failure.Code != "not_found" {
		t.Fatalf("%+v", got)
	}
	if got := call(t, conn, map[string]any{"op": "attach", "id": "c3"}); string(got.stdout) != "3\n" {
		t.Fatalf("%+v", got)
	}
}

func TestTheFirstArgumentsAreKept(t *testing.T) {
	long := strings.Repeat("é", 3000)
	for _, c := range []struct{ argv, want []string }{
		{nil, []string{}},
		{[]string{"a", "", "b"}, []string{"a", "", "b"}},
		{[]string{"a", long, "b"}, []string{"a"}},
		{[]string{long}, []string{long[:4096]}},
		{[]string{"a" + long}, []string{("a" + long)[:4095]}},
	} {
		if got := firstArguments(c.argv); !reflect.DeepEqual(got, c.want) {
			t.Errorf("%d arguments: %d", len(c.argv), len(got))
		}
	}
}
