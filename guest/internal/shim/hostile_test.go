package shim

import (
	"encoding/json"
	"math/rand"
	"os"
	"testing"

	"agentkernel/guest/internal/wire"
)

// frame is one frame as it goes over the socket.
func frame(stream uint32, kind wire.Type, payload string) []byte {
	return wire.AppendFrame(nil, stream, kind, []byte(payload))
}

const clientHello = `{"protocol":1,"role":"client","version":"0","features":[]}`

func TestNoBytesOfAClientDisturbOthers(t *testing.T) {
	s := newShim(t)
	good := s.connect("client")
	call(t, good, shell("there", "echo text"))
	hello := frame(0, wire.HelloType, clientHello)
	attach := frame(1, wire.OpenType, `{"op":"attach","id":"there"}`)
	sane := append(append([]byte{}, hello...), attach...)
	source := rand.New(rand.NewSource(1))
	var attacks [][]byte
	for range 300 {
		bytes := append([]byte{}, sane...)
		for range 1 + source.Intn(6) {
			bytes[source.Intn(len(bytes))] = byte(source.Intn(256))
		}
		attacks = append(attacks, bytes[:1+source.Intn(len(bytes))])
	}
	attacks = append(attacks,
		[]byte("GET / HTTP/1.1\r\n\r\n"),
		append(hello, hello...),
		append(hello, frame(1, wire.DataType, "\x00x")...),
		append(hello, frame(2, wire.OpenType, `{"op":"exec_list"}`)...),
		append(hello, 255, 255, 255, 255, 1, 0, 0, 0, 4),
		append(hello, frame(1, wire.OpenType, `{"op":"exec","id":"x","argv":"no list"}`)...),
		append(hello, frame(1, wire.OpenType, `[]`)...),
		append(sane, frame(1, wire.CreditType, "\xff\xff\xff\xff")...),
		append(sane, frame(1, wire.DataType, "\x01stdout is ours")...),
		append(sane, frame(1, wire.EventType, `{"event":"signal","signal":"nine"}`)...),
	)
	for _, bytes := range attacks {
		socket := s.dial()
		_, _ = socket.Write(bytes)
		_ = socket.Close()
	}
	if got := call(t, good, map[string]any{"op": "attach", "id": "there"}); string(got.stdout) != "text\n" {
		t.Fatalf("%+v", got)
	}
	if got := call(t, s.connect("client"), shell("new", "exit 6")); got.result["status"] != 6.0 {
		t.Fatalf("%+v", got)
	}
}

func TestSoManyClientsAreServedAtOnce(t *testing.T) {
	s := newShim(t)
	good := s.connect("client")
	var sockets []*os.File
	for range mostClients + 20 {
		socket := s.dial()
		sockets = append(sockets, socket)
	}
	refused := 0
	for _, socket := range sockets {
		// The first byte of a hello, or the end.
		if _, err := socket.Read(make([]byte, 1)); err != nil {
			refused++
		}
	}
	if refused != 21 {
		t.Errorf("%d were refused", refused)
	}
	for _, socket := range sockets {
		_ = socket.Close()
	}
	if got := call(t, good, shell("a", "true")); got.result["status"] != 0.0 {
		t.Fatalf("%+v", got)
	}
	eventually(t, "others are served again", func() bool {
		socket := s.dial()
		defer socket.Close()
		_, err := socket.Read(make([]byte, 1))
		return err == nil
	})
}

func TestAnAgentInHostileHandsIsNotBelieved(t *testing.T) {
	conn := newShim(t, withScript("liar")).connect("client")
	raw := func(text string) json.RawMessage { return json.RawMessage(text) }
	started := raw(`{"event":"started","pid":77}`)
	for name, c := range map[string]struct {
		events []json.RawMessage
		result string
		want   string
	}{
		"the truth":                 {[]json.RawMessage{started}, `{"ended":"exited","status":3,"duration_ms":5}`, "exited"},
		"an end without a status":   {[]json.RawMessage{started}, `{"ended":"exited","duration_ms":5}`, "lost"},
		"a status of thousands":     {[]json.RawMessage{started}, `{"ended":"exited","status":3000,"duration_ms":5}`, "lost"},
		"a signal of thousands":     {[]json.RawMessage{started}, `{"ended":"signaled","signal":3000,"duration_ms":5}`, "lost"},
		"a time that runs back":     {[]json.RawMessage{started}, `{"ended":"canceled","duration_ms":-5}`, "lost"},
		"another word":              {[]json.RawMessage{started}, `{"ended":"<script>","duration_ms":5}`, "lost"},
		"text for a number":         {[]json.RawMessage{started}, `{"ended":"exited","status":"0"}`, "lost"},
		"a process below 1":         {[]json.RawMessage{raw(`{"event":"started","pid":-1}`), started}, `{"ended":"timed_out","duration_ms":5}`, "timed_out"},
		"two starts":                {[]json.RawMessage{started, raw(`{"event":"started","pid":78}`)}, `{"ended":"canceled","duration_ms":5}`, "canceled"},
		"offsets, which are ours":   {[]json.RawMessage{started, raw(`{"event":"offset","channel":1,"offset":99}`)}, `{"ended":"canceled","duration_ms":5}`, "canceled"},
		"an end without a start":    {nil, `{"ended":"exited","status":0,"duration_ms":5}`, "exited"},
		"nonsense without a start":  {nil, `{"ended":"what"}`, ""},
		"an event of another shape": {[]json.RawMessage{raw(`{"event":{"event":[]}}`), started}, `{"ended":"canceled","duration_ms":5}`, "canceled"},
	} {
		got := call(t, conn, map[string]any{"op": "exec", "id": "x", "argv": []string{"x"}, "events": c.events, "result": raw(c.result)})
		if c.want == "" {
			if got.failure == nil {
				t.Errorf("%s: %+v", name, got)
			}
			continue
		}
		if got.result["ended"] != c.want || len(got.events) != 1 || (len(c.events) > 0 && got.events[0]["pid"] != 77.0) {
			t.Errorf("%s: %+v", name, got)
		}
		if got := call(t, conn, map[string]any{"op": "exec_remove", "id": "x"}); got.failure != nil {
			t.Errorf("%s: %v", name, got.failure)
		}
	}
}

func TestAnAgentThatBreaksTheProtocolEndsTheSandbox(t *testing.T) {
	for name, bytes := range map[string][]byte{
		"a second hello":            frame(0, wire.HelloType, clientHello),
		"an unknown type":           {0, 0, 0, 0, 1, 0, 0, 0, 99},
		"a frame too long":          {255, 255, 255, 255, 1, 0, 0, 0, 5},
		"bytes for nobody":          frame(99, wire.DataType, "\x01x"),
		"bytes for stdin":           frame(1, wire.DataType, "\x00x"),
		"a stream of its own":       frame(2, wire.OpenType, `{"op":"exec"}`),
		"events that are no object": frame(1, wire.EventType, `[1]`),
		"a cancel":                  frame(1, wire.CancelType, ""),
	} {
		s := newShim(t, withScript("raw"))
		stream := open(t, s.connect("client"), map[string]any{"op": "exec", "id": "x", "argv": []string{"x"}, "raw": bytes})
		if got := drain(t, stream); got.failure == nil || got.failure.Code != "agent_lost" {
			t.Errorf("%s: %+v", name, got)
		}
		if how := s.ended(); how.Reason != "agent_lost" {
			t.Errorf("%s: %+v", name, how)
		}
		mustBeGone(t, s)
	}
}

func TestAnAgentThatNeverAnswersHoldsUpNobody(t *testing.T) {
	s := newShim(t, withScript("raw"))
	conn := s.connect("client")
	waits := open(t, conn, map[string]any{"op": "exec", "id": "x", "argv": []string{"x"}})
	// Events for a command that never starts pile up in vain, then are not taken any more.
	for range 1000 {
		if err := waits.Event(map[string]any{"event": "signal", "signal": 15}); err != nil {
			break
		}
	}
	other := s.connect("client")
	eventually(t, "the command is listed", func() bool { return len(list(t, other)) == 1 })
	if one := describe(t, other, "x"); one["pid"] != 0.0 || one["running"] != true {
		t.Fatalf("%v", one)
	}
	for _, payload := range []map[string]any{
		{"op": "attach", "id": "x"}, {"op": "exec_signal", "id": "x", "signal": 9}, {"op": "exec_remove", "id": "x"}, {"op": "stat", "path": "/"},
	} {
		open(t, other, payload).Cancel()
	}
	if _, err := other.Ping(tooLong); err != nil {
		t.Fatal(err)
	}
	open(t, other, map[string]any{"op": "shutdown", "grace_ms": 0})
	if how := s.ended(); how.Reason != "stopped" {
		t.Fatalf("%+v", how)
	}
}
